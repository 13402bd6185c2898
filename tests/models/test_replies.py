from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentgate.errors import ModelError
from agentgate.models.port import Reply
from agentgate.models.replies import MAX_ANSWER_BYTES, chat_reply, error_text
from agentgate.models.response_items import responses_reply

DATA = Path(__file__).parent.parent / "data" / "models"
CASES = [json.loads(line) for line in (DATA / "answers.jsonl").read_text().splitlines()]


def read(case: dict[str, Any]) -> Reply:
    body = case["raw"] if "raw" in case else json.dumps(case["body"])
    return (chat_reply if case["api"] == "chat" else responses_reply)(body.encode())


def calls(reply: Reply) -> list[list[Any]]:
    return [[call["id"], call["function"]["name"], call["function"]["arguments"]] for call in reply.message.get("tool_calls", [])]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['api']}: {case['why']}")
def test_every_shape_of_an_answer_is_understood_marked_or_refused(case: dict[str, Any]) -> None:
    """An answer gives exactly its calls, or is marked so that nothing of it runs, or is no answer at all."""
    if "error" in case:
        with pytest.raises(ModelError) as caught:
            read(case)
        assert case["error"] in caught.value.message
        assert caught.value.help
        return
    reply = read(case)
    if "unusable" in case:
        assert reply.unusable is not None
        assert case["unusable"] in reply.unusable
    else:
        assert reply.unusable is None
        assert calls(reply) == case["calls"]


@pytest.mark.parametrize("case", [case for case in CASES if "error" not in case], ids=lambda case: f"{case['api']}: {case['why']}")
def test_a_message_holds_known_fields_only(case: dict[str, Any]) -> None:
    """Nothing but canonical fields goes into the record and back to the model."""
    message = read(case).message
    assert message["role"] == "assistant"
    assert set(message) <= {"role", "content", "refusal", "tool_calls"}
    for call in message.get("tool_calls", []):
        assert set(call) <= {"id", "type", "function"}
        assert set(call.get("function", {})) <= {"name", "arguments"}


def test_a_refusal_is_kept_in_both_forms() -> None:
    """What a model says when it declines is part of its message."""
    chat = {"choices": [{"message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "stop"}]}
    part = {"type": "refusal", "refusal": "no"}
    responses = {"status": "completed", "output": [{"type": "message", "role": "assistant", "content": [part]}]}
    assert chat_reply(json.dumps(chat).encode()).message == {"role": "assistant", "content": None, "refusal": "no"}
    assert responses_reply(json.dumps(responses).encode()).message == {"role": "assistant", "content": None, "refusal": "no"}


def test_reasons_are_in_the_words_of_chat_completions() -> None:
    """`finish_reason` reads the same whichever API was asked."""
    found = {(case["api"], read(case).finish_reason) for case in CASES if case["why"].startswith(("cut off", "text", "one call", "a call"))}
    both = {(api, reason) for api in ("chat", "responses") for reason in ("stop", "tool_calls", "length", "content_filter")}
    assert both <= found


def test_an_answer_beyond_the_limit_is_not_parsed() -> None:
    """A body of more than 16 MiB is refused by its size."""
    with pytest.raises(ModelError, match="at most"):
        chat_reply(b" " * (MAX_ANSWER_BYTES + 1))


def test_what_an_error_says_is_one_short_line() -> None:
    """Words of a provider cannot fill the screen, and its web pages say nothing."""
    assert error_text({"error": {"message": "a\nb\r\n c."}}) == "a b c"
    assert error_text("<html>nginx</html>") == "no reason given"
    assert error_text({"detail": "Not Found"}) == "Not Found"
    assert len(error_text({"message": "x" * 1000})) == 300
