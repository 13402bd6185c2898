"""The life of several runs as a state machine: everything that can happen, in any order, and what must hold after each step of it."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agentgate.approvers.port import Answer
from agentgate.core.events import Scope, ToolCall, Usage
from agentgate.core.state import at_time
from agentgate.core.stops import Halt
from agentgate.errors import ModelError, OutsideError
from agentgate.interrupts import Interrupts
from agentgate.models.port import Reply
from agentgate.session import CompiledPolicy
from tests.core.building import Clock
from tests.faults.breaking import AFTER, BEFORE, FAIL, HALF, Crash, Faults, MemoryAccounts
from tests.faults.lives import Life, events_on_disk, folded, loaded
from tests.faults.stage import Stage, StagedModel, StagedPerson, StagedWorld

EXAMPLES = int(os.environ.get("AGENTGATE_EXAMPLES", "2000")) // 50
TOKENS, CALLS, READS, HOURLY = 1500, 8, 4, 9
POLICY: dict[str, Any] = {
    "rules": [{"id": "read", "allow": ["read", "charge"]}, {"id": "big", "ask": "pay"}, {"id": "never", "block": "drop"}],
    "once": "charge",
    "limits": {
        "tokens": TOKENS,
        "tool_calls": CALLS,
        "refusals": 9,
        "tools": {"read": {"calls": READS}},
        "per_hour": {"tool_calls": HOURLY},
    },
}
TOOLS = ("read", "pay", "drop", "charge")
HOUR = timedelta(hours=1)
ANSWERS = {
    "approve": Answer(approved=True, by="ann"),
    "approve for the run": Answer(approved=True, by="ann", scope=Scope.RUN),
    "reject": Answer(approved=False, by="ann", note="no"),
    "nobody": Answer(approved=False, by="nobody", unavailable=True),
    "later": Answer(approved=False, by="later", later=True),
    "stop": Answer(approved=False, by="ann", stop=True),
    "broken": RuntimeError("no clear answer"),
}
calls = st.tuples(
    st.sampled_from(["read", "read", "pay", "pay", "charge", "charge", "drop", "unknown"]), st.integers(1, 3), st.integers(0, 19)
)
proposals = st.lists(calls, min_size=1, max_size=4)
shares = st.sampled_from([0.0, 0.5, 1.0])


@cache
def policy() -> CompiledPolicy:
    with TemporaryDirectory() as folder:
        return loaded(POLICY, Path(folder))


class Jumping:
    """A clock of waiting: the time for which something is waited for is always over at the second look."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def __call__(self) -> float:
        self._seconds += 100.0
        return self._seconds


class Lives(RuleBasedStateMachine):
    """Several runs of one policy, one process after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.stage = Stage()
        self.accounts = MemoryAccounts("order-7")
        self.clock, self.time = Clock(), Clock()
        self.interrupts = Interrupts(clock=Jumping())
        self.halts: dict[str | None, Halt] = {}
        self.runs = 0
        self.ids = 0
        self.executed: list[tuple[str, str, str, Any]] = []
        """(run, call, tool with arguments, when it began) of every effect of the runs before, and of this one."""
        self.begun = self.clock()
        self.life: Life

    def teardown(self) -> None:
        if self.stage.wish is not None:
            self._step(Crash())
        self._folder.cleanup()

    # The runs

    @initialize()
    def first_run(self) -> None:
        self._new_run()

    @precondition(lambda self: self.stage.wish is None and self.runs < 4)
    @rule(back=st.sampled_from([0, 0, 0, 7200]), leave=st.integers(0, 5))
    def next_run(self, back: int, leave: int) -> None:
        """Another run, perhaps after the machine's clock was set back; seldom while the one before is not done."""
        if self.life.done or leave == 0:
            self.time.wait(-back)
            self._new_run()

    @precondition(lambda self: self.stage.wish is None and bool(self.life.records()) and not self.life.done)
    @rule(retry=st.booleans(), after=st.none() | st.integers(0, 12), how=st.sampled_from([BEFORE, AFTER, HALF, FAIL]))
    def resume(self, retry: bool, after: int | None, how: str) -> None:
        """The same run goes on in a new process, which may be killed, or whose disk may fail, sooner or later."""
        faults = Faults()
        if after is not None:
            faults.soon(after, how)
        self._start(
            lambda **parts: self.life.go_on(faults, retry=retry, doubts=StagedPerson(self.stage, "doubt") if retry else None, **parts)
        )

    # The model

    @precondition(lambda self: self._wants("model"))
    @rule(calls=proposals)
    def propose_few_tokens(self, calls: list[tuple[str, int, int]]) -> None:
        """The model proposes calls, and that costs little."""
        self.propose(calls, 10)

    @precondition(lambda self: self._wants("model"))
    @rule(calls=proposals, tokens=st.sampled_from([50, 100, 400]))
    def propose(self, calls: list[tuple[str, int, int]], tokens: int) -> None:
        """The model proposes calls; now and then with an id that was there before."""
        proposed = []
        for tool, n, odd in calls:
            self.ids += odd > 0 or self.ids == 0
            function = {"name": tool, "arguments": json.dumps({"n": n})}
            proposed.append({"id": f"call_{self.ids}", "type": "function", "function": function})
        message = {"role": "assistant", "content": None, "tool_calls": proposed}
        self._step(Reply(message=message, finish_reason="tool_calls", usage=Usage(tokens, 10)))

    @precondition(lambda self: self._wants("model"))
    @rule(kind=st.sampled_from(["done", "done", "cut off", "no usage", "fails"]))
    def end(self, kind: str) -> None:
        """The model says its last word, or something that ends the run."""
        if kind == "fails":
            self._step(ModelError("the server does not answer"))
            return
        usage = None if kind == "no usage" else Usage(50, 10)
        function = {"name": "read", "arguments": '{"n": 1}'}
        self.ids += 1
        calls = [{"id": f"call_{self.ids}", "type": "function", "function": function}]
        message = {"role": "assistant", "content": "done", **({"tool_calls": calls} if kind == "cut off" else {})}
        self._step(Reply(message=message, finish_reason="length" if kind == "cut off" else "stop", usage=usage))

    # People

    @precondition(lambda self: self._wants("ask"))
    @rule(said=st.sampled_from(sorted(ANSWERS)))
    def answer(self, said: str) -> None:
        """Whoever is asked says something, or nothing."""
        self._step(ANSWERS[said])

    @precondition(lambda self: self._wants("doubt"))
    @rule(said=st.sampled_from(["approve", "reject", "nobody", "stop"]))
    def doubt(self, said: str) -> None:
        """Somebody is asked whether a call that may have run shall be run once more."""
        self._step(ANSWERS[said])

    # Tools

    @precondition(lambda self: self._wants("tool"))
    @rule(ok=st.booleans())
    def tool_returns(self, ok: bool) -> None:
        """A tool has had its effect, and comes back well or not."""
        self._effect()
        self._step(ok)

    # What happens from outside

    @precondition(lambda self: self.stage.wish is not None)
    @rule(
        kind=st.sampled_from(["Ctrl-C", "kill switch", "killed", "killed", "power cut"]),
        effect=st.booleans(),
        more=st.sampled_from([0.0, 0.5, 1.0]),
    )
    def given_up(self, kind: str, effect: bool, more: float) -> None:
        """Ctrl-C, the kill switch, SIGKILL or a power cut while the run waits; a tool may have had its effect all the same."""
        if self._wants("tool") and effect:
            self._effect()
        if kind == "Ctrl-C":
            self.interrupts.count += 1
            self._run(self.stage.no_answer)
        elif kind == "kill switch":
            self.halts[None] = Halt("the kill switch is on", ends_run=True)
            self._run(self.stage.no_answer)
            del self.halts[None]
        else:
            self._step(Crash())
            if kind == "power cut":
                self.life.world.disk.power_cut(more)

    @precondition(lambda self: self.stage.wish is not None)
    @rule(after=st.integers(0, 20), how=st.sampled_from([BEFORE, AFTER, HALF, FAIL]))
    def trouble_ahead(self, after: int, how: str) -> None:
        """Soon something goes wrong: at one of the next things that the process does."""
        self.life.world.faults.soon(after, how)

    @rule(tool=st.sampled_from([*(None,) * 6, *TOOLS]), seconds=st.sampled_from([1, 60, 1800, 4000]))
    def meanwhile(self, tool: str | None, seconds: int) -> None:
        """Time goes by, and the kill switch is thrown for one tool, or switched off again."""
        self.time.wait(seconds)
        self.clock.wait(seconds)
        self.halts.clear()
        if tool is not None:
            self.halts[tool] = Halt(f"the kill switch is on for tool '{tool}'", ends_run=False)

    # What must hold

    @invariant()
    def the_record_is_whole(self) -> None:
        """The chain verifies, no call has two answers, and what is over has an answer to every call."""
        over = self.stage.wish is None and self.life.ended is not None and self.life.ended.status != "waiting"
        self.life.check(ended=over)

    @invariant()
    def the_state_is_that_of_the_record(self) -> None:
        """What the session knows is what the events on disk come to, and nothing else."""
        session = self.life.session
        if session is None or (self.stage.wish is None and self.life.ended is None):
            return
        state = folded(events_on_disk(self.life.path))
        assert session.state.now is not None
        known, live = (msgspec.structs.asdict(found) for found in (at_time(state, session.state.now), session.state))
        differ = [(name, known[name], live[name]) for name in known if not known[name] == live[name]]  # noqa: SIM201 - maps only know `==`
        assert differ == []

    @invariant()
    def approvals_are_used_once(self) -> None:
        """What was asked about was executed no more often than somebody said yes to exactly that."""
        asked = {event["call_id"] for event in self.life.records() if event["type"] == "call_decided" and event["effect"] == "ask"}
        said_yes = Counter(
            event["call_id"] for event in self.life.records() if (event["type"], event.get("answer")) == ("approval_answered", "approve")
        )
        done = Counter(call for run, call, _, _ in self.executed if run == self.life.run_id)
        assert all(done[call] <= said_yes[call] for call in asked)
        assert all(count <= 1 + self._retries()[call] for call, count in done.items())

    @invariant()
    def limits_hold(self) -> None:
        """Calls of the run, calls of a tool, calls within any hour: of all runs, never more than there are."""
        first = {(run, call): what for run, call, what, _ in reversed(self.executed)}
        mine = [what for (run, _), what in first.items() if run == self.life.run_id]
        assert len(mine) <= CALLS
        assert len([what for what in mine if what.startswith("read ")]) <= READS

    @invariant()
    def once_is_once(self) -> None:
        """In all runs together, but for what somebody said to try again."""
        done = Counter(what for _, _, what, _ in self.executed if what.startswith("charge "))
        assert all(count <= 1 + self.retried[what] for what, count in done.items())

    # How it is done

    def _new_run(self) -> None:
        folder = Path(self._folder.name, f"run{self.runs}")
        folder.mkdir()
        self.runs += 1
        self.ids = 0
        world = StagedWorld(TOOLS, self.stage, self._forbidden)
        self.life = Life(folder, policy(), (), world, accounts=self.accounts)
        self._start(lambda **parts: self.life.begin(**parts))

    def _start(self, process: Any) -> None:
        self.clock = Clock()
        self.clock.time = self.time.time
        self.interrupts = Interrupts(clock=Jumping())
        parts = {
            "model": StagedModel(self.stage),
            "approver": StagedPerson(self.stage, "ask"),
            "switch": lambda tool: self.halts.get(None) or self.halts.get(tool),
            "clock": self.clock,
            "interrupts": self.interrupts,
        }
        self._run(lambda: self.stage.start(lambda: process(**parts)))

    def _step(self, answer: Any) -> None:
        self._run(lambda: self.stage.answer(answer))

    def _run(self, step: Any) -> None:
        """Lets the run go on to its next wish, and looks at that."""
        with suppress(OutsideError):  # the disk of a process that was about to begin
            step()
        if self._wants("model"):
            self._check_request()

    def _wants(self, kind: str) -> bool:
        return self.stage.wish is not None and self.stage.wish.kind == kind

    def _forbidden(self, call: ToolCall) -> str | None:
        self.begun = self.clock()
        if self.interrupts.count:
            return "it was interrupted"
        halt = self.halts.get(None) or self.halts.get(call.name)
        return None if halt is None else halt.reason

    def _check_request(self) -> None:
        """The model is asked only while there is something left, and hears one answer to each of its calls."""
        spent = sum(sum(event["usage"].values()) for event in self.life.records() if event["type"] == "model_replied")
        assert spent < TOKENS
        assert self.stage.wish is not None
        waiting: list[str] = []
        for message in self.stage.wish.about:
            if message["role"] == "tool":
                assert message["tool_call_id"] == waiting.pop(0)
            else:
                assert waiting == []
                waiting = [call["id"] for call in message.get("tool_calls") or ()]
        assert waiting == []

    def _effect(self) -> None:
        """The tool does what it does."""
        assert self.stage.wish is not None
        call: ToolCall = self.stage.wish.about
        now = self.begun
        self.executed.append((self.life.run_id, call.id, f"{call.name} {call.arguments}", now))
        lately = {(run, id) for run, id, _, at in self.executed if at > now - HOUR}
        assert len(lately) <= HOURLY

    def _retries(self) -> Counter[str]:
        events = self.life.records()
        return Counter(event["call_id"] for event in events if event.get("scope") == "retry" and event["answer"] == "approve")

    @property
    def retried(self) -> Counter[str]:
        """`tool arguments` → how often somebody said to try it again, in all runs."""
        found: Counter[str] = Counter()
        for path in Path(self._folder.name).glob("run*/run.jsonl"):
            events = [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
            decided = {event["call_id"]: f"{event['tool']} {event['arguments']}" for event in events if event["type"] == "call_decided"}
            found.update(decided[event["call_id"]] for event in events if event.get("scope") == "retry" and event["answer"] == "approve")
        return found


Lives.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
test_lives = Lives.TestCase
