"""`--on-block repair`: the model hears what was refused and is asked again; the application sees only what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.core.building import limit, policy, rule
from tests.gateway.judged import assembled
from tests.gateway.serving import KEY, Served, call_delta, sse
from tests.scripted_server import Script, ScriptedServer, call, call_item, chat, error
from tests.scripted_server import responses as answer_of

BAD = chat(calls=[call("read"), call("delete", id="call_2")])
GOOD = chat(calls=[call("read")])


def repairing(folder: Path, upstream: ScriptedServer, **options: Any) -> Served:
    return Served(folder, upstream, repair=True, environ={"AGENTGATE_EVENTS_KEY": KEY}, **options)


def test_the_model_hears_what_was_refused(tmp_path: Path) -> None:
    """Each of its calls gets an answer: the refused one why, the other that it was not executed."""
    with ScriptedServer(BAD, GOOD) as upstream, repairing(tmp_path, upstream) as gateway:
        got = gateway.ask()
        assert (got.status, got.body["choices"][0]["message"]["tool_calls"]) == (200, [call("read")])
        said, first, second = upstream.requests[1].body["messages"][1:]
        assert [one["id"] for one in said["tool_calls"]] == ["call_1", "call_2"]
        assert json.loads(first["content"])["code"] == "withheld"
        assert json.loads(second["content"]) == {
            "ok": False,
            "error": "tool 'delete' is not allowed",
            "code": "default",
            "rule": None,
            "hint": None,
        }
        assert [event["released"] for event in gateway.events()] == [True, False]


def test_after_three_further_requests_it_is_a_409(tmp_path: Path) -> None:
    """Four in all."""
    with ScriptedServer(*[BAD] * 9) as upstream, repairing(tmp_path, upstream) as gateway:
        assert gateway.ask().status == 409
        assert len(upstream.requests) == 4


@pytest.mark.parametrize("session", [None, "a"])
def test_limits_count_over_all_attempts(tmp_path: Path, session: str | None) -> None:
    """Tokens of withheld answers were spent; a call that was not executed was not."""
    on = policy(rule("allow", "read"), limit("tool_calls", 1), limit("tokens", 240))
    with ScriptedServer(BAD, BAD, GOOD) as upstream, repairing(tmp_path, upstream, on=on) as gateway:
        got = gateway.ask(session=session)
        assert (got.status, got.error["policy"]) == (409, "limits.tokens")
        assert len(upstream.requests) == 2
    with (
        ScriptedServer(BAD, GOOD) as upstream,
        repairing(tmp_path, upstream, on=policy(rule("allow", "read"), limit("tool_calls", 1))) as gateway,
    ):
        assert gateway.ask(session=session and "b").status == 200


def test_a_streamed_answer_waits_until_it_is_whole(tmp_path: Path) -> None:
    """Nothing of the withheld attempt reaches the client, not even its text."""
    bad = sse({"content": "Deleting! "}, call_delta("delete"), finish="tool_calls")
    good = sse({"content": "Reading. "}, call_delta("read"), finish="tool_calls")
    with ScriptedServer(bad, good) as upstream, repairing(tmp_path, upstream) as gateway:
        got = gateway.ask(stream=True)
        assert (got.status, b"Delet" in got.raw) == (200, False)
        assert assembled(got.raw)[0]["content"] == "Reading. "


def test_the_responses_api_is_repaired_too(tmp_path: Path) -> None:
    """The calls go back as items with their outputs."""
    with ScriptedServer(answer_of(call_item("delete")), answer_of(call_item("read"))) as upstream, repairing(tmp_path, upstream) as gateway:
        tools = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("read", "delete")]
        got = gateway.send("POST", "/v1/responses", {"model": "m", "input": "do it", "tools": tools})
        assert got.body["output"] == [call_item("read")]
        assert [item.get("type") for item in upstream.requests[1].body["input"]] == [None, "function_call", "function_call_output"]


@pytest.mark.parametrize(
    "withheld",
    [chat(calls=[call("read")], finish_reason="length"), chat(calls=[call("read", id="")]), chat(calls=[call("send")])],
    ids=["cut-off", "no-id", "ask"],
)
def test_what_a_model_cannot_mend_is_a_409_at_once(tmp_path: Path, withheld: Script) -> None:
    """A cut-off answer, a call that cannot be said again, and a question that is a person's."""
    with ScriptedServer(withheld, GOOD) as upstream, repairing(tmp_path, upstream) as gateway:
        assert gateway.ask().status == 409
        assert len(upstream.requests) == 1


def test_an_upstream_that_fails_on_the_way_is_told(tmp_path: Path) -> None:
    """With its own status, as ever."""
    with ScriptedServer(BAD, error(429, "slow down")) as upstream, repairing(tmp_path, upstream) as gateway:
        got = gateway.ask()
        assert (got.status, got.error["message"]) == (429, "slow down")
