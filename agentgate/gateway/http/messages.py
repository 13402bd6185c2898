"""What is said over a connection: the heads of requests and answers, read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from msgspec import Struct

Headers = dict[str, str]
"""Names in lower case. What came several times is one value, with commas between, so that nobody takes one of them for all."""

_STARTS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LARGE = 64 * 1024
"""Bytes of a body that is not copied once more, to be in one piece with its head."""


class Unreadable(Exception):
    """Bytes that are no HTTP, or that could be read in two ways. What stood in them is not told: it may hold a key."""


class RequestHead(Struct):
    """A request, of which the body may not have come yet."""

    method: str
    target: str
    """As it was sent, which begins with a path."""
    headers: Headers
    length: int | None
    """Bytes of the body; None for one in chunks."""
    keep_alive: bool
    """Whether more requests may follow."""
    modern: bool
    """Whether it is HTTP/1.1, so that the client understands an answer in chunks."""


class AnswerHead(Struct):
    """An answer, of which the body may not have come yet."""

    status: int
    headers: Headers
    length: int | None
    """Bytes of the body; None for one in chunks, or one that goes on until the connection ends."""
    chunked: bool
    keep_alive: bool
    """Whether the connection can be used again."""


class Response(Struct):
    """A whole answer to a client."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    close: bool = False
    """Whether the connection ends with it."""


def json_response(value: object) -> Response:
    """A value as an answer."""
    return Response(200, msgspec.json.encode(value), {"content-type": "application/json"})


def head_of(status: int, headers: Mapping[str, str], *more: str) -> bytes:
    """The head of an answer.

    Args:
        status: of the answer.
        headers: with names in lower case.
        more: further lines, each with its end.

    Raises:
        ValueError: a header would be more than one.
    """
    start = _STARTS.get(status) or f"HTTP/1.1 {status} \r\n"
    return (start + lines_of(headers) + "".join(more) + "\r\n").encode("utf-8", "surrogateescape")


def lines_of(headers: Mapping[str, str]) -> str:
    """Headers as lines, each with its end.

    Raises:
        ValueError: a header would be more than one.
    """
    values = "".join(headers.values())
    if not values.isprintable() and _CONTROL.search(values) is not None:
        raise ValueError("a header holds a control character")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def in_pieces(head: bytes, body: bytes) -> list[bytes]:
    """A message as what is written at once."""
    return [head, body] if len(body) > _LARGE else [head + body]


def as_chunk(data: bytes) -> bytes:
    """Data as a chunk; no data, which would be the end, as nothing."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
