"""`explain` on the screen: the call, the decision, every rule that had a say, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from agentgate.core.events import Decision, Json
from agentgate.core.explain import Change, Considered
from agentgate.core.findings import Place
from agentgate.output.calls import call_text
from agentgate.output.marks import marks
from agentgate.output.safe import safe

if TYPE_CHECKING:
    from agentgate.explain import Explanation


def explanation_lines(explanation: Explanation, *, ascii: bool = False) -> Iterator[str]:
    """The lines of the explanation, safe to show."""
    call, decision = explanation.call, explanation.decision
    mark = marks(ascii=ascii)
    arguments = decision.arguments if decision.arguments is not None else call.arguments
    yield f"call      {call_text(call.name, arguments, ascii=ascii)}"
    deciding = decision.rule or decision.code
    yield f"decision  {mark[decision.effect]} {decision.effect:<5}  {safe(deciding)}: {safe(decision.reason)}"
    if decision.hint:
        yield f"hint      {safe(decision.hint)}"
    if explanation.recorded is not None and explanation.recorded.effect is not decision.effect:
        yield f"recorded  {mark[explanation.recorded.effect]} {explanation.recorded.effect}  {safe(explanation.recorded.reason)}"
    if explanation.considered:
        yield ""
        yield f"rules that name {safe(str(call.name))}"
        yield from _table([_row(entry, decision, mark) for entry in explanation.considered])
    if explanation.changes:
        yield ""
        yield "what would change it"
        yield from _table([_change(change, mark) for change in explanation.changes])


def _change(change: Change, mark: Mapping[str, str]) -> tuple[str, ...]:
    by = safe(change.rule or change.code)
    return (f"  {safe(change.change)}", f"{mark['arrow']}  {mark[change.effect]} {change.effect} by {by}")


def _row(entry: Considered, decision: Decision, mark: Mapping[str, str]) -> tuple[str, ...]:
    sign = mark[entry.effect] if entry.matched else mark["other"]
    said = f"{entry.effect}{' (on trial)' if entry.observe else ''}"
    deciding = "decides: " if entry.rule == decision.rule else ""
    return (f"  {sign} {safe(entry.rule)}", place_text(entry.place), said, deciding + safe(entry.why))


def place_text(place: Place | None) -> str:
    """`strict.yaml:12`, or nothing."""
    return "" if place is None else safe(f"{place.file.rsplit('/', 1)[-1]}:{place.line}")


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        yield "   ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def explanation_json(explanation: Explanation) -> dict[str, Json]:
    """The same as an object."""
    decision = explanation.decision
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
    }
