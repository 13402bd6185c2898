"""What a replay comes to: calls as they are judged now and were before, counted, and grouped by the way in which they flipped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.events import Code, Decision, Effect, Json
from agentgate.files.transcript import Damage
from agentgate.spread import Calls


class Verdict(Struct, frozen=True):
    """An earlier decision, as far as it matters for comparing."""

    effect: Effect
    rule: str | None
    code: str

    def as_object(self) -> dict[str, Json]:
        """As it stands in JSON."""
        return {"effect": self.effect, "rule": self.rule}


_NOT_IN_ROWS = frozenset(("file", "line", "unnamed"))


class Judged(Struct, frozen=True):
    """One recorded call and what is decided about it now."""

    transcript: str
    """The id of its transcript; FILE:LINE, where that is `unnamed`."""
    index: int
    """Which call of the transcript, from 0."""
    call_id: Json
    tool: Json
    arguments: Json
    effect: Effect
    code: str
    rule: str | None
    reason: str
    recorded: Verdict | None
    """What the transcript says was decided; None where nobody decided anything."""
    against: Verdict | None
    """What the other policy decides, where there is one."""
    flipped: bool
    """Whether the effect is another than before: than the other policy's, where there is one, else than the recorded one."""
    after_flip: bool
    """Whether an earlier call of this transcript flipped: from there on a real run might have gone another way."""
    redacted: bool = False
    """Whether its arguments are not the original ones, but what the record has left of them."""
    file: str = ""
    line: int = 0
    """Where its transcript begins in the file, from 1; 0 where that is all of the file."""
    unnamed: bool = False
    """Whether its transcript has no id of its own."""

    @property
    def run(self) -> str:
        """Its transcript as `explain` takes it: FILE, or FILE:LINE."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def before(self) -> Verdict | None:
        """What it is compared with; None where nothing was judged: what the kill switch stopped, no policy decided."""
        return self.against or judgement(self.recorded)

    def as_object(self) -> dict[str, Json]:
        """The row of `--format jsonl`; it has `against` only where there is another policy."""
        row: dict[str, Json] = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _NOT_IN_ROWS}
        if not self.redacted:
            del row["redacted"]
        row["recorded"] = self.recorded and self.recorded.as_object()
        if self.against is None:
            del row["against"]
        else:
            row["against"] = self.against.as_object()
        return row

    def as_line(self) -> str:
        """The same as a line of JSON."""
        return json.dumps(self.as_object()) + "\n"

    def around_line(self) -> tuple[str, str]:
        """The same where the transcript is unnamed: what stands before, and what after the number of its line."""
        row = self.as_object()
        del row["transcript"]  # the first of all
        return json.dumps({"transcript": f"{self.file}:"})[: -len('"}')], '", ' + json.dumps(row)[len("{") :] + "\n"

    def further_down(self, lines: int) -> Judged:
        """The same call where its transcript begins so many lines later."""
        moved = replace(self, line=self.line + lines)
        return replace(moved, transcript=moved.run) if self.unnamed else moved


def judgement(recorded: Verdict | None) -> Verdict | None:
    """A recorded decision, where a policy made it."""
    return None if recorded is None or recorded.code == Code.KILLED else recorded


class Group(Struct):
    """Calls that flipped in the same way."""

    before: Verdict
    example: Judged
    """The first of them."""
    alike: Calls
    """What they have in common."""
    runs: int = 0
    last_run: int = 0

    @property
    def calls(self) -> int:
        """How many there are."""
        return self.alike.count

    def add(self, run: int, call: Judged) -> None:
        """Takes one more call, in the so-manieth run."""
        self.alike.add(call.arguments)
        if run != self.last_run:
            self.runs += 1
            self.last_run = run


_MOST_GROUPS = 1_000
"""More than these are told apart by their effects alone: a model can make up any number of tools."""


_MOST_UNCOUNTED = 16_384


class Tally:
    """What a replay comes to. Grows with the rules and the ways to flip, not with the calls."""

    def __init__(self) -> None:
        self.transcripts = 0
        self.calls = 0
        self._effects: Counter[str] = Counter()
        self._rules: Counter[str] = Counter()
        self._uncounted: tuple[list[Effect], list[str]] = ([], [])
        """Effects, and what decided, of `decided_all`: many are counted at once. Decisions would hold arguments of any size."""
        self._matrix: Counter[tuple[Effect, Effect]] = Counter()
        self._uncompared: list[tuple[Effect, Effect]] = []
        self.flips = 0
        self.redacted = 0
        """Calls that could only be judged by redacted arguments."""
        self.flipped_runs = 0
        self.groups: dict[tuple[str | None, ...], Group] = {}
        self.damaged: list[Damage] = []

    def run(self, judged: Iterable[Judged]) -> Iterator[Judged]:
        """Counts the calls of one transcript while they pass through."""
        self.transcripts += 1
        flips = self.flips
        for call in judged:
            self._count(call)
            yield call
        self.flipped_runs += self.flips > flips

    def _count(self, call: Judged) -> None:
        self.decided(call.effect, call.rule or call.code)
        self.redacted += call.redacted
        before = call.before
        if before is not None:
            self.compared(before.effect, call.effect)
            if call.flipped:
                self.flip(call)

    def decided(self, effect: Effect, by: str) -> None:
        """One more call was decided, by this rule, or for this code."""
        self.calls += 1
        self._effects[effect.value] += 1
        self._rules[by] += 1

    def decided_all(self, decisions: list[Decision]) -> None:
        """The same for more than one."""
        self.calls += len(decisions)
        effects, by = self._uncounted
        effects.extend([decision.effect for decision in decisions])
        by.extend([decision.rule or decision.code for decision in decisions])
        if len(by) > _MOST_UNCOUNTED:
            self._count_all()

    def compared_all(self, before: list[Decision], now: list[Decision]) -> None:
        """`compared` for more than one."""
        self._uncompared.extend([(one.effect, other.effect) for one, other in zip(before, now, strict=True)])
        if len(self._uncompared) > _MOST_UNCOUNTED:
            self._compare_all()

    def _count_all(self) -> None:
        effects, by = self._uncounted
        counted = Counter(map(id, effects))  # which are hashed much faster than effects
        self._effects.update({effect.value: counted[id(effect)] for effect in Effect if counted[id(effect)]})
        self._rules.update(by)
        effects.clear()
        by.clear()

    def _compare_all(self) -> None:
        counted = Counter([(id(before), id(now)) for before, now in self._uncompared])  # as above
        self._matrix.update(
            {pair: counted[id(pair[0]), id(pair[1])] for pair in product(Effect, Effect) if counted[id(pair[0]), id(pair[1])]}
        )
        self._uncompared.clear()

    @property
    def matrix(self) -> Counter[tuple[Effect, Effect]]:
        """Effect before, effect now → calls."""
        self._compare_all()
        return self._matrix

    @property
    def rules(self) -> Counter[str]:
        """Rule or limit, or the decision's code where none decided → calls decided by it."""
        self._count_all()
        return self._rules

    def compared(self, before: Effect, now: Effect) -> None:
        """One more call was compared with what was decided before."""
        self._matrix[before, now] += 1

    def flip(self, call: Judged) -> None:
        """One more call flipped."""
        before = call.before
        assert before is not None
        self.flips += 1
        key: tuple[str | None, ...] = (str(call.tool), before.effect, before.rule, before.code, call.effect, call.rule, call.code)
        if key not in self.groups and len(self.groups) >= _MOST_GROUPS:
            key = (before.effect, call.effect)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(before, call, Calls())
        group.add(self.transcripts, call)

    def count_effects(self, effects: Mapping[str, int]) -> None:
        """Adds effects that were counted elsewhere."""
        self._effects.update(effects)

    @property
    def effects(self) -> Counter[Effect]:
        """Effect → calls."""
        self._count_all()
        return Counter({Effect(effect): count for effect, count in self._effects.items()})

    def flipped_to(self, effect: Effect) -> int:
        """Calls whose effect is this one now, and was another before."""
        return sum(count for (before, now), count in self.matrix.items() if now is effect and before is not effect)

    def result(self, seconds: float) -> dict[str, Json]:
        """The whole replay as one object, for `--format json`."""
        return {
            "transcripts": self.transcripts,
            "calls": self.calls,
            "effects": {effect.value: self.effects[effect] for effect in Effect},
            "rules": dict(sorted(self.rules.items())),
            "flips": self.flips,
            **({"redacted": self.redacted} if self.redacted else {}),
            "seconds": round(seconds, 6),
            "damaged": [{"file": damage.file, "line": damage.line, "why": damage.why} for damage in self.damaged],
        }
