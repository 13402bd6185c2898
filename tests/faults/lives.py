"""Runs that take several processes: what lies on disk, in the accounts and in the world outlives each of them, and nothing else does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from agentgate.accounts import Accounts
from agentgate.approvers.port import Answer, Approver, Question
from agentgate.core.events import Decision, Event, Json, RunEnded, RunResumed, RunStarted, ToolCall
from agentgate.core.state import State, evolve
from agentgate.core.stops import Switch
from agentgate.errors import RecordError
from agentgate.files.policy_file import load_policy
from agentgate.files.transcript_chain import decode_event, parse_line
from agentgate.files.transcript_continued import continue_transcript
from agentgate.files.transcript_verify import UNENDED, verify
from agentgate.files.transcript_writer import TranscriptWriter
from agentgate.interrupts import Interrupts
from agentgate.loop import Loop
from agentgate.models.port import Model
from agentgate.session import CompiledPolicy, Session, prepare
from agentgate.tools.port import Outcome
from agentgate.unfinished import Past
from tests.core.building import Clock
from tests.faults.breaking import BreakableDisk, Crash, Faults, MemoryAccounts
from tests.loop.going_on import events_of
from tests.loop.playing import Notes, ScriptedModel, tool

SAID_YES = Answer(approved=True, by="terminal")


class Yes:
    """Approves everything, and is one of the things that can go wrong."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def ask(self, question: Question) -> Answer:
        with self._faults.around("ask"):
            return SAID_YES

    def close(self) -> None:
        pass


class World:
    """The tools' side: what was really done. Every effect is checked against the record as it would survive a power cut."""

    def __init__(self, tools: Sequence[str]) -> None:
        self.tools = tuple(tool(name, {"takes": {"n": "integer"}}) for name in tools)
        self.effects: list[str] = []
        """`id tool arguments` of every call that was executed, in order."""
        self.disk: BreakableDisk
        self.faults = Faults()
        self.behaves: Callable[[ToolCall], bool] = lambda call: True
        """Whether a tool succeeds."""

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False, idempotency_key: str | None = None) -> Outcome:
        assert decision.arguments == json.loads(call.arguments or "{}")
        assert permitted(recorded(self.disk.durable), call), f"{call} is executed, and the durable record does not permit it"
        with self.faults.around("tool"):
            self.effects.append(f"{call.id} {call.name} {call.arguments}")
        ok = self.behaves(call)
        said = {"ok": True, "tool": call.name, "result": "fine"} if ok else {"ok": False, "error": "failed", "code": "tool_error"}
        return Outcome(ok=ok, content=json.dumps(said), seconds=0.0)

    def abandon(self) -> None:
        pass

    def close(self) -> None:
        pass


def permitted(events: Sequence[Mapping[str, Json]], call: ToolCall) -> bool:
    """Whether a record lets this call be executed now: decided, approved where that is asked, not answered, or to be tried once more."""
    mine = [event for event in events if event.get("call_id") == call.id]
    decided = [event for event in mine if event["type"] == "call_decided"]
    effects = {event["effect"] for event in decided if (event["tool"], event["arguments"]) == (call.name, call.arguments)}
    answers = [(event["scope"], event["answer"]) for event in mine if event["type"] == "approval_answered"]
    approved = any(answer == "approve" and scope != "retry" for scope, answer in answers)
    let_through = "allow" in effects or ("ask" in effects and approved)
    again = mine[-1]["type"] == "approval_answered" and answers[-1] == ("retry", "approve")
    returned = [event for event in mine if event["type"] == "tool_returned"]
    return let_through and (again or len(returned) < len(decided))  # an id that is used twice has two answers


def recorded(data: bytes) -> list[dict[str, Json]]:
    """The whole lines of a transcript."""
    return [json.loads(line) for line in data.splitlines(keepends=True) if line.endswith(b"\n")]


def events_on_disk(path: Path) -> list[Event]:
    """The whole events of a transcript."""
    return [decode_event(parse_line(line)) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def folded(events: Iterable[Event]) -> State:
    """The state that these events come to."""
    state = State()
    for event in events:
        state = evolve(state, event)
    return state


def loaded(policy: Mapping[str, Any], folder: Path) -> CompiledPolicy:
    """A policy as a file says it, ready for many sessions."""
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "name": "lives", **policy}))
    return prepare(load_policy(str(path)))


class Life:
    """One run under one policy, from its first process to its last."""

    def __init__(
        self, folder: Path, policy: CompiledPolicy, model: Sequence[Json], world: World, *, accounts: Accounts | None = None
    ) -> None:
        self.path = folder / "run.jsonl"
        self.run_id = folder.name
        self.world = world
        self.processes = 0
        self._policy = policy
        self._script = model
        self._accounts = accounts
        self.session: Session | None = None
        self.ended: RunEnded | None = None
        """How the latest process ended; None where it was killed, or could not write."""

    @property
    def done(self) -> bool:
        """Whether the record says so."""
        records = self.records()
        return bool(records) and records[-1].get("status") == "done"

    def begin(self, faults: Faults | None = None, **parts: Any) -> RunEnded | None:
        """The first process. None where it ended without a `run_ended`: killed, or unable to write.

        Raises:
            AgentgateError: nothing was begun.
        """
        faults = self._born(faults)
        with self._mortal(), TranscriptWriter(self.path, disk=self.world.disk) as writer:
            loop = self._loop(writer, faults, **parts)
            assert self.session is not None
            started = RunStarted(
                at=self.session.now(),
                run_id=self.run_id,
                messages=({"role": "user", "content": "do it"},),
                tools=tuple(tool.definition for tool in self.world.tools),
                max_steps=20,
            )
            self.ended = loop.run(started)
        return self.ended

    def go_on(self, faults: Faults | None = None, *, retry: bool = False, **parts: Any) -> RunEnded | None:
        """The next process, which knows nothing but the transcript.

        Raises:
            AgentgateError: it does not go on.
        """
        faults = self._born(faults)
        with self._mortal():
            self.ended = self._continued(faults, retry=retry, **parts)
        return self.ended

    def _continued(self, faults: Faults, *, retry: bool, **parts: Any) -> RunEnded:
        continued = continue_transcript(self.path, disk=self.world.disk)
        with continued.writer:
            past = Past(continued.items)
            events = events_of(continued.items)
            loop = self._loop(continued.writer, faults, past, since=events[-1].at, **parts)
            assert self.session is not None
            self.session.remember(events)
            resumed = RunResumed(at=self.session.now(), retry_unknown=retry)
            return loop.resume(resumed, past)

    @contextmanager
    def _mortal(self) -> Iterator[None]:
        """A process that can be killed, or stopped by its disk."""
        try:
            yield
        except Crash:
            self.world.disk.process_gone()
        except RecordError:
            if not self.records():
                raise

    def _born(self, faults: Faults | None) -> Faults:
        faults = faults or Faults()
        self.ended = None
        self.processes += 1
        self.world.faults = faults
        self.world.disk = BreakableDisk(self.path, faults)
        if isinstance(self._accounts, MemoryAccounts):
            self._accounts.faults = faults
        return faults

    def _loop(
        self,
        writer: TranscriptWriter,
        faults: Faults,
        past: Past | None = None,
        *,
        since: datetime | None = None,
        model: Model | None = None,
        approver: Approver | None = None,
        doubts: Approver | None = None,
        switch: Switch | None = None,
        clock: Clock | None = None,
        interrupts: Interrupts | None = None,
    ) -> Loop:
        clock = clock or Clock()
        if since is not None:
            clock.wait(max((since - clock()).total_seconds(), 0.0))
        self.session = Session(self._policy, recorder=writer, clock=clock, accounts=self._accounts, switch=switch)
        if model is None:
            model = scripted = ScriptedModel(self._script, clock)
            if past is not None:
                scripted.skip(past)
        return Loop(self.session, model, self.world, approver or Yes(faults), Notes(), interrupts or Interrupts(), doubts)

    def records(self) -> list[dict[str, Json]]:
        """What lies on disk."""
        return recorded(self.path.read_bytes()) if self.path.exists() else []

    def check(self, *, ended: bool = False) -> None:
        """The chain is whole (a torn tail at most), no call is answered twice, and what was done is what may have been done.

        Args:
            ended: whether the run is said to be over.
        """
        problems = [] if not self.path.exists() or not self.path.read_bytes() else _problems(self.path)
        assert problems == [], problems
        let_through = {event["call_id"] for event in self.records() if event["type"] == "call_decided" and event["effect"] != "block"}
        done = [effect.split(" ")[0] for effect in self.world.effects]
        assert set(done) <= let_through
        records = self.records()
        decided = Counter(event["call_id"] for event in records if event["type"] == "call_decided")
        answers = Counter(event["call_id"] for event in records if event["type"] == "tool_returned")
        again = Counter(event["call_id"] for event in records if event.get("scope") == "retry" and event["answer"] == "approve")
        assert all(count <= decided[call] + again[call] for call, count in answers.items())
        if ended:
            assert all(count <= answers[call] for call, count in decided.items())
            executed = [event for event in records if event["type"] == "tool_returned" and event["executed"]]
            assert set(done) <= {event["call_id"] for event in executed}
            assert {event["call_id"] for event in executed if not event["unknown"]} <= set(done)


def _problems(path: Path) -> list[str]:
    """What an audit finds, apart from what a crash leaves: a torn last line, and a missing end."""
    data = path.read_bytes()
    whole = path.with_suffix(".whole")
    whole.write_bytes(data[: data.rfind(b"\n") + 1])
    found = [problem.what for problem in verify(whole).problems] if whole.stat().st_size else []
    whole.unlink()
    return [what for what in found if what != UNENDED]
