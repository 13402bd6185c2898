"""Judges recorded runs again: the same session as a live run, fed with what was recorded. Executes nothing, asks nobody.

State grows from what the transcript says was answered and returned; only the judgement is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.events import Code, Decision, Effect, Event, Json
from agentgate.core.policy import Policy
from agentgate.files.transcript import Damage, Item, Proposed, Transcript
from agentgate.session import Session, prepare
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
        self._session = partial(Session, resolve=resolve, workdir=workdir)

    def judge(self, transcript: Transcript) -> Iterator[Judged]:
        """Every call of a transcript, in order."""
        sessions = [self._session(self.policy), *([] if self.against is None else [self._session(self.against)])]
        flipped = False
        for group in _answers(transcript.items):
            if isinstance(group, list):
                for judged in self._judged(transcript, group, sessions, flipped):
                    yield judged
                    flipped = flipped or judged.flipped
                continue
            item = group
            if item is transcript.started and self.role is not None:
                item = replace(transcript.started, role=self.role)
            for session in sessions:
                session.record(item)

    def _judged(self, transcript: Transcript, group: list[Proposed], sessions: list[Session], flipped: bool) -> Iterator[Judged]:
        """The calls of a withheld answer, or a single one."""
        decided = [_decide(session, group) for session in sessions]
        for place, item in enumerate(group):
            decision = decided[0][place]
            against = None if len(decided) == 1 else _verdict(decided[1][place])
            recorded = None if item.recorded is None else Verdict(item.recorded.effect, item.recorded.rule, item.recorded.code)
            before = against or judgement(recorded)
            changed = before is not None and before.effect is not decision.effect
            yield Judged(
                transcript=transcript.id,
                index=item.index,
                call_id=item.call.id,
                tool=item.call.name,
                arguments=item.call.arguments,
                effect=decision.effect,
                code=decision.code,
                rule=decision.rule,
                reason=decision.reason,
                recorded=recorded,
                against=against,
                flipped=changed,
                after_flip=flipped,
                redacted=item.recorded is not None and item.recorded.redacted,
                run=f"{transcript.file}:{transcript.line}" if transcript.imported else transcript.file,
            )
            flipped = flipped or changed


def _decide(session: Session, group: list[Proposed]) -> list[Decision]:
    facts = [item.recorded.facts if item.recorded is not None else None for item in group]
    if _withheld(group[0]):
        return session.propose_together([item.call for item in group], at=group[0].at, facts=facts, withheld=True)[0]
    return [session.propose(item.call, at=item.at, facts=known) for item, known in zip(group, facts, strict=True)]


def _answers(items: Iterable[Item]) -> Iterator[Event | list[Proposed]]:
    """The items of a transcript, each call by itself, and the calls of an answer that was withheld together."""
    group: list[Proposed] = []
    for item in items:
        together = isinstance(item, Proposed) and _withheld(item)
        if group and not (together and isinstance(item, Proposed) and _step(item) == _step(group[0])):
            yield group
            group = []
        if isinstance(item, Proposed):
            if together:
                group.append(item)
            else:
                yield [item]
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


def _verdict(decision: Decision) -> Verdict:
    return Verdict(decision.effect, decision.rule, decision.code)


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


class Tally:
    """What a replay comes to. Grows with the rules and the ways to flip, not with the calls."""

    def __init__(self) -> None:
        self.transcripts = 0
        self.calls = 0
        self.effects: Counter[Effect] = Counter()
        self.rules: Counter[str] = Counter()
        """Rule or limit, or the decision's code where none decided → calls decided by it."""
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
        self.calls += 1
        self.effects[call.effect] += 1
        self.rules[call.rule or call.code] += 1
        self.redacted += call.redacted
        before = call.before
        if before is None:
            return
        self.matrix[before.effect, call.effect] += 1
        if not call.flipped:
            return
        self.flips += 1
        key: tuple[str | None, ...] = (str(call.tool), before.effect, before.rule, before.code, call.effect, call.rule, call.code)
        if key not in self.groups and len(self.groups) >= _MOST_GROUPS:
            key = (before.effect, call.effect)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(before, call, Calls())
        group.add(self.transcripts, call)

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
