"""What a run sends, byte by byte: from step to step only the end of the conversation is new, so that a provider's prompt cache holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.program import Done, Program, lines
from tests.cli.test_run import ADD, asked, both, proposes, says
from tests.scripted_server import Answer, Request, ScriptedServer, body, call_item, chat, error, responses, text_item

CHOICES: list[Any] = [
    "auto",
    {"mode": "required", "allowed_tools": ["wait", "add"]},
    {"mode": "auto", "allowed_tools": []},
    {"mode": "auto", "allowed_tools": "policy"},
]
SYSTEM = 'Be brief.\nSay "é" and 😀.'


def parts(request: Request) -> dict[str, bytes]:
    """The body, key by key, each value as the bytes that were sent."""
    return {key: bytes(value) for key, value in msgspec.json.decode(request.raw, type=dict[str, msgspec.Raw]).items()}


def prefix(said: bytes) -> bytes:
    """A list without its closing bracket."""
    assert said.endswith(b"]")
    return said[:-1].rstrip()


def assert_only_the_end_is_new(requests: Sequence[Request]) -> None:
    """Each conversation begins with the bytes of the one before it, and everything else is the same bytes in the same order."""
    sent = [parts(request) for request in requests]
    spoken = "messages" if "messages" in sent[0] else "input"
    for before, after in pairwise(sent):
        assert after[spoken].startswith(prefix(before[spoken]) + b",")
        assert list(after) == list(before)
        assert {key: value for key, value in after.items() if key != spoken} == {k: v for k, v in before.items() if k != spoken}


def story(provider: str) -> list[Answer]:
    """Answers with calls that are executed, refused, malformed and repeated, texts beside calls, and reasoning where there is any."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA+/="}
    talk = "I add – “now”.\u2028"
    both_at_once = (
        chat(talk, calls=[_as_chat(item) for item in _calls("d", "e")])
        if provider == "openai"
        else responses(thought, text_item(talk), *_calls("d", "e"))
    )
    return [
        proposes(provider, ("add", ADD, "a"), ("delete", {"é": "😀"}, "b")),
        proposes(provider, ("add", '{ "a" : 1.0,\n "b": 2}', "c"), ("add", ADD, "a"), ("add", "{", ""), ("re ad", "{}", "f")),
        both_at_once,
        proposes(provider, ("add", {"b": 1, "a": 2}, "g")),
        says(provider, "done"),
    ]


def _calls(*ids: str) -> list[dict[str, Any]]:
    return [call_item("add", ADD, id=id) for id in ids]


def _as_chat(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": item["call_id"], "type": "function", "function": {"name": item["name"], "arguments": item["arguments"]}}


def told(provider: str, folder: Path, script: Sequence[Answer], choice: Any, *arguments: str) -> tuple[list[Request], Program, Done]:
    """The requests of a run by this script."""
    with ScriptedServer(*script) as server:
        program, done = asked(provider, folder, server, *arguments, tool_choice=choice, system=SYSTEM)
    return server.requests, program, done


@both
@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_only_the_end_of_the_conversation_is_new(provider: str, choice: Any, tmp_path: Path) -> None:
    """System, tools, choice and all that was said before are the same bytes in every request of a run."""
    requests, _, done = told(provider, tmp_path, story(provider), choice)
    assert (done.code, len(requests)) == (0, 5)
    assert_only_the_end_is_new(requests)
    assert all(len(json.loads(parts(request)["tools"])) == 3 for request in requests)


@both
def test_a_restriction_changes_no_byte_of_what_is_cached(provider: str, tmp_path: Path) -> None:
    """With and without `allowed_tools`, the same tools and the same conversation go out."""
    sent = []
    for number, choice in enumerate(("auto", {"mode": "auto", "allowed_tools": ["add"]}, {"mode": "auto", "allowed_tools": []})):
        folder = tmp_path / str(number)
        folder.mkdir()
        requests, _, _ = told(provider, folder, [says(provider, "done")], choice)
        sent.append({key: value for key, value in parts(requests[0]).items() if key != "tool_choice"})
    assert sent[0] == sent[1] == sent[2]


@both
def test_a_server_that_refused_the_form_gets_the_other_one_from_then_on(provider: str, tmp_path: Path) -> None:
    """One request is sent twice; every later one is cut down at once, and its beginning stays the same too. The run says so once."""
    refusal = error(400, "unknown tool_choice type", param="tool_choice")
    choice = {"mode": "auto", "allowed_tools": ["add", "wait"]}
    requests, _, done = told(provider, tmp_path, [refusal, *story(provider)], choice)
    assert (done.code, len(requests)) == (0, 6)
    assert [request.body["tool_choice"] for request in requests[1:]] == ["auto"] * 5
    assert [len(request.body["tools"]) for request in requests] == [3, 2, 2, 2, 2, 2]
    first, second = parts(requests[0]), parts(requests[1])
    spoken = "messages" if provider == "openai" else "input"
    assert first[spoken] == second[spoken]
    assert_only_the_end_is_new(requests[1:])
    assert len(lines(done.out, "note")) == 1


@both
@pytest.mark.parametrize("resend", ["text", "other"])
def test_a_refusal_for_another_reason_is_not_answered_by_dropping_the_restriction(provider: str, resend: str, tmp_path: Path) -> None:
    """The run fails, and nothing was sent a second time."""
    refusal = error(400, "the context is too long") if resend == "text" else body({"detail": "no such model"}, status=404)
    requests, _, done = told(provider, tmp_path, [refusal, says(provider, "done")], {"mode": "auto", "allowed_tools": ["add"]})
    assert (done.code, len(requests)) == (3, 1)


USAGE = {
    "openai": {"prompt_tokens": 1200, "completion_tokens": 40, "total_tokens": 1240, "prompt_tokens_details": {"cached_tokens": 1024}},
    "openai-responses": {"input_tokens": 1200, "output_tokens": 40, "total_tokens": 1240, "input_tokens_details": {"cached_tokens": 1024}},
}


@both
def test_cached_tokens_and_how_answers_ended_are_recorded_and_shown(provider: str, tmp_path: Path) -> None:
    """In the transcript in the same words for both APIs; in the rows of the run and in its summary."""
    script = (
        [chat(calls=[_as_chat(_calls("a")[0])], usage=USAGE[provider]), chat("so far", finish_reason="length", usage=USAGE[provider])]
        if provider == "openai"
        else [
            responses(*_calls("a"), usage=USAGE[provider]),
            responses(text_item("so far"), status="incomplete", usage=USAGE[provider], incomplete_details={"reason": "max_output_tokens"}),
        ]
    )
    _, program, done = told(provider, tmp_path, script, "auto")
    events = [json.loads(line) for line in program.transcript.read_text().splitlines()]
    replied = [event for event in events if event["type"] == "model_replied"]
    assert [event["finish_reason"] for event in replied] == ["tool_calls", "length"]
    assert [event["usage"] for event in replied] == [{"input_tokens": 1200, "output_tokens": 40, "cached_tokens": 1024}] * 2
    assert all("1,240 tokens (1,024 cached)" in line for line in lines(done.out, "model"))
    (end,) = lines(done.out, "end")
    assert "the answer was cut off at its greatest length" in end
    assert "2,480 tokens (2,048 cached)" in end


@both
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_the_word_policy_may_stand_for_nothing(provider: str, mode: str, tmp_path: Path) -> None:
    """Then no tool may be called; where one must be, the run does not start."""
    nothing = {"rules": [{"id": "never", "block": "*"}]}
    choice = {"mode": mode, "allowed_tools": "policy"}
    with ScriptedServer(proposes(provider, ("add", ADD, "a")), says(provider, "done")) as server:
        program = Program(tmp_path, task={"tool_choice": choice}, policy=nothing)
        program.environ["OPENAI_BASE_URL"] = server.url
        done = program.run("--model", f"{provider}:scripted")
    if mode == "required":
        assert (done.code, server.requests) == (2, [])
        assert "error: a tool must be called, but the policy lets none" in done.err
        assert not program.transcript.exists()
    else:
        assert done.code == 0
        assert [request.body["tool_choice"] for request in server.requests] == ["none", "none"]
