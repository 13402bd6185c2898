"""Bodies of requests. An application offers the same tools with each of its requests: a text of tools that was read once is known."""

from __future__ import annotations

from functools import cache
from typing import TypedDict

import msgspec
from msgspec import Raw, Struct

from agentgate.core.events import Json
from agentgate.core.quick_json import says_all, type_of, write
from agentgate.gateway.envelope import read_object

_DEEP = ("input", "messages", "response_format", "text")
_FLAT = (
    "audio", "background", "conversation", "frequency_penalty", "function_call", "functions", "include", "instructions", "logit_bias",
    "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "max_tool_calls", "metadata", "modalities", "model", "n",
    "parallel_tool_calls", "prediction", "presence_penalty", "previous_response_id", "prompt", "prompt_cache_key",
    "prompt_cache_retention", "reasoning", "reasoning_effort", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
    "stream_options", "temperature", "tool_choice", "top_k", "top_logprobs", "top_p", "truncation", "user", "verbosity",
    "web_search_options",
)  # fmt: skip
"""What bodies hold besides tools. One with anything else in it is read the slow way."""
_MOST_TOOLS = 64
_LONGEST_TOOLS = 128 * 1024


class Tools(Struct):
    """The tools of requests: the same object for the same text, so what is made of them once can be kept with them."""

    text: bytes
    value: Json
    offered: Json = None
    """What was made of them."""


class Bodies:
    """The bodies of requests to one API."""

    def __init__(self) -> None:
        self._known: dict[bytes, Tools] = {}
        self._last: Tools | None = None
        """The same tools often come again at once; comparing them takes less than hashing them."""

    def read(self, raw: bytes, limit: int) -> tuple[dict[str, Json], Tools | None]:
        """The object that a body is, and its tools where they were read before.

        Raises:
            BadRequest: as `read_object` does.
        """
        try:
            body: dict[str, Json] = _decoder().decode(raw) if len(raw) <= limit else {}
        except (ValueError, RecursionError):
            body = {}
        text = bytes(body.get("tools", b""))
        tools = self._last
        if tools is None or tools.text != text:
            tools = self._known.get(text)
        if body and (tools is not None or not text) and says_all(write(body), raw):
            if tools is not None:
                body["tools"] = tools.value
                self._last = tools
            return body, tools
        body = read_object(raw, limit)
        if text and len(text) <= _LONGEST_TOOLS:
            if len(self._known) >= _MOST_TOOLS:
                self._known.clear()
            self._known[text] = Tools(text, body["tools"])
        return body, None


@cache
def _decoder() -> msgspec.json.Decoder[dict[str, Json]]:
    """It leaves tools as they are written, and what it does not know out."""
    deep, flat = type_of(6), type_of(3)
    fields = {"tools": Raw, **dict.fromkeys(_DEEP, deep), **dict.fromkeys(_FLAT, flat)}
    return msgspec.json.Decoder(TypedDict("Body", fields, total=False))  # type: ignore[operator]
