"""From bytes to heads, without connections: llhttp says strictly what is HTTP, and what it leaves open is refused here."""

from __future__ import annotations

from collections.abc import Sequence

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

from agentgate.gateway.http.messages import AnswerHead, Headers, RequestHead, Unreadable

LONGEST_HEAD = 64 * 1024
LONGEST_LINE = 8190
MOST_HEADERS = 64
LONGEST_ANSWER_LINE = 16 * 1024
MOST_ANSWER_HEADERS = 256

END = b"\r\n\r\n"
_VERSIONS = {"HTTP/1.1": True, "HTTP/1.0": False}
_ONE = ("host", "content-length", "transfer-encoding")
"""Headers that nobody may send twice."""
_MOST_DIGITS = 15
"""Of a length in bytes."""
_NO_BODY = (204, 304)
_SWITCHING = 101


def read_request(raw: bytes) -> RequestHead:
    """The head of a request.

    Args:
        raw: to the first empty line, inclusive.

    Raises:
        Unreadable: it is none.
    """
    line, headers = _read(HttpRequestParser(None), raw, LONGEST_LINE, MOST_HEADERS)
    words = line.split(" ")
    if len(words) != 3 or words[2] not in _VERSIONS or not words[0].isalpha():
        raise Unreadable
    method, target, version = words
    modern = _VERSIONS[version]
    coding, said = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None and (coding.lower() != "chunked" or said is not None or not modern):
        raise Unreadable
    if modern and "host" not in headers:
        raise Unreadable
    length = None if coding is not None else 0 if said is None else _number(said)
    return RequestHead(method, target, headers, length, _is_kept(headers, modern=modern), modern)


def read_answer(raw: bytes) -> AnswerHead:
    """The head of an answer to a GET or a POST.

    Args:
        raw: to the first empty line, inclusive.

    Raises:
        Unreadable: it is none.
    """
    line, headers = _read(HttpResponseParser(None), raw, LONGEST_ANSWER_LINE, MOST_ANSWER_HEADERS)
    version, _, rest = line.partition(" ")
    if version not in _VERSIONS or not rest[:3].isdigit() or rest[3:4] not in ("", " "):
        raise Unreadable
    status = int(rest[:3])
    coding, said = headers.get("transfer-encoding"), headers.get("content-length")
    if status == _SWITCHING or (coding is not None and (coding.lower() != "chunked" or said is not None)):
        raise Unreadable
    if status < 200 or status in _NO_BODY:
        return AnswerHead(status, headers, 0, False, _is_kept(headers, modern=_VERSIONS[version]))
    length = None if said is None else _number(said)
    framed = length is not None or coding is not None
    return AnswerHead(status, headers, length, coding is not None, framed and _is_kept(headers, modern=_VERSIONS[version]))


def _number(said: str) -> int:
    if len(said) > _MOST_DIGITS:
        raise Unreadable
    return int(said)


def _read(parser: HttpRequestParser | HttpResponseParser, raw: bytes, longest: int, most: int) -> tuple[str, Headers]:
    """The first line of a head, and its headers.

    Where llhttp has nothing to object to, each line between the first and the empty one is a name, a colon and a value, without any other
    control characters than tabs, and none goes on in the next.
    """
    if len(raw) > LONGEST_HEAD:
        raise Unreadable
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass  # which is not made
    except HttpParserError:
        raise Unreadable from None
    first, *lines = raw[: -len(END)].decode("utf-8", "surrogateescape").split("\r\n")
    if len(lines) > most or (len(raw) > longest and max(map(len, raw.split(b"\r\n"))) > longest):
        raise Unreadable
    headers: Headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" \t")
    return first, headers if len(headers) == len(lines) and "" not in headers else _together(lines)


def _together(lines: Sequence[str]) -> Headers:
    """Headers of which some came several times: all values of each in one."""
    headers: Headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if not name or (name in headers and name in _ONE):
            raise Unreadable
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _is_kept(headers: Headers, *, modern: bool) -> bool:
    """Whether a connection goes on after a message."""
    said = headers.get("connection")
    if said is None:
        return modern
    words = [word.strip(" \t") for word in said.lower().split(",")]
    return "close" not in words and (modern or "keep-alive" in words)
