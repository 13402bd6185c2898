"""Answers of Chat Completions through a running gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentgate.core.events import Mode
from tests.core.building import limit, policy, rule
from tests.gateway.judged import assembled
from tests.gateway.serving import KEY, Served, call_delta, sse
from tests.scripted_server import ScriptedServer, call, chat

READER = {"AGENTGATE_EVENTS_KEY": KEY}


def test_text_passes_as_it_came(tmp_path: Path) -> None:
    """An answer without calls is the upstream's, byte for byte, and leaves no event."""
    answer = chat("hello")
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream, environ=READER) as gateway:
        got = gateway.ask()
        assert (got.status, got.raw) == (200, answer.body)
        assert gateway.events() == []


def test_the_request_goes_on_as_it_came(tmp_path: Path) -> None:
    """Byte for byte, to the same path."""
    with ScriptedServer(chat("hello")) as upstream, Served(tmp_path, upstream) as gateway:
        raw = b'{ "model": "m",  "messages": [{"role": "user", "content": "\\u00e4"}], "temperature": 1e-1 }'
        assert gateway.send("POST", "/v1/chat/completions", raw).status == 200
        assert (upstream.requests[0].raw, upstream.requests[0].path) == (raw, "/v1/chat/completions")


def test_an_allowed_call_is_released_and_recorded(tmp_path: Path) -> None:
    """The client gets exactly the call that was decided, and the event is there."""
    with ScriptedServer(chat(calls=[call("read", {"id": 1})])) as upstream, Served(tmp_path, upstream, environ=READER) as gateway:
        got = gateway.ask()
        assert got.body["choices"][0]["message"]["tool_calls"] == [call("read", {"id": 1})]
        (event,) = gateway.events()
        assert event["id"] == got.headers["x-agentgate-event"]
        assert [(one["name"], one["policy_result"]) for one in event["tool_calls"]] == [("read", "allowed")]
        assert [(one["policy"], one["action"], one["matched"]) for one in event["policy_decisions"]] == [("allow-read", "allow", True)]


def test_a_blocked_call_is_a_409(tmp_path: Path) -> None:
    """With the body that clients rely on, and without an invitation to try again."""
    answer = chat("I will.", calls=[call("read"), call("delete", {"all": True}, id="call_2")])
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream, environ=READER) as gateway:
        got = gateway.ask()
        assert (got.status, got.headers["x-should-retry"]) == (409, "false")
        assert got.body == {
            "error": {
                "type": "policy_violation",
                "code": "tool_blocked",
                "policy": "default",
                "tool": "delete",
                "message": "tool 'delete' is not allowed",
                "param": None,
            }
        }
        (event,) = gateway.events("?result=blocked")
        assert [one["policy_result"] for one in event["tool_calls"]] == ["allowed", "blocked"]
        assert not event["released"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (chat(calls=[call("send")]), "approval_required"),
        (chat(calls=[call("read", '{"a": 1, "a": 2}')]), "malformed_tool_call"),
        (chat(calls=[call("read", id="")]), "malformed_tool_call"),
        (chat(calls=[call("read")], finish_reason="length"), "malformed_tool_call"),
        (chat(calls=[call("unheard")]), "tool_blocked"),
        (chat(calls=[call("read", f'{{"n": {n}}}', id=f"c{n}") for n in range(3)]), "budget_exceeded"),
    ],
    ids=["ask", "duplicate-key", "no-id", "cut-off", "unknown-tool", "limit"],
)
def test_every_kind_of_refusal_has_its_code(tmp_path: Path, answer: object, code: str) -> None:
    """What a client can tell them apart by."""
    on = policy(rule("allow", "read"), rule("ask", "send"), limit("tool_calls", 2))
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream, on) as gateway:  # type: ignore[arg-type]
        got = gateway.ask()
        assert (got.status, got.error["code"]) == (409, code)


def test_allowed_tools_of_the_request_hold(tmp_path: Path) -> None:
    """Whatever the model does: a tool outside of the list is refused although the policy allows it."""
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "send"}}]}}
    with ScriptedServer(chat(calls=[call("read")])) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask(tool_choice=choice)
        assert (got.status, got.error["code"], got.error["policy"]) == (409, "tool_blocked", "not_offered")


def test_observe_lets_everything_through(tmp_path: Path) -> None:
    """And records what would have been refused."""
    answer = chat(calls=[call("delete")])
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream, mode=Mode.OBSERVE, environ=READER) as gateway:
        assert gateway.ask().status == 200
        (event,) = gateway.events()
        assert (event["mode"], event["released"], event["tool_calls"][0]["policy_result"]) == ("observe", True, "blocked")


def test_streamed_text_and_an_allowed_call(tmp_path: Path) -> None:
    """Text as it came, the call as one fresh chunk, and the end."""
    answer = sse({"role": "assistant", "content": ""}, {"content": "Let me "}, {"content": "see."}, call_delta("read"), finish="tool_calls")
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask(stream=True)
        assert (got.status, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert got.raw.endswith(b"data: [DONE]\n\n")
        (choice,) = assembled(got.raw).values()
        assert (choice["content"], choice["finish_reason"]) == ("Let me see.", "tool_calls")
        assert choice["tool_calls"][0]["function"] == {"name": "read", "arguments": "{}"}


def test_a_stream_without_text_can_still_be_a_409(tmp_path: Path) -> None:
    """Nothing has gone out when the call is refused."""
    answer = sse({"role": "assistant", "content": None}, call_delta("delete"), finish="tool_calls")
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask(stream=True)
        assert (got.status, got.error["tool"], got.headers["content-type"]) == (409, "delete", "application/json")


def test_a_stream_with_text_ends_with_the_error(tmp_path: Path) -> None:
    """As its last event, without [DONE]."""
    answer = sse({"role": "assistant", "content": "Well, "}, call_delta("delete"), finish="tool_calls")
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask(stream=True)
        assert got.status == 200
        assert b"[DONE]" not in got.raw
        assert b"tool_calls" not in got.raw
        assert got.raw.count(b'"error"') == 1
        assert b'data: {"error":{"type":"policy_violation","code":"tool_blocked","policy":"default","tool":"delete"' in got.raw


def test_a_streamed_answer_counts_its_tokens(tmp_path: Path) -> None:
    """Where the policy limits tokens, the upstream is asked for the usage, and a client that did not ask for it does not see it."""
    on = policy(rule("allow", "read"), limit("tokens", 100))
    answer = sse(call_delta("read"), finish="tool_calls", usage={"prompt_tokens": 90, "completion_tokens": 20, "total_tokens": 110})
    with ScriptedServer(answer, answer) as upstream, Served(tmp_path, upstream, on) as gateway:
        got = gateway.ask(stream=True)
        assert (got.status, got.error["policy"]) == (409, "limits.tokens")
        assert upstream.requests[0].body["stream_options"] == {"include_usage": True}


def test_the_past_of_a_request_counts(tmp_path: Path) -> None:
    """Without a session, limits and `after` look at the messages of the request."""
    on = policy(rule("allow", ["read", "send"]), rule("block", "send", id="no-leak", after=("read",)))
    past = [
        {"role": "user", "content": "do it"},
        {"role": "assistant", "content": None, "tool_calls": [call("read", id="old")]},
        {"role": "tool", "tool_call_id": "old", "content": "secret"},
    ]
    with ScriptedServer(chat(calls=[call("send")]), chat(calls=[call("send")])) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert gateway.ask().status == 200
        got = gateway.ask(messages=past)
        assert (got.status, got.error["policy"]) == (409, "no-leak")


def test_a_result_of_no_known_call_is_refused(tmp_path: Path) -> None:
    """Nobody could tell which tool has returned."""
    past = [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "lost", "content": "secret"}]
    with ScriptedServer(chat(calls=[call("read")])) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask(messages=past)
        assert (got.status, got.error["type"]) == (400, "invalid_request_error")
