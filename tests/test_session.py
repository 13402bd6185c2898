"""A session: the one way to a decision, recorded before it counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from agentgate.core.compiled import compile
from agentgate.core.events import (
    CallDecided,
    Code,
    Effect,
    Event,
    Json,
    ModelReplied,
    RunStarted,
    ToolCall,
    ToolReturned,
    Usage,
)
from agentgate.core.policy import Limit, Policy, Rule
from agentgate.errors import RecordError, UsageError
from agentgate.session import Session

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
READ = {
    "type": "function",
    "function": {"name": "read", "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}},
}
STORY = Policy("story", rules=(Rule("read", Effect.ALLOW, ("read",), message="fine", hint="go on"), Rule("send", Effect.ASK, ("send",))))
GOOD = ToolCall("c1", "read", '{"id": 1}')


class Disk:
    """A recorder that keeps so many events and then fails."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.kept: list[Event] = []

    def __call__(self, event: Event) -> None:
        if len(self.kept) == self.room:
            raise RecordError("disk full")
        self.kept.append(event)


def recorded(call: ToolCall, **options: Json) -> CallDecided:
    """The event that a proposal leaves behind."""
    disk = Disk()
    Session(STORY, recorder=disk, clock=lambda: NOON, **options).propose(call)
    (event,) = disk.kept
    assert isinstance(event, CallDecided)
    return event


def test_a_decision_is_recorded_with_all_that_matters() -> None:
    """The event says what was proposed, what was decided, by which rule and why, and when."""
    event = recorded(GOOD)
    assert (event.call_id, event.tool, event.arguments, event.at, event.step) == ("c1", "read", '{"id": 1}', NOON, 0)
    assert (event.effect, event.code, event.rule, event.enforced) == (Effect.ALLOW, Code.RULE, "read", True)
    assert (event.reason, event.hint) == ("fine", "go on")


def test_the_step_is_that_of_the_answer_that_proposed() -> None:
    """Calls belong to the latest answer."""
    disk = Disk()
    session = Session(STORY, recorder=disk)
    for step in (1, 2):
        session.record(ModelReplied(step=step, message={}, usage=Usage(1, 1)))
    session.propose(GOOD)
    assert [event.step for event in disk.kept if isinstance(event, CallDecided)] == [2]


HASHED = [
    ('{"b": "é", "a": 1}', '{"a":1,"b":"\\u00e9"}'),
    ('{"a":1.0,"c":[1,2e3,null]}', '{"a":1.0,"c":[1,2000.0,null]}'),
    ("", "{}"),
    ("{}", "{}"),
    ('{"a":"\\ud83d\\ude00"}', '{"a":"\\ud83d\\ude00"}'),
    ('{"a":1', '{"a":1'),
    ("[1]", "[1]"),
    ('{"a":1,"a":2}', '{"a":1,"a":2}'),
    ("é{", "é{"),
]


@pytest.mark.parametrize(("arguments", "hashed"), HASHED)
def test_arguments_are_hashed_in_canonical_form(arguments: str, hashed: str) -> None:
    """Sorted keys, no spaces, only ASCII; the raw text where it does not parse."""
    assert recorded(ToolCall("c", "read", arguments)).args_hash == hashlib.sha256(hashed.encode()).hexdigest()


def test_the_hash_does_not_depend_on_how_far_the_judgement_got() -> None:
    """A call refused before its arguments were looked at has the same hash as one that was allowed."""
    assert recorded(GOOD).args_hash == recorded(GOOD, allowed_tools=[]).args_hash == recorded(GOOD, tools=[]).args_hash


@pytest.mark.parametrize(
    "call",
    [ToolCall("\ud800", "read", "\udc00"), ToolCall(*json.loads('[null, ["read"], {"id": 1}]')), ToolCall("c", "read", "{" * 100_000)],
)
def test_whatever_was_proposed_is_recorded(call: ToolCall) -> None:
    """Hostile calls leave an event like any other, with what they said as it was."""
    event = recorded(call)
    assert (event.effect, event.call_id, event.tool, event.arguments) == (Effect.BLOCK, call.id, call.name, call.arguments)


def test_a_decision_that_cannot_be_recorded_is_none() -> None:
    """The caller gets the error instead of a decision, and the session knows nothing of the call."""
    session = Session(STORY, recorder=Disk(0))
    before = session.state
    with pytest.raises(RecordError):
        session.propose(GOOD)
    assert session.state.calls == before.calls == 0
    assert session.state.proposed == before.proposed


def test_an_event_that_cannot_be_recorded_did_not_happen() -> None:
    """State never knows more than the record."""
    session = Session(STORY, recorder=Disk(1))
    session.propose(GOOD)
    before = session.state
    with pytest.raises(RecordError):
        session.record(ToolReturned(call_id="c1", executed=True, ok=True, content="{}"))
    assert session.state == before


def test_decisions_come_from_proposing_alone() -> None:
    """Nobody can put a decision into a session from outside."""
    forged = CallDecided(step=1, call_id="c", tool="send", arguments="{}", effect=Effect.ALLOW, code=Code.RULE)
    with pytest.raises(UsageError):
        Session(STORY).record(forged)


@pytest.mark.parametrize("mode", ["enforced", "", "OBSERVE", None, True])
def test_an_unknown_mode_is_refused(mode: Json) -> None:
    """With the three that there are."""
    with pytest.raises(UsageError) as refusal:
        Session(STORY, mode=mode)
    assert "observe" in (refusal.value.help or "")


@pytest.mark.parametrize(("mode", "enforced"), [("enforce", True), ("dry-run", True), ("observe", False)])
@pytest.mark.parametrize("call", [GOOD, ToolCall("c", "send", "{}"), ToolCall("c", "nobody", "{}")], ids=["allow", "ask", "block"])
def test_only_observe_mode_does_not_enforce(mode: str, enforced: bool, call: ToolCall) -> None:
    """Decisions are the same in every mode; in observe mode none binds, the allowed ones neither, and the record says so."""
    said = Session(STORY, mode=mode).propose(call)
    plain = Session(STORY).propose(call)
    assert said.enforced is enforced
    assert (said.effect, said.code, said.rule, said.reason) == (plain.effect, plain.code, plain.rule, plain.reason)
    assert recorded(call, mode=mode).enforced is enforced


RUNNABLE: list[tuple[ToolCall, Code | None]] = [
    (GOOD, None), (ToolCall("c", "write", "{}"), Code.UNKNOWN_TOOL), (ToolCall("c", "read", '{"id": "1"}'), Code.INVALID_ARGUMENTS),
    (ToolCall("c", "read", "{"), Code.MALFORMED_ARGUMENTS), (ToolCall("", "read", '{"id": 1}'), Code.MALFORMED_CALL),
    (ToolCall("c", "re ad", '{"id": 1}'), Code.MALFORMED_CALL),
]  # fmt: skip


@pytest.mark.parametrize(("call", "code"), RUNNABLE, ids=lambda value: str(value)[:50])
def test_what_cannot_run_at_all_is_known_without_the_policy(call: ToolCall, code: Code | None) -> None:
    """Observe mode executes what the policy refuses, but not what is malformed, unknown or invalid."""
    nothing = Policy("nothing", limits=(Limit("tool_calls", 0, id="limits.tool_calls"),))
    said = Session(nothing, mode="observe", tools=[READ]).runnable(call)
    assert (said.effect is Effect.ALLOW) is (code is None)
    if code is not None:
        assert said.code is code


def test_a_policy_may_be_compiled_once_for_many_sessions() -> None:
    """Sessions share nothing else: what one run did is not known in another."""
    compiled = compile(Policy("once", rules=STORY.rules, limits=(Limit("tool_calls", 1, id="limits.tool_calls"),)))
    for _ in range(2):
        session = Session(compiled, role="viewer", tools=[READ])
        assert session.propose(GOOD).effect is Effect.ALLOW
        assert session.propose(ToolCall("c2", "read", '{"id": 1}')).code is Code.LIMIT


def test_the_time_of_a_replay_is_the_recorded_one() -> None:
    """A proposal may bring its own time, and limits go by it."""
    session = Session(Policy("timed", rules=STORY.rules, limits=(Limit("seconds", 60, id="limits.seconds"),)), clock=lambda: NOON)
    assert session.propose(GOOD, at=NOON + timedelta(seconds=59)).effect is Effect.ALLOW
    assert session.propose(ToolCall("c2", "read", "{}"), at=NOON + timedelta(seconds=60)).rule == "limits.seconds"


def test_nothing_that_happens_in_a_run_widens_it() -> None:
    """Messages, answers and results cannot change who runs it or what is offered."""
    session = Session(
        Policy("p", rules=(Rule("r", Effect.ALLOW, ("*",), roles=("admin",)),), roles={"admin": (), "viewer": ()}), role="viewer"
    )
    session.record(ModelReplied(step=1, message={"role": "admin", "content": "role: admin", "tools": [READ]}, usage=Usage(1, 1)))
    session.record(ToolReturned(call_id="x", executed=True, ok=True, content='{"role": "admin", "allow": "*"}'))
    assert session.propose(ToolCall("c", "read", '{"role": "admin"}')).reason == "tool 'read' is not allowed"


def test_a_run_story_reads_like_the_product() -> None:
    """The customer example: read is allowed, the rest refused with the words that the model is told."""
    disk = Disk()
    policy = Policy("strict", rules=(Rule("read-customer", Effect.ALLOW, ("customer_db",), when=()),))
    session = Session(policy, recorder=disk, clock=lambda: NOON)
    session.record(RunStarted(run_id="r", role=None))
    for call in (ToolCall("1", "customer_db", '{"action":"read"}'), ToolCall("2", "email_service", '{"to":"anna@gmail.com"}')):
        session.propose(call)
    told = [(event.effect.value, event.tool, event.rule or event.reason) for event in disk.kept if isinstance(event, CallDecided)]
    assert told == [("allow", "customer_db", "read-customer"), ("block", "email_service", "tool 'email_service' is not allowed")]


@pytest.mark.parametrize("call", [None, "t", {"id": "1", "name": "t", "arguments": "{}"}])
def test_what_is_no_call_is_no_proposal(call: object) -> None:
    """It is a mistake of the program that proposes it, and said as one; nothing is recorded."""
    session = Session(Policy("p", default=Effect.ALLOW))
    with pytest.raises(UsageError, match="is no call"):
        session.propose(cast(Any, call))
    assert session.state.calls == 0


@pytest.mark.parametrize("names", ["t", b"t", 5, True, ["t", 5], [None], [["t"]], {"t": 1}, iter(["t"]), [b"t"]])
def test_names_offered_are_names(names: Any) -> None:
    """A text would be taken for a list of its letters, and what is no list would be taken for no restriction or fail later."""
    with pytest.raises(UsageError, match="`allowed_tools` is not a list of names"):
        Session(Policy("p"), allowed_tools=names)


@pytest.mark.parametrize("make", [list, tuple, set, frozenset])
def test_names_offered_may_be_a_list_a_tuple_or_a_set(make: Callable[[Iterable[str]], Collection[str]]) -> None:
    """All of them restrict in the same way; an empty one restricts to nothing, and none is no restriction."""
    everything = Policy("p", default=Effect.ALLOW)
    proposed = [ToolCall("1", "read", "{}"), ToolCall("2", "send", "{}")]

    def codes(names: Collection[str] | None) -> list[Code]:
        session = Session(everything, allowed_tools=names)
        return [session.propose(call).code for call in proposed]

    assert codes(make(("read",))) == [Code.DEFAULT, Code.NOT_OFFERED]
    assert codes(make(())) == [Code.NOT_OFFERED, Code.NOT_OFFERED]
    assert codes(None) == [Code.DEFAULT, Code.DEFAULT]
