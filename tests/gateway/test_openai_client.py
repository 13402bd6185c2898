"""The official `openai` client in front of a gateway: what applications see, synchronous, asynchronous and streamed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from tests.gateway.serving import Served, call_delta, function, sse
from tests.gateway.test_responses_answers import TOOLS, events
from tests.scripted_server import Answer, Script, ScriptedServer, call, call_item, chat, text_item
from tests.scripted_server import responses as answer_of

ALLOWED = chat(calls=[call("read", {"id": 1})])
BLOCKED = chat(calls=[call("delete")])
STREAM = sse({"role": "assistant", "content": "Let me "}, {"content": "see."}, call_delta("read", '{"id": 1}'), finish="tool_calls")
BLOCKED_STREAM = sse({"role": "assistant", "content": "Well, "}, call_delta("delete"), finish="tool_calls")
ASKED: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "do it"}],
    "tools": [function("read"), function("delete")],
    "tool_choice": "auto",
}
EVENTS = {"content-type": "text/event-stream"}


class Client:
    """Both kinds of client, used alike."""

    def __init__(self, url: str, kind: str) -> None:
        self._kind = kind
        self._url = url

    def run(self, use: Any) -> Any:
        """What `use` makes of a client; it may be a coroutine function."""
        if self._kind == "sync":
            with openai.OpenAI(base_url=self._url, api_key="sk-test") as client:
                return use(client)
        return asyncio.run(self._run(use))

    async def _run(self, use: Any) -> Any:
        async with openai.AsyncOpenAI(base_url=self._url, api_key="sk-test") as client:
            return await use(client)


def test_an_allowed_call_is_like_any_other(tmp_path: Path) -> None:
    """Plain."""
    with ScriptedServer(ALLOWED) as upstream, Served(tmp_path, upstream) as gateway:
        answer = Client(gateway.url, "sync").run(lambda client: client.chat.completions.create(**ASKED))
        (made,) = answer.choices[0].message.tool_calls
        assert (made.id, made.function.name, json.loads(made.function.arguments)) == ("call_1", "read", {"id": 1})


def test_an_allowed_call_is_like_any_other_asynchronously(tmp_path: Path) -> None:
    """The same by the other client."""

    async def use(client: openai.AsyncOpenAI) -> Any:
        return await client.chat.completions.create(**ASKED)

    with ScriptedServer(ALLOWED) as upstream, Served(tmp_path, upstream) as gateway:
        assert Client(gateway.url, "async").run(use).choices[0].message.tool_calls[0].function.name == "read"


def test_a_blocked_call_is_a_conflict_asked_once(tmp_path: Path) -> None:
    """`APIStatusError` with status 409, which the client does not try again, and then the fall back without tools."""

    def use(client: openai.OpenAI) -> tuple[Any, Any]:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(**ASKED)
        plain = client.chat.completions.create(model="gpt-4o", messages=ASKED["messages"])
        return caught.value, plain

    with ScriptedServer(BLOCKED, chat("I cannot do that.")) as upstream, Served(tmp_path, upstream) as gateway:
        error, plain = Client(gateway.url, "sync").run(use)
        assert error.status_code == 409
        assert error.response.json()["error"]["policy"] == "default"
        assert plain.choices[0].message.content == "I cannot do that."
        assert len(upstream.requests) == 2


def test_a_stream_by_chunks(tmp_path: Path) -> None:
    """Text, then the call."""

    def use(client: openai.OpenAI) -> tuple[str, list[Any]]:
        chunks = list(client.chat.completions.create(**ASKED, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        return text, [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]

    with ScriptedServer(STREAM) as upstream, Served(tmp_path, upstream) as gateway:
        text, calls = Client(gateway.url, "sync").run(use)
        assert (text, [call.function.name for call in calls]) == ("Let me see.", ["read"])


def test_the_streaming_helper(tmp_path: Path) -> None:
    """It puts the answer together as if it came from the provider."""

    def use(client: openai.OpenAI) -> Any:
        with client.chat.completions.stream(**ASKED) as stream:
            kinds = [event.type for event in stream]
            return kinds, stream.get_final_completion()

    with ScriptedServer(STREAM) as upstream, Served(tmp_path, upstream) as gateway:
        kinds, answer = Client(gateway.url, "sync").run(use)
        assert "tool_calls.function.arguments.done" in kinds
        assert answer.choices[0].message.tool_calls[0].function.arguments == '{"id": 1}'


def test_a_blocked_call_in_a_stream(tmp_path: Path) -> None:
    """After text it is raised while reading; before any it is the 409."""

    def use(client: openai.OpenAI) -> tuple[str, openai.APIError]:
        text = ""
        try:
            for chunk in client.chat.completions.create(**ASKED, stream=True):
                text += chunk.choices[0].delta.content or ""
                assert not chunk.choices[0].delta.tool_calls
        except openai.APIError as error:
            return text, error
        raise AssertionError("nothing was raised")

    silent = sse({"role": "assistant", "content": None}, call_delta("delete"), finish="tool_calls")
    with ScriptedServer(BLOCKED_STREAM, silent) as upstream, Served(tmp_path, upstream) as gateway:
        text, error = Client(gateway.url, "sync").run(use)
        assert (text, cast(dict[str, Any], error.body)["code"]) == ("Well, ", "tool_blocked")
        text, error = Client(gateway.url, "sync").run(use)
        assert (text, isinstance(error, openai.ConflictError)) == ("", True)


def test_an_asynchronous_stream(tmp_path: Path) -> None:
    """The same by the other client."""

    async def use(client: openai.AsyncOpenAI) -> list[str]:
        stream = await client.chat.completions.create(**ASKED, stream=True)
        return [call.function.name async for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]

    with ScriptedServer(STREAM) as upstream, Served(tmp_path, upstream) as gateway:
        assert Client(gateway.url, "async").run(use) == ["read"]


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_the_responses_api(tmp_path: Path, streamed: bool) -> None:
    """An allowed call, and a blocked one."""
    raw = events(text_item("Hm."), call_item("read", {"id": 1}))
    script: list[Script] = [Answer(raw, headers=EVENTS), Answer(events(call_item("delete")), headers=EVENTS)]
    if not streamed:
        script = [answer_of(text_item("Hm."), call_item("read", {"id": 1})), answer_of(call_item("delete"))]
    asked: dict[str, Any] = {"model": "gpt-4o", "input": "do it", "tools": TOOLS}

    def use(client: openai.OpenAI) -> Any:
        if not streamed:
            return client.responses.create(**asked)
        with client.responses.stream(**asked) as stream:
            for _ in stream:
                pass
            return stream.get_final_response()

    with ScriptedServer(*script) as upstream, Served(tmp_path, upstream) as gateway:
        answer = Client(gateway.url, "sync").run(use)
        assert answer.output_text == "Hm."
        assert [item.name for item in answer.output if item.type == "function_call"] == ["read"]
        with pytest.raises(openai.ConflictError):
            Client(gateway.url, "sync").run(use)


def test_models_are_listed(tmp_path: Path) -> None:
    """Passed on."""
    models = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "me"}]}
    with ScriptedServer(Answer(json.dumps(models).encode())) as upstream, Served(tmp_path, upstream) as gateway:
        assert [model.id for model in Client(gateway.url, "sync").run(lambda client: list(client.models.list()))] == ["m"]
