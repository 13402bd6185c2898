"""The hash of a call's arguments is made once: what a judgement had to know goes into the record."""

from __future__ import annotations

import pytest

from agentgate.core.arguments import digest_arguments
from agentgate.core.events import CallDecided, Event, Json, ToolCall
from agentgate.core.policy import Policy
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
