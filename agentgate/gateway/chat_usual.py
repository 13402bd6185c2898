"""Whole answers of Chat Completions as most are, decoded by types in which nothing else has room. All others are read with more care."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from agentgate.core.events import ToolCall
from agentgate.core.quick_json import Integer, says_all, write
from agentgate.gateway.calls import WHOLE, usage_of
from agentgate.gateway.shapes import Answer
from agentgate.models.replies import MAX_ANSWER_BYTES

_Text: TypeAlias = str | UnsetType | None
_Nothing: TypeAlias = UnsetType | None


class _Part(Struct, forbid_unknown_fields=True):
    """Of an answer: its fields are these, and no others. They stand in the usual order, which spares counting what was read."""


class _Function(_Part):
    name: str
    arguments: str


class _Call(_Part):
    id: str
    type: Literal["function"]
    function: _Function


class _Message(_Part):
    role: Literal["assistant"]
    content: _Text = UNSET
    tool_calls: list[_Call] | UnsetType | None = UNSET
    refusal: _Text = UNSET
    annotations: Annotated[list[None], Meta(max_length=0)] | UnsetType | None = UNSET
    audio: _Nothing = UNSET
    function_call: _Nothing = UNSET
    reasoning: _Text = UNSET
    reasoning_content: _Text = UNSET


class _Choice(_Part, kw_only=True):
    index: Integer | UnsetType = UNSET
    message: _Message
    logprobs: _Nothing = UNSET
    finish_reason: str
    stop_reason: _Nothing = UNSET
    token_ids: _Nothing = UNSET


class _Body(_Part, kw_only=True):
    id: str | UnsetType = UNSET
    object: str | UnsetType = UNSET
    created: Integer | UnsetType = UNSET
    model: str | UnsetType = UNSET
    choices: Annotated[list[_Choice], Meta(min_length=1, max_length=1)]
    usage: dict[str, Integer | dict[str, Integer | None] | None] | UnsetType | None = UNSET
    service_tier: _Text = UNSET
    system_fingerprint: _Text = UNSET
    prompt_logprobs: _Nothing = UNSET
    prompt_token_ids: _Nothing = UNSET
    kv_transfer_params: _Nothing = UNSET


_decode = msgspec.json.Decoder(_Body).decode


class UsualAnswer(Struct):
    """See `Whole`."""

    answer: Answer
    raw: bytes
    written: bytes

    def released(self) -> bytes:
        """See `Whole.released`."""
        return self.written if self.answer.calls else self.raw

    def untouched(self) -> bytes:
        """See `Whole.untouched`."""
        return self.raw


def read_usual(raw: bytes) -> UsualAnswer | None:
    """An answer of which everything is understood; None where that takes more care to say.

    Raises:
        Broken: its usage cannot be.
    """
    if len(raw) > MAX_ANSWER_BYTES:
        return None
    try:
        body = _decode(raw)
    except (ValueError, RecursionError):
        return None
    (choice,) = body.choices
    message, finish = choice.message, choice.finish_reason
    proposed = message.tool_calls
    written = write(body)
    if finish not in (WHOLE if proposed else ("stop",)) or not says_all(written, raw):
        return None
    if message.function_call is None:
        message.function_call = UNSET
        written = write(body)
    answer = Answer(
        calls=tuple([ToolCall(call.id, call.function.name, call.function.arguments) for call in proposed]) if proposed else (),
        finish_reason=finish,
        usage=usage_of(body.usage) if body.usage else None,
        id=None if body.id is UNSET else body.id,
        model=None if body.model is UNSET else body.model,
    )
    return UsualAnswer(answer, raw, written)
