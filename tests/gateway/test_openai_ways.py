"""The less common ways of the official `openai` client: raw responses, and the asynchronous helpers for streams of both APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.gateway.serving import Served
from tests.gateway.test_openai_client import ALLOWED, ASKED, BLOCKED, BLOCKED_STREAM, EVENTS, STREAM
from tests.gateway.test_responses_answers import TOOLS, events
from tests.scripted_server import Answer, Script, ScriptedServer, call_item, text_item

PLAIN = {"model": "gpt-4o", "input": "do it", "tools": TOOLS}
ITEMS = Answer(events(text_item("Hm."), call_item("read", {"id": 1})), headers=EVENTS)
BLOCKED_ITEMS = Answer(events(text_item("Hm."), call_item("delete")), headers=EVENTS)


def test_raw_responses_show_the_headers(tmp_path: Path) -> None:
    """The event's id beside an allowed call, and what a refused one says, with its status."""
    with (
        ScriptedServer(ALLOWED, BLOCKED) as upstream,
        Served(tmp_path, upstream) as gateway,
        openai.OpenAI(base_url=gateway.url, api_key="sk-test") as client,
    ):
        got = client.chat.completions.with_raw_response.create(**ASKED)
        assert got.headers["x-agentgate-event"].startswith("evt_")
        assert got.parse().choices[0].finish_reason == "tool_calls"
        with pytest.raises(openai.ConflictError) as caught:
            client.chat.completions.with_raw_response.create(**ASKED)
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert len(upstream.requests) == 2


def asynchronously(folder: Path, script: Script, use: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
    """What `use` makes of a client and one answer of the upstream."""

    async def main(url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=url, api_key="sk-test") as client:
            return await use(client)

    with ScriptedServer(script) as upstream, Served(folder, upstream) as gateway:
        found = asyncio.run(main(gateway.url))
        assert len(upstream.requests) == 1
        return found


async def by_chat(client: openai.AsyncOpenAI) -> tuple[str | None, list[str]]:
    """The asynchronous helper for streams of Chat Completions."""
    async with client.chat.completions.stream(**ASKED) as stream:
        message = (await stream.get_final_completion()).choices[0].message
        return message.content, [call.function.name for call in message.tool_calls or ()]


async def by_responses(client: openai.AsyncOpenAI) -> tuple[str | None, list[str]]:
    """The asynchronous helper for streams of Responses."""
    asked: dict[str, Any] = PLAIN
    async with client.responses.stream(**asked) as stream:
        answer = await stream.get_final_response()
        return answer.output_text, [item.name for item in answer.output if item.type == "function_call"]


@pytest.mark.parametrize(
    ("use", "allowed", "text", "blocked"),
    [(by_chat, STREAM, "Let me see.", BLOCKED_STREAM), (by_responses, ITEMS, "Hm.", BLOCKED_ITEMS)],
    ids=["chat", "responses"],
)
def test_asynchronous_helpers(tmp_path: Path, use: Any, allowed: Answer, text: str, blocked: Answer) -> None:
    """An allowed call arrives whole; a blocked one after text is an error of the API, asked for once."""
    assert asynchronously(tmp_path, allowed, use) == (text, ["read"])
    with pytest.raises(openai.APIError) as caught:
        asynchronously(tmp_path, blocked, use)
    assert caught.value.code == "tool_blocked"
