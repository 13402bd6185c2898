"""Sessions that the gateway keeps, by the header `X-Agentgate-Session`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.building import Clock, limit, policy, rule
from tests.gateway.serving import KEY, Served
from tests.scripted_server import ScriptedServer, call, chat

ON = policy(rule("allow", ["read", "send"]), rule("block", "send", id="no-leak", after=("read",)), limit("tool_calls", 3))
READER = {"AGENTGATE_EVENTS_KEY": KEY}


def calls(*names: str) -> list[object]:
    return [chat(calls=[call(name, {"n": number}, id=f"call_{number}")]) for number, name in enumerate(names)]


def test_a_session_shares_its_limits(tmp_path: Path) -> None:
    """Across requests that tell nothing of each other; another session has its own."""
    with ScriptedServer(*calls("read", "read", "read", "read", "read")) as upstream, Served(tmp_path, upstream, ON) as gateway:  # type: ignore[arg-type]
        assert [gateway.ask(session="a").status for _ in range(4)] == [200, 200, 200, 409]
        assert gateway.ask(session="b").status == 200


def test_a_session_survives_a_restart(tmp_path: Path) -> None:
    """It is in the store."""
    with ScriptedServer(*calls("read", "read", "read", "read")) as upstream:  # type: ignore[arg-type]
        for expected in ([200, 200], [200, 409]):
            with Served(tmp_path, upstream, ON) as gateway:
                assert [gateway.ask(session="a").status for _ in expected] == expected


def test_two_gateways_share_a_session(tmp_path: Path) -> None:
    """Two processes with one store: the limit holds for both together."""
    with (
        ScriptedServer(*calls("read", "read", "read", "read")) as upstream,  # type: ignore[arg-type]
        Served(tmp_path, upstream, ON) as one,
        Served(tmp_path, upstream, ON) as other,
    ):
        assert [gateway.ask(session="a").status for gateway in (one, other, one, other)] == [200, 200, 200, 409]


def test_a_result_counts_once_it_has_returned(tmp_path: Path) -> None:
    """`after` looks at the results that later requests of the session bring."""
    with ScriptedServer(*calls("read", "send", "send")) as upstream, Served(tmp_path, upstream, ON) as gateway:  # type: ignore[arg-type]
        assert gateway.ask(session="a").status == 200
        assert gateway.ask(session="a").status == 200
        result = {"role": "tool", "tool_call_id": "call_0", "content": "secret"}
        got = gateway.ask(session="a", messages=[{"role": "user", "content": "x"}, result])
        assert (got.status, got.error["policy"]) == (409, "no-leak")


def test_the_words_of_the_user_are_seen(tmp_path: Path) -> None:
    """`seen_in: prompt` looks at every message of the session."""
    on = policy(rule("allow", "send", when={"to": {"seen_in": "prompt"}}))
    answers = [chat(calls=[call("send", {"to": "anna"}, id=f"c{number}")]) for number in range(2)]
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert gateway.ask(session="a", text="write to bob").status == 409
        assert gateway.ask(session="a", text="write to anna").status == 200


@pytest.mark.parametrize("session", [None, "a"], ids=["no session", "a session"])
def test_the_latest_words_of_the_user_are_seen(session: str | None, tmp_path: Path) -> None:
    """Those that stand after the model's last answer count for the next one already."""
    on = policy(rule("allow", "send", when={"to": {"seen_in": "prompt"}}))
    said = [{"role": "user", "content": "hello"}]
    more = [*said, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "write to anna"}]
    with ScriptedServer(chat("hi"), chat(calls=[call("send", {"to": "anna"})])) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert gateway.ask(session=session, messages=said).status == 200
        assert gateway.ask(session=session, messages=more).status == 200


def test_a_withheld_answer_uses_up_nothing(tmp_path: Path) -> None:
    """The application saw none of its calls, so they count for no limit, and their ids stay free."""
    refused = chat(calls=[call("read"), call("delete", id="call_2")])
    with ScriptedServer(refused, refused, refused, chat(calls=[call("read")])) as upstream, Served(tmp_path, upstream, ON) as gateway:
        assert [gateway.ask(session="a").status for _ in range(4)] == [409, 409, 409, 200]


def test_a_limit_of_steps_stops_before_the_upstream_is_asked(tmp_path: Path) -> None:
    """The third request of a session with two steps is refused at once."""
    on = policy(rule("allow", "read"), limit("steps", 2))
    with ScriptedServer(chat("one"), chat("two"), chat("three")) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert [gateway.ask(session="a").status for _ in range(3)] == [200, 200, 409]
        assert len(upstream.requests) == 2


def test_a_session_is_named_soberly(tmp_path: Path) -> None:
    """Anything but a short plain name is refused."""
    with ScriptedServer() as upstream, Served(tmp_path, upstream) as gateway:
        assert [gateway.ask(session=name).status for name in ("a b", "x" * 129, "ä")] == [400, 400, 400]
        assert upstream.requests == []


def test_events_of_a_session(tmp_path: Path) -> None:
    """Can be asked for by its name."""
    with ScriptedServer(*calls("read", "read")) as upstream, Served(tmp_path, upstream, ON, environ=READER) as gateway:  # type: ignore[arg-type]
        gateway.ask(session="a")
        gateway.ask(session="b")
        assert [event["session"] for event in gateway.events("?session=b")] == ["b"]
        assert [event["session"] for event in gateway.events()] == ["b", "a"]


def test_a_session_without_requests_is_forgotten(tmp_path: Path) -> None:
    """After a day; every request keeps it for another one, also across a restart."""
    clock = Clock()
    with ScriptedServer(*calls(*["read"] * 6)) as upstream:  # type: ignore[arg-type]
        for hours, statuses in ((0, [200, 200]), (23, [200, 409]), (23, [409]), (25, [200])):
            clock.wait(hours * 3600)
            with Served(tmp_path, upstream, ON, clock=clock) as gateway:
                assert [gateway.ask(session="a").status for _ in statuses] == statuses
