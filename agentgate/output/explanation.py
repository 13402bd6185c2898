"""`explain` on the screen: the call, the decision, every rule that had a say, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from agentgate.core.changes import Change
from agentgate.core.events import CallDecided, Code, Decision, Json
from agentgate.core.explain import Considered
from agentgate.core.findings import Place
from agentgate.core.results import CompiledResultRule, ResultRules
from agentgate.output.calls import call_text, value_text
from agentgate.output.columns import pad, wrap
from agentgate.output.marks import marks
from agentgate.output.plural import plural
from agentgate.output.policy_view import deciding
from agentgate.output.safe import safe

if TYPE_CHECKING:
    from agentgate.explain import Explanation

_LABEL = 10
"""Cells of the words at the left edge."""
_LONGEST_VALUE = 60
_MOST_RULES = 40
_LEAST_LAST = 30
"""Cells that the last column needs to stand beside the others."""
_ABOUT_RULES = (Code.RULE, Code.DEFAULT, Code.LIMIT)


class ExplanationText:
    """Writes one explanation down, in lines that are safe to show."""

    def __init__(self, explanation: Explanation, *, width: int | None = None, ascii: bool = False) -> None:
        """Takes the explanation.

        Args:
            explanation: what to show.
            width: cells of a line, at most; None for lines of any length.
            ascii: whether nothing beyond ASCII may be written.
        """
        self._explanation = explanation
        self._decision = explanation.decision
        self._width = width
        self._ascii = ascii
        self._marks = marks(ascii=ascii)

    def lines(self) -> Iterator[str]:
        """All of it."""
        decision, recorded = self._decision, self._explanation.recorded
        yield from self._labelled("call", self._call())
        yield from self._labelled("decision", self._said(decision))
        if decision.hint:
            yield from self._labelled("hint", self._safe(decision.hint))
        if recorded is not None and recorded.effect is not decision.effect:
            yield from self._labelled("recorded", self._said(recorded))
        yield from self._rules()
        yield from self._results()
        if self._explanation.changes:
            yield ""
            yield "what would change it"
            yield from self._table([self._change(change) for change in self._explanation.changes])

    def _said(self, decision: Decision | CallDecided) -> str:
        by = self._safe(decision.rule or decision.code)
        reason = f": {self._safe(decision.reason)}" if decision.reason else ""
        return f"{self._marks[decision.effect]} {decision.effect:<5}  {by}{reason}"

    def _call(self) -> str:
        """The call, with the arguments that it fell on first and whole."""
        call, decision = self._explanation.call, self._decision
        as_event = CallDecided(
            step=0,
            call_id=call.id,
            tool=call.name,
            arguments=call.arguments,
            effect=decision.effect,
            code=decision.code,
            rule=decision.rule,
            reason=decision.reason,
        )
        first = deciding(self._explanation.policy)(as_event)
        arguments = decision.arguments if decision.arguments is not None else call.arguments
        return call_text(call.name, arguments, first=first, longest=_LONGEST_VALUE, ascii=self._ascii)

    def _rules(self) -> Iterator[str]:
        considered = self._explanation.considered
        if not considered:
            return
        asked = "" if self._decision.code in _ABOUT_RULES else ", if it came to them"
        shown = sorted(considered, key=lambda entry: not entry.matched)[:_MOST_RULES] if len(considered) > _MOST_RULES else considered
        yield ""
        name = value_text(self._explanation.call.name, longest=_LONGEST_VALUE, ascii=self._ascii)[1:-1]
        yield from self._hung("", f"rules that name {name}{asked}", 6)
        yield from self._table([self._row(entry) for entry in shown])
        if len(considered) > len(shown):
            yield f"  and {plural(len(considered) - len(shown), 'more rule')}; `--format json` has all of them"

    def _row(self, entry: Considered) -> tuple[str, ...]:
        sign = self._marks[entry.effect] if entry.matched else self._marks["other"]
        said = f"{entry.effect}{' (on trial)' if entry.observe else ''}"
        decides = "decides: " if entry.rule == self._decision.rule else ""
        return (f"  {sign} {self._safe(entry.rule)}", self._safe(place_text(entry.place)), said, decides + self._safe(entry.why))

    def _results(self) -> Iterator[str]:
        """The rules about what the tool returns: they have no say on the call, and come after it."""
        rules = rules_about_results(self._explanation)[:_MOST_RULES]
        if rules:
            yield ""
            yield "rules about its results"
            yield from self._table(
                [(f"  {self._safe(rule.id)}", self._safe(place_text(rule.rule.rule.place)), _does(rule)) for rule in rules]
            )

    def _change(self, change: Change) -> tuple[str, ...]:
        by = self._safe(change.rule or change.code)
        return (f"  {self._safe(change.change)}", f"{self._marks['arrow']}  {self._marks[change.effect]} {change.effect} by {by}")

    def _safe(self, text: str) -> str:
        return safe(text, ascii=self._ascii)

    def _labelled(self, label: str, text: str) -> Iterator[str]:
        yield from self._hung(f"{label:<{_LABEL}}", text, _LABEL)

    def _table(self, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
        """Columns side by side; where they leave the last one no room, it stands below."""
        widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        room = None if self._width is None else self._width - sum(widths) - 3 * len(widths)
        for *cells, last in rows:
            lead = "".join(pad(cell, width) + "   " for cell, width in zip(cells, widths, strict=True))
            if room is None or room >= _LEAST_LAST or cell_len(lead + last) <= (self._width or 0):
                yield from self._hung(lead, last, cell_len(lead))
            else:
                yield from self._hung("", "   ".join(cell for cell in cells if cell), 6)
                yield from self._hung(" " * 6, last, 6)

    def _hung(self, lead: str, text: str, indent: int) -> Iterator[str]:
        """A text behind a lead, its further lines set in."""
        if self._width is None:
            yield f"{lead}{text}".rstrip()
            return
        for line in wrap(text, max(self._width - indent, _LEAST_LAST)):
            yield f"{lead}{line}".rstrip()
            lead = " " * indent


def place_text(place: Place | None) -> str:
    """`strict.yaml:12`, or nothing."""
    return "" if place is None else safe(f"{place.file.rsplit('/', 1)[-1]}:{place.line}")


def rules_about_results(explanation: Explanation) -> list[CompiledResultRule]:
    """The rules of the policy about results of the call's tool, the strictest first."""
    name = explanation.call.name
    return [rule for rule in ResultRules(explanation.policy).rules if isinstance(name, str) and rule.compiled.covers(name)]


def _does(rule: CompiledResultRule) -> str:
    size = "" if rule.max_bytes is None else f" to {rule.max_bytes:,} bytes" if rule.cut else f" above {rule.max_bytes:,} bytes"
    return f"{rule.effect}{size}{' (on trial)' if rule.rule.rule.observe else ''}"


def explanation_json(explanation: Explanation) -> dict[str, Json]:
    """The same as an object."""
    decision, recorded = explanation.decision, explanation.recorded
    results = [{"rule": rule.id, "effect": rule.effect, "max_bytes": rule.max_bytes} for rule in rules_about_results(explanation)]
    return {
        "effect": decision.effect,
        "code": decision.code,
        "rule": decision.rule,
        "reason": decision.reason,
        "hint": decision.hint,
        "considered": [
            {"rule": entry.rule, "effect": entry.effect, "matched": entry.matched, "why": entry.why, "observe": entry.observe}
            for entry in explanation.considered
        ],
        "changes": [
            {"change": change.change, "effect": change.effect, "code": change.code, "rule": change.rule} for change in explanation.changes
        ],
        "recorded": None if recorded is None else {"effect": recorded.effect, "rule": recorded.rule},
        **({"results": results} if results else {}),
    }
