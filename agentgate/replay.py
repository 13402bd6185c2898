"""Judges recorded runs again: the same session as a live run, fed with what was recorded. Executes nothing, asks nobody.

State grows from what the transcript says was answered and returned; only the judgement is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count

from msgspec.structs import replace

from agentgate.core.events import EPOCH, CallDecided, Code, Decision, RunStarted, ToolCall
from agentgate.core.policy import Policy
from agentgate.core.remembered import Remembered
from agentgate.files.transcript import Item, Proposed, Transcript, Unanswered, Wanted
from agentgate.session import CompiledPolicy, Session, prepare
from agentgate.tally import Group as Group  # whoever replays names them
from agentgate.tally import Judged as Judged
from agentgate.tally import Tally as Tally
from agentgate.tally import Verdict as Verdict
from agentgate.tally import judgement as judgement


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
        calls = self._calls_alone(transcript)
        if calls is not None:
            self._count_alone(transcript, calls, tally)
            return
        flipped = False
        decisions: list[Decision] = []
        for item, decision, other in self._decided(transcript):
            decisions.append(decision)
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
        tally.decided_all(decisions)

    def _decided(self, transcript: Transcript) -> Iterator[tuple[Proposed, Decision, Decision | None]]:
        """Every call with what is decided about it, and what the other policy decides."""
        calls = self._calls_alone(transcript)
        if calls is not None:
            decisions, others = self._of_alone(transcript, calls)
            compared: Sequence[Decision | None] = [None] * len(calls) if others is None else others
            yield from zip(map(Proposed, calls, count()), decisions, compared, strict=True)
            return
        session = self._session(self.policy, remembered=self._remembered)
        other = None if self.against is None else self._session(self.against, remembered=self._remembered_against)
        for item in transcript.everything() if transcript.imported else _answers(transcript.items):
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

    def _calls_alone(self, transcript: Transcript) -> Sequence[ToolCall] | None:
        """The calls of a transcript, where nothing else in it makes a difference to any of the policies."""
        if self._by_runs is None or (self.against is not None and self._by_runs_against is None):
            return None
        return transcript.calls_alone()

    def _of_alone(self, transcript: Transcript, calls: Sequence[ToolCall]) -> tuple[list[Decision], list[Decision] | None]:
        """What is decided about such calls, and what the other policy decides."""
        assert self._by_runs is not None
        begun, against = self._begun(transcript), self._by_runs_against
        return self._by_runs.decide_run(begun, calls), None if against is None else against.decide_run(begun, calls)

    def _count_alone(self, transcript: Transcript, calls: Sequence[ToolCall], tally: Tally) -> None:
        decisions, others = self._of_alone(transcript, calls)
        tally.decided_all(decisions)
        if others is None:
            return
        tally.compared_all(others, decisions)
        flipped = False
        for index, (call, decision, other) in enumerate(zip(calls, decisions, others, strict=True)):
            if other.effect is not decision.effect:
                tally.flip(_judged(transcript, Proposed(call, index), decision, other, flipped))
                tally.flipped_runs += not flipped
                flipped = True

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
        file=transcript.file,
        line=transcript.line if transcript.imported else 0,
        unnamed=transcript.unnamed,
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
