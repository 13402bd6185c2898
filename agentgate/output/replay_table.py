"""A replay on the screen: the matrix of effects before and now, what flipped, newly allowed first, and what was never exercised."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from agentgate.core.events import Effect
from agentgate.core.policy import Policy
from agentgate.files.reading import STDIN
from agentgate.output.calls import call_text, calls_text
from agentgate.output.columns import pad, wrap
from agentgate.output.explanation import place_text
from agentgate.output.marks import marks
from agentgate.output.plural import plural
from agentgate.output.policy_view import places
from agentgate.output.safe import safe

if TYPE_CHECKING:
    from agentgate.replay import Group, Judged, Replay, Tally

_ORDER = (Effect.ALLOW, Effect.ASK, Effect.BLOCK)
_TITLES = ((Effect.ALLOW, "NEWLY ALLOWED", "+"), (Effect.ASK, "NEWLY ASKED", "?"), (Effect.BLOCK, "NEWLY BLOCKED", "-"))
_MOST_GROUPS = 20
_LONGEST_VALUE = 40
_LONGEST_NAME = 30
_SET_IN = 8


def why_line(example: Judged, files: Sequence[str]) -> str | None:
    """The command that tells why a call is decided as it is; None where the call, or the policy, has no name to be found by."""
    if not files or example.run.startswith(f"{STDIN}:"):
        return None
    by = [word for file in files for word in ("-p", file)]
    return shlex.join(["agentgate", "explain", f"{example.run}#{example.index + 1}", *by])


class ReplayTable:
    """Writes one replay down, in lines that are safe to show."""

    def __init__(self, tally: Tally, replay: Replay, *, files: Sequence[str] = (), width: int | None = None, ascii: bool = False) -> None:
        """Takes the result.

        Args:
            tally: what was counted.
            replay: the policies that judged.
            files: the policy's files as they were named, for the command that tells why; none where there are no such files.
            width: cells of a line, at most; None for lines of any length.
            ascii: whether nothing beyond ASCII may be written.
        """
        self._tally = tally
        self._policy = replay.policy.policy
        self._files = files
        self._against = None if replay.against is None else replay.against.policy
        self._width = width
        self._ascii = ascii
        self._arrow = marks(ascii=ascii)["arrow"]

    def lines(self, seconds: float) -> Iterator[str]:
        """The whole of it.

        Args:
            seconds: how long it took.
        """
        tally = self._tally
        runs = plural(tally.transcripts, "run")
        yield from self._paragraph(
            f"Replayed {plural(tally.calls, 'call')} from {runs} in {seconds:.2f} s. No model was called, nothing was executed."
        )
        yield ""
        yield from self._matrix() if tally.matrix else self._effects()
        yield from self._flips()
        yield from self._never_exercised()
        if tally.flipped_runs:
            yield ""
            yield from self._paragraph(
                "After its first changed decision a real run could have gone another way: "
                f"{tally.flipped_runs:,} of {plural(tally.transcripts, 'run')}."
            )
        if tally.redacted:
            yield ""
            yield from self._paragraph(f"{plural(tally.redacted, 'call')} could only be judged by what redaction left of the arguments.")
        if tally.damaged:
            yield ""
            were = "was" if len(tally.damaged) == 1 else "were"
            yield from self._paragraph(f"{plural(len(tally.damaged), 'line')} could not be read, and {were} not judged.")

    def _matrix(self) -> Iterator[str]:
        matrix = self._tally.matrix
        before = "recorded" if self._against is None else self._name(self._against)
        width = max(cell_len(before), 8)
        yield f"  {'':<{width}}      {self._name(self._policy)}"
        yield f"  {pad(before, width)}" + "".join(f"{effect.value:>10}" for effect in _ORDER)
        for row in _ORDER:
            if any(matrix[row, column] for column in _ORDER):
                yield f"    {row.value:<{width - 2}}" + "".join(f"{matrix[row, column]:>10,}" for column in _ORDER)
        unknown = self._tally.calls - matrix.total()
        if unknown:
            yield f"  {plural(unknown, 'call')} without a recorded decision"

    def _name(self, policy: Policy) -> str:
        name = safe(policy.name, ascii=self._ascii)
        return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."

    def _effects(self) -> Iterator[str]:
        yield "  " + "   ".join(f"{effect.value} {self._tally.effects[effect]:,}" for effect in _ORDER)
        yield ""
        yield "  decided by"
        ordered = sorted(self._tally.rules.items(), key=lambda entry: (-entry[1], entry[0]))
        for rule, count in ordered[:_MOST_GROUPS]:
            yield f"  {count:>9,}  {self._safe(rule)}"
        yield from self._more(len(ordered), "rule")

    def _flips(self) -> Iterator[str]:
        for effect, title, sign in _TITLES:
            groups = [group for group in self._tally.groups.values() if group.example.effect is effect]
            if not groups:
                continue
            yield ""
            hint = ": look at these first" if effect is Effect.ALLOW else ""
            yield f"{title}  {plural(sum(group.calls for group in groups), 'call')}{hint}"
            ordered = sorted(groups, key=lambda group: (-group.calls, str(group.example.tool)))
            for group in ordered[:_MOST_GROUPS]:
                yield from self._group(group, sign)
            yield from self._more(len(groups), "group")

    def _group(self, group: Group, sign: str) -> Iterator[str]:
        example, before = group.example, group.before
        alike = group.alike if group.calls > 1 else None
        if alike is None:
            call = call_text(example.tool, example.arguments, longest=_LONGEST_VALUE, ascii=self._ascii)
        else:
            call = calls_text(example.tool, alike, longest=_LONGEST_VALUE, ascii=self._ascii)
        yield from self._paragraph(f"  {sign} {call}   {plural(group.calls, 'call')} in {plural(group.runs, 'run')}")
        was = self._decider(before.rule, before.code, self._against)
        now = self._decider(example.rule, example.code, self._policy)
        yield from self._paragraph(f"      {before.effect} {was}  {self._arrow}  {example.effect} {now}")
        why = why_line(example, self._files)
        if why is not None:
            yield f"      why  {self._safe(why)}"

    def _decider(self, rule: str | None, code: str, policy: Policy | None) -> str:
        if rule is None:
            return self._safe(code)
        place = None if policy is None else places(policy).get(rule)
        return self._safe(rule) + (f" ({self._safe(place_text(place))})" if place is not None else "")

    def _never_exercised(self) -> Iterator[str]:
        idle = [rule for rule in self._policy.rules if not self._tally.rules[rule.id] and not rule.observe]
        if idle and self._tally.calls:
            yield ""
            names = ", ".join(self._decider(rule.id, "", self._policy) for rule in idle[:_MOST_GROUPS])
            more = f" and {len(idle) - _MOST_GROUPS:,} more" if len(idle) > _MOST_GROUPS else ""
            yield from self._paragraph(f"Rules that decided nothing in this traffic: {names}{more}")

    def _more(self, count: int, word: str) -> Iterator[str]:
        if count > _MOST_GROUPS:
            yield f"  and {plural(count - _MOST_GROUPS, f'more {word}')}"

    def _safe(self, text: str) -> str:
        return safe(text, ascii=self._ascii)

    def _paragraph(self, text: str) -> Iterator[str]:
        """A text, its further lines set in so far that none of them can pass for a row."""
        if self._width is None:
            yield text
            return
        first, *rest = wrap(text, self._width)
        yield first.rstrip()
        for line in wrap("".join(rest), self._width - _SET_IN) if rest else ():
            yield " " * _SET_IN + line.rstrip()
