"""What events tell besides what was decided about calls: requests that were refused, rules on trial, and answers of people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate.clock import steady_clock
from agentgate.core.events import Json, Mode
from agentgate.core.policy import Policy
from agentgate.core.stops import Halt
from agentgate.files.gateway_store import left_out_of
from agentgate.files.gateway_verify import verify_store
from agentgate.files.transcript import Transcript
from agentgate.files.transcript_reader import read_file
from agentgate.gateway.judging import Bench
from agentgate.gateway.store import opened
from tests.core.building import limit, policy, rule
from tests.gateway.judged import bench
from tests.gateway.serving import KEY, Served, function
from tests.gateway.test_results import loading
from tests.scripted_server import Answer, ScriptedServer, call, chat, responses, text_item

ENVIRON = {"AGENTGATE_EVENTS_KEY": KEY, "AGENTGATE_APPROVALS_KEY": "a" * 24}
MCP = {"type": "mcp", "server_label": "x"}
"""A tool of the provider."""


def gate(folder: Path, upstream: ScriptedServer, on: Policy | Callable[[], Bench], mode: Mode = Mode.ENFORCE) -> Served:
    """A gateway that tells its events."""
    return Served(folder, upstream, on, mode=mode, environ=ENVIRON)


def metrics(gateway: Served) -> str:
    """What it counted."""
    return gateway.send("GET", "/metrics", headers={"authorization": f"Bearer {KEY}"}).raw.decode()


def of_requests(event: dict[str, Any]) -> list[tuple[Json, ...]]:
    """Decisions that are about no call: policy, code, whether it was enforced."""
    return [(one["policy"], one["code"], one["enforced"]) for one in event["policy_decisions"][len(event["tool_calls"]) :]]


def test_a_request_that_is_refused_is_an_event(tmp_path: Path) -> None:
    """The client gets its id; filters, counters, the audit and replays know it, and the session is as it was."""
    read = chat(calls=[call("read")])
    with ScriptedServer(read, read) as upstream, gate(tmp_path, upstream, policy(rule("allow", "read"), limit("steps", 1))) as gateway:
        assert gateway.ask(session="s").status == 200
        refused = gateway.ask(session="s")
        assert (refused.status, refused.error["policy"], len(upstream.requests)) == (409, "limits.steps", 1)
        newest, first = gateway.events("?session=s")
        assert (newest["id"], newest["released"], newest["error"]) == (refused.headers["x-agentgate-event"], False, refused.error)
        assert (newest["run"], newest["tool_calls"], of_requests(newest)) == ("s", [], [("limits.steps", "limit", True)])
        assert newest["policy_decisions"][0]["reason"] == refused.error["message"]
        assert of_requests(first) == []
        assert (first["answer_id"], newest["answer_id"]) == ("chatcmpl-1", None)
        assert [event["id"] for event in gateway.events("?result=blocked")] == [newest["id"]]
        assert 'agentgate_decisions_total{effect="block",rule="limits.steps"} 1' in metrics(gateway)
        assert gateway.ask(session="other").status == 200
    verified = verify_store(tmp_path / "gateway.db")
    assert (verified.problems, verified.events) == ((), 3)
    runs = [found for found in read_file(str(tmp_path / "gateway.db")) if isinstance(found, Transcript)]
    assert [run.id for run in runs] == ["s", "other"]


def test_the_kill_switch_is_told_too(tmp_path: Path) -> None:
    """A request without a session that it stops is a run of its own, of which there is nothing to judge again."""

    on = replace(bench(policy(rule("allow", "read"))), switch=lambda run: lambda call: Halt("the kill switch is on: enough", ends_run=True))
    with ScriptedServer() as upstream, gate(tmp_path, upstream, lambda: on) as gateway:
        assert gateway.ask().status == 409
        (event,) = gateway.events()
    assert (of_requests(event), event["session"]) == ([("killed", "killed", True)], None)
    assert list(read_file(str(tmp_path / "gateway.db"))) == []


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.OBSERVE])
def test_an_answer_that_is_not_understood_is_told(tmp_path: Path, mode: Mode) -> None:
    """Also where it has no call that could be decided; in observe mode it is let go, and still told."""
    odd = responses({"type": "mcp_call", "id": "x", "name": "n", "arguments": "{}", "server_label": "s"})
    enforced = mode is Mode.ENFORCE
    with ScriptedServer(odd) as upstream, gate(tmp_path, upstream, policy(rule("allow", "read")), mode) as gateway:
        got = gateway.send("POST", "/v1/responses", {"model": "m", "input": "x"})
        assert got.status == (409 if enforced else 200)
        (event,) = gateway.events("?result=blocked")
        assert (event["released"], of_requests(event)) == (not enforced, [("malformed_call", "malformed_call", enforced)])
        assert "`mcp_call`" in event["policy_decisions"][0]["reason"]
        assert 'agentgate_decisions_total{effect="block",rule="malformed_call"} 1' in metrics(gateway)


@pytest.mark.parametrize(
    ("path", "body", "answer", "told"),
    [
        ("/v1/responses", {"input": "x", "tools": [MCP]}, responses(text_item("hi")), ("unknown_tool", "unknown_tool", False)),
        (
            "/v1/responses",
            {"input": "x", "previous_response_id": "resp_0"},
            responses(text_item("hi")),
            ("invalid_request", "invalid_request", False),
        ),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, chat("hi"), ("limits.steps", "limit", False)),
    ],
    ids=["tools of the provider", "an unknown past", "a limit"],
)
def test_observe_tells_which_requests_would_be_refused(
    tmp_path: Path, path: str, body: dict[str, Json], answer: Answer, told: tuple[Json, ...]
) -> None:
    """They are sent on, and their answers reach the client, also those without calls."""
    on = policy(rule("allow", "read"), limit("steps", 0))
    free = policy(rule("allow", "read"))
    with (
        ScriptedServer(answer) as upstream,
        gate(tmp_path, upstream, on if told[1] == "limit" else free, mode=Mode.OBSERVE) as gateway,
    ):
        assert gateway.send("POST", path, {"model": "m", **body}).status == 200
        (event,) = gateway.events("?result=blocked")
        assert (of_requests(event), event["released"], event["error"]) == ([told], True, None)
        assert f'agentgate_decisions_total{{effect="block",rule="{told[0]}"}} 1' in metrics(gateway)


def test_a_session_that_begins_with_a_refusal_is_not_taken_for_one_without_a_beginning(tmp_path: Path) -> None:
    """Where older events were removed, only runs that have lost theirs are left out."""
    with ScriptedServer() as upstream, gate(tmp_path, upstream, policy(rule("allow", "read"), limit("steps", 0))) as gateway:
        assert gateway.ask(session="s").status == 409
    with opened(tmp_path / "gateway.db", steady_clock()) as books:
        books._db.change("INSERT INTO removed (one, seq, hash) VALUES (1, 1, 'x')")
    assert left_out_of(str(tmp_path / "gateway.db")) == 0


def test_rules_on_trial_are_told(tmp_path: Path) -> None:
    """Of calls and of results, with what they would have done; they are counted."""
    written = {
        "version": 1,
        "rules": [{"id": "r", "allow": "read"}, {"id": "maybe", "block": "read", "observe": True}],
        "results": [{"id": "perhaps", "block": "read", "observe": True}],
    }
    answers = [{"role": "assistant", "tool_calls": [call("read")]}, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]
    messages = [{"role": "user", "content": "x"}, *answers]
    with (
        ScriptedServer(chat(calls=[call("read", id="call_2")])) as upstream,
        gate(tmp_path, upstream, loading(tmp_path, written)) as gateway,
    ):
        body = {"model": "m", "messages": messages, "tools": [function("read")]}
        assert gateway.send("POST", "/v1/chat/completions", body).status == 200
        (event,) = gateway.events()
        assert [one["trials"] for one in event["policy_decisions"]] == [[{"policy": "maybe", "action": "block"}]]
        assert [(one["code"], one["trials"]) for one in event["tool_results"]] == [(None, [{"policy": "perhaps", "action": "block"}])]
        assert 'agentgate_trials_total{effect="block",rule="maybe"} 1' in metrics(gateway)


def test_the_answer_of_a_person_is_told(tmp_path: Path) -> None:
    """With the call that it let through, and with the question; before there is one, nothing is."""
    send = chat(calls=[call("send")])
    with ScriptedServer(send, send) as upstream, gate(tmp_path, upstream, policy(rule("ask", "send"))) as gateway:
        question = gateway.ask().error["approval"]
        body = json.dumps({"decision": "approve", "by": "anna", "note": "fine"}).encode()
        said = gateway.send("POST", f"/v1/approvals/{question}", body, {"authorization": f"Bearer {'a' * 24}"}).body
        assert said["answered_at"] > said["at"]
        assert gateway.ask().status == 200
        passed, asked = gateway.events()
    assert asked["policy_decisions"][0]["approval"] is None
    assert passed["policy_decisions"][0]["approval"] == {"answer": "approve", "by": "anna", "note": "fine"}
    assert (passed["released"], passed["tool_calls"][0]["policy_result"]) == (True, "asked")
