"""The hash of a call's arguments is made once: what a judgement had to know goes into the record."""

from __future__ import annotations

import pytest

from agentgate.core.arguments import digest, digest_arguments
from agentgate.core.engine import decide
from agentgate.core.events import CallDecided, Code, Event, Json, ToolCall
from agentgate.core.policy import Policy
from agentgate.core.state import State
from agentgate.session import Session

from .building import START, limit, policy, rule

POLICIES: dict[str, Policy] = {
    "nothing to hash": policy(rule("allow", "read")),
    "repeats": policy(rule("allow", "read"), rule("ask", "send"), limit("repeats", 9)),
    "a limit that is reached": policy(rule("allow", "*"), limit("repeats", 1)),
    "once": policy(rule("allow", "*"), once=("read",)),
    "a default": policy(limit("repeats", 9), default="ask"),
}
TEXTS: tuple[Json, ...] = ('{"a": 1.0, "b": "é"}', '{"b":"\\u00e9","a":1.0}', "{}", "", "{", 5, '{"a": 1, "a": 2}')
RECORDED = "0" * 64


@pytest.mark.parametrize("wanted", POLICIES.values(), ids=list(POLICIES))
@pytest.mark.parametrize("order", ["ppr", "rrp"], ids=["proposed first", "from a record first"])
def test_what_is_recorded_is_the_hash_of_the_arguments(wanted: Policy, order: str) -> None:
    """Whichever way it is decided, also from memory; a call from a record has the hash that was recorded."""
    events: list[Event] = []
    for _ in range(2):
        session = Session(wanted, recorder=events.append, clock=lambda: START)
        for text in TEXTS:
            for kind in order:
                session.propose(ToolCall(f"{kind}{session.state.calls}", "read", text, RECORDED if kind == "r" else ""))
            session.propose(ToolCall(f"p{session.state.calls}", "send", text))
    recorded = [event for event in events if isinstance(event, CallDecided)]
    assert [event.args_hash for event in recorded] == [
        RECORDED if event.call_id[0] == "r" else digest_arguments(event.arguments) for event in recorded
    ]


@pytest.mark.parametrize("name", ["repeats", "a default"])
def test_a_decision_has_the_hash_that_was_made_for_it(name: str) -> None:
    """A hash that the call brought along is not made again."""
    for carried, made in (("", digest({})), (RECORDED, "")):
        assert decide(POLICIES[name], State(), ToolCall("c", "read", "{}", carried)).args_hash == made


def test_calls_from_a_record_repeat_each_other_by_their_hashes() -> None:
    """Redacted arguments look the same and were not; also where the judgement is remembered, and for a call without a hash after them."""
    session = Session(POLICIES["a limit that is reached"])
    hashes = [*(digit * 64 for digit in "12344"), "", ""]
    said = [session.propose(ToolCall(f"c{place}", "read", '{"a": "?"}', carried)).code for place, carried in enumerate(hashes)]
    assert said == [Code.RULE] * 4 + [Code.LIMIT, Code.RULE, Code.LIMIT]
