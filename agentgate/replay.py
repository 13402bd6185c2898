"""Judges recorded runs again: the same session as a live run, fed with what was recorded. Executes nothing, asks nobody.

State grows from what the transcript says was answered and returned; only the judgement is new.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.events import EPOCH, CallDecided, Code, Decision, Effect, Json, RunStarted, ToolCall
from agentgate.core.policy import Policy
from agentgate.core.remembered import Remembered
from agentgate.files.transcript import Damage, Item, Proposed, Transcript, Unanswered, Wanted
from agentgate.session import CompiledPolicy, Session, prepare
from agentgate.spread import Calls


class Verdict(Struct, frozen=True):
    """An earlier decision, as far as it matters for comparing."""

    effect: Effect
    rule: str | None
    code: str

    def as_object(self) -> dict[str, Json]:
        """As it stands in JSON."""
        return {"effect": self.effect, "rule": self.rule}


class Judged(Struct, frozen=True):
    """One recorded call and what is decided about it now."""

    transcript: str
    """The id of its transcript."""
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
    run: str = ""
    """Its transcript as `explain` takes it: FILE, or FILE:LINE."""

    @property
    def before(self) -> Verdict | None:
        """What it is compared with; None where nothing was judged: what the kill switch stopped, no policy decided."""
        return self.against or judgement(self.recorded)

    def as_object(self) -> dict[str, Json]:
        """The row of `--format jsonl`; it has `against` only where there is another policy."""
        row: dict[str, Json] = {name: getattr(self, name) for name in self.__struct_fields__ if name != "run"}
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


class Replay:
    """A policy, and perhaps another one to compare with, ready to judge transcripts."""

    def __init__(
        self,
        policy: Policy,
        against: Policy | None = None,
        *,
        role: str | None = None,
        resolve: Callable[[str], str] | None = None,
        workdir: str = "/",
    ) -> None:
        """Prepares the policies.

        Args:
            policy: what to judge by.
            against: what to compare with; the recorded decisions, by default.
            role: judge everything in this role rather than in the recorded one.
            resolve: for links in paths that a transcript does not tell about.
            workdir: where relative paths start in transcripts that do not say.
        """
        self.policy = prepare(policy)
        self.against = None if against is None else prepare(against)
        self.role = role
        self._session = partial(Session, resolve=resolve, workdir=workdir, clock=lambda: EPOCH)
        self._remembered = Remembered()
        self._remembered_against = Remembered()
        self._by_runs = self._of_runs(self.policy, self._remembered)
        """Judges transcripts of calls alone, where that is all that makes a difference."""
        self._by_runs_against = None if self.against is None else self._of_runs(self.against, self._remembered_against)

    def _of_runs(self, policy: CompiledPolicy, remembered: Remembered) -> Session | None:
        return self._session(policy, remembered=remembered) if policy.judges_calls_alone else None

    @property
    def wanted(self) -> Wanted:
        """What of a transcript makes a difference."""
        policies = [self.policy] if self.against is None else [self.policy, self.against]
        return Wanted(history=any(policy.needs.history for policy in policies))

    def judge(self, transcript: Transcript) -> Iterator[Judged]:
        """Every call of a transcript, in order."""
        flipped = False
        for item, decision, other in self._decided(transcript):
            judged = _judged(transcript, item, decision, other, flipped)
            yield judged
            flipped = flipped or judged.flipped

    def count(self, transcript: Transcript, tally: Tally) -> None:
        """Counts the calls of a transcript, without making rows of those that did not flip."""
        tally.transcripts += 1
        if self._by_runs is not None and transcript.calls is not None and self.against is None:
            tally.decided_all(self._by_runs.decide_run(self._begun(transcript), transcript.calls))
            return
        flipped = False
        for item, decision, other in self._decided(transcript):
            tally.decided(decision.effect, decision.rule or decision.code)
            recorded = item.recorded
            if recorded is None and other is None:
                continue
            tally.redacted += recorded is not None and recorded.redacted
            before = _before(item, other)
            if before is not None:
                flips = before.effect is not decision.effect
                tally.compared(before.effect, decision.effect)
                if flips:
                    tally.flip(_judged(transcript, item, decision, other, flipped))
                    tally.flipped_runs += not flipped
                    flipped = True

    def _decided(self, transcript: Transcript) -> Iterator[tuple[Proposed, Decision, Decision | None]]:
        """Every call with what is decided about it, and what the other policy decides."""
        if transcript.calls is not None and self._by_runs is not None and (self.against is None or self._by_runs_against is not None):
            yield from self._decided_by_runs(self._by_runs, transcript, transcript.calls)
            return
        session = self._session(self.policy, remembered=self._remembered)
        other = None if self.against is None else self._session(self.against, remembered=self._remembered_against)
        for item in transcript.items if transcript.imported else _answers(transcript.items):
            if isinstance(item, Proposed):
                facts = None if item.recorded is None else item.recorded.facts
                decision = session.propose(item.call, at=item.at, facts=facts)
                yield item, decision, None if other is None else other.propose(item.call, at=item.at, facts=facts)
                continue
            if isinstance(item, list):
                decided = _withheld_together(session, item)
                against = [None] * len(item) if other is None else _withheld_together(other, item)
                yield from zip(item, decided, against, strict=True)
                continue
            if isinstance(item, Unanswered):
                continue
            if item is transcript.items[0]:
                item = self._begun(transcript)
            session.record(item)
            if other is not None:
                other.record(item)

    def _decided_by_runs(
        self, session: Session, transcript: Transcript, calls: list[ToolCall]
    ) -> Iterator[tuple[Proposed, Decision, Decision | None]]:
        begun = self._begun(transcript)
        decisions = session.decide_run(begun, calls)
        others = [None] * len(calls) if self._by_runs_against is None else self._by_runs_against.decide_run(begun, calls)
        for item, decision, other in zip(transcript.items[1:], decisions, others, strict=True):
            assert isinstance(item, Proposed)
            yield item, decision, other

    def _begun(self, transcript: Transcript) -> RunStarted:
        """How the transcript begins, in the role in which it is judged."""
        return transcript.started if self.role is None else replace(transcript.started, role=self.role)


def _judged(transcript: Transcript, item: Proposed, decision: Decision, other: Decision | None, flipped: bool) -> Judged:
    before = _before(item, other)
    return Judged(
        transcript=transcript.id,
        index=item.index,
        call_id=item.call.id,
        tool=item.call.name,
        arguments=item.call.arguments,
        effect=decision.effect,
        code=decision.code,
        rule=decision.rule,
        reason=decision.reason,
        recorded=None if item.recorded is None else Verdict(item.recorded.effect, item.recorded.rule, item.recorded.code),
        against=None if other is None else Verdict(other.effect, other.rule, other.code),
        flipped=before is not None and before.effect is not decision.effect,
        after_flip=flipped,
        redacted=item.recorded is not None and item.recorded.redacted,
        run=f"{transcript.file}:{transcript.line}" if transcript.imported else transcript.file,
    )


def _before(item: Proposed, other: Decision | None) -> Decision | CallDecided | None:
    """What a call is compared with, as `Judged.before` says."""
    if other is not None:
        return other
    return None if item.recorded is None or item.recorded.code is Code.KILLED else item.recorded


def _withheld_together(session: Session, group: list[Proposed]) -> list[Decision]:
    """What is decided about the calls of an answer that nobody ever saw."""
    facts = [item.recorded.facts if item.recorded is not None else None for item in group]
    return session.propose_together([item.call for item in group], at=group[0].at, facts=facts, withheld=True)[0]


def _answers(items: Iterable[Item]) -> Iterator[Item | list[Proposed]]:
    """The items of a transcript; the calls of an answer that was withheld come together."""
    group: list[Proposed] = []
    for item in items:
        together = isinstance(item, Proposed) and _withheld(item)
        if group and not (together and isinstance(item, Proposed) and _step(item) == _step(group[0])):
            yield group
            group = []
        if together and isinstance(item, Proposed):
            group.append(item)
        else:
            yield item
    if group:
        yield group


def _withheld(item: Proposed) -> bool:
    return item.recorded is not None and item.recorded.withheld


def _step(item: Proposed) -> int:
    return -1 if item.recorded is None else item.recorded.step


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


_MOST_UNCOUNTED = 8_192


class Tally:
    """What a replay comes to. Grows with the rules and the ways to flip, not with the calls."""

    def __init__(self) -> None:
        self.transcripts = 0
        self.calls = 0
        self._effects: Counter[str] = Counter()
        self._rules: Counter[str] = Counter()
        self._uncounted: list[Decision] = []
        """Of `decided_all`: the same decision is often met again, so that many are counted at once."""
        self.matrix: Counter[tuple[Effect, Effect]] = Counter()
        """Effect before, effect now → calls."""
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
        self._uncounted.extend(decisions)
        if len(self._uncounted) > _MOST_UNCOUNTED:
            self._count_all()

    def _count_all(self) -> None:
        counted = Counter(map(id, self._uncounted))
        for decision in {id(decision): decision for decision in self._uncounted}.values():
            calls = counted[id(decision)]
            self._effects[decision.effect.value] += calls
            self._rules[decision.rule or decision.code] += calls
        self._uncounted.clear()

    @property
    def rules(self) -> Counter[str]:
        """Rule or limit, or the decision's code where none decided → calls decided by it."""
        self._count_all()
        return self._rules

    def compared(self, before: Effect, now: Effect) -> None:
        """One more call was compared with what was decided before."""
        self.matrix[before, now] += 1

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
