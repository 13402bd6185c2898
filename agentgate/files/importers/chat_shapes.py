"""The messages of Chat Completions as they are decoded, and what tells whether a JSON text holds nothing but what was decoded."""

from __future__ import annotations

from struct import Struct as BytesOf
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from agentgate.core.events import Json
from agentgate.files.transcript_chain import MAX_DEPTH, parse_line

_Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]
_Kind: TypeAlias = Literal["function"]


class _Function(Struct, gc=False):
    name: str
    arguments: str


class _Call(Struct, gc=False):
    id: str
    function: _Function
    type: _Kind | UnsetType = UNSET


class Message(Struct, gc=False):
    role: _Role
    content: str | UnsetType | None = UNSET
    tool_calls: list[_Call] | UnsetType | None = UNSET
    tool_call_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET


class _EscapedFunction(Struct, gc=False):
    name: str
    arguments: Raw


class _EscapedCall(Struct, gc=False):
    id: str
    function: _EscapedFunction
    type: _Kind | UnsetType = UNSET


class EscapedMessage(Struct, gc=False):
    """The same with texts as they are spelt: more characters are written as escapes in them than need be."""

    role: _Role
    content: Raw | UnsetType = UNSET
    tool_calls: list[_EscapedCall] | UnsetType | None = UNSET
    tool_call_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET


class Way(Struct, frozen=True):
    """How a line may be written."""

    spaced: bool
    escaped: bool


_OF_TEXT_OR_NULL = frozenset(((ord('"'),), (ord("n"),)))
_first_byte = BytesOf("B").unpack_from
_decode_text: Any = msgspec.json.Decoder(str).decode
_decode_text_or_null: Any = msgspec.json.Decoder(str | None).decode
_decode_any = msgspec.json.Decoder().decode
_encode_any_into = msgspec.json.Encoder().encode_into


def read_texts(messages: list[EscapedMessage], *, contents: bool) -> list[Message]:
    """The same messages with texts in the place of their spellings, as far as they are looked at.

    Args:
        messages: changed in place.
        contents: whether contents are looked at; if not, they still have to be texts.

    Raises:
        DecodeError: something is not the text that it has to be.
    """
    whole: Any = messages
    for message in whole:
        content = message.content
        if content is not UNSET:
            if contents:
                message.content = _decode_text_or_null(content)
            elif _first_byte(content) not in _OF_TEXT_OR_NULL:
                raise msgspec.DecodeError("a content that is no text")
        for call in message.tool_calls or ():
            call.function.arguments = _decode_text(call.function.arguments)
    return whole  # type: ignore[no-any-return]


def strict(text: bytes) -> Json:
    """The value of a JSON text, as `parse_line` reads it.

    What is written again to the same bytes holds no key twice and no number that cannot be written.

    Raises:
        InvalidJson: `parse_line` refuses it.
    """
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        try:
            value = _decode_any(text)
            written = bytearray()
            _encode_any_into(value, written)
            if written == text:
                return value
        except (msgspec.DecodeError, UnicodeError):
            pass
    return parse_line(text)
