"""From bytes to heads and bodies, without connections: llhttp says strictly what is HTTP, and what it leaves open is refused here."""

from __future__ import annotations

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

from agentgate.gateway.http.messages import AnswerHead, Headers, RequestHead, Unreadable

LONGEST_HEAD = 64 * 1024
LONGEST_LINE = 8190
MOST_HEADERS = 64
LONGEST_ANSWER_LINE = 16 * 1024
MOST_ANSWER_HEADERS = 256
_MOST_AROUND = 64 * 1024
"""Bytes around chunks: their sizes, extensions and what follows the last one."""
_AROUND_EACH = 16
"""As many more of them may come for each byte of the body: in the smallest chunks there are five."""

END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/1\.([01])\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])[ \r]")
_ONE = ("host", "content-length", "transfer-encoding")
"""Headers that nobody may send twice."""
_NO_BODY = (204, 304)


class _Fields:
    """Takes what the parser finds in a head."""

    __slots__ = ("complete", "headers")

    def __init__(self) -> None:
        self.headers: Headers = {}
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        known, said = name.lower().decode("ascii"), value.decode("utf-8", "surrogateescape").strip(" \t")
        if known in self.headers:
            if known in _ONE:
                raise Unreadable
            said = f"{self.headers[known]}, {said}"
        self.headers[known] = said

    def on_headers_complete(self) -> None:
        self.complete = True


def read_request(raw: bytes) -> RequestHead:
    """The head of a request.

    Args:
        raw: to the empty line behind it, inclusive.

    Raises:
        Unreadable: it is none.
    """
    line = _REQUEST_LINE.match(raw)
    if line is None:
        raise Unreadable
    fields = _Fields()
    _parse(HttpRequestParser(fields), fields, raw, LONGEST_LINE, MOST_HEADERS)
    headers, modern = fields.headers, line[3] == b"1"
    length: int | None = int(headers.get("content-length", "0"))
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or "content-length" in headers or not modern:
            raise Unreadable
        length = None
    if modern and "host" not in headers:
        raise Unreadable
    return RequestHead(line[1].decode(), line[2].decode(), headers, length, _is_kept(headers, modern=modern), modern)


def read_answer(raw: bytes) -> AnswerHead:
    """The head of an answer to a GET or a POST.

    Args:
        raw: to the empty line behind it, inclusive.

    Raises:
        Unreadable: it is none.
    """
    line = _STATUS_LINE.match(raw)
    if line is None:
        raise Unreadable
    status = int(line[2])
    fields = _Fields()
    _parse(HttpResponseParser(fields), fields, raw, LONGEST_ANSWER_LINE, MOST_ANSWER_HEADERS)
    headers = fields.headers
    coding, said = headers.get("transfer-encoding"), headers.get("content-length")
    if status == 101 or (coding is not None and (coding.lower() != "chunked" or said is not None)):
        raise Unreadable
    length = None if said is None else int(said)
    if status < 200 or status in _NO_BODY:
        length, coding = 0, None
    until_the_end = length is None and coding is None
    kept = not until_the_end and _is_kept(headers, modern=line[1] == b"1")
    return AnswerHead(status, headers, length, coding is not None, kept)


def _is_kept(headers: Headers, *, modern: bool) -> bool:
    """Whether a connection goes on after a message."""
    said = headers.get("connection")
    if said is None:
        return modern
    words = [word.strip() for word in said.lower().split(",")]
    return "close" not in words and (modern or "keep-alive" in words)


def _parse(parser: HttpRequestParser | HttpResponseParser, fields: _Fields, raw: bytes, longest: int, most: int) -> None:
    if len(raw) > longest and max(map(len, raw.split(b"\r\n"))) > longest:
        raise Unreadable
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass  # which is not made
    except HttpParserError:
        if not fields.complete:
            raise Unreadable from None  # else it is a status with which another protocol would begin
    if not fields.complete or raw.count(b"\r\n") - 2 > most:
        raise Unreadable


class Chunks:
    """A body in chunks. Trailers are dropped."""

    __slots__ = ("_around", "_parser", "_pieces", "done", "more", "size")

    def __init__(self) -> None:
        self._around = 0
        self._pieces: list[bytes] = []
        self.size = 0
        """Bytes of the body so far."""
        self.done = False
        """Whether the body is whole."""
        self.more = False
        """Whether something came behind it, which is lost."""
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.done = True

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self.done:
            self.more = True
            raise Unreadable

    def feed(self, data: bytes) -> list[bytes]:
        """What of the body is in the next bytes.

        Raises:
            Unreadable: these are no chunks.
        """
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            if not self.done:
                raise Unreadable from None
            self.more = True
        pieces, self._pieces = self._pieces, []
        found = sum(map(len, pieces))
        self.size += found
        self._around += len(data) - found
        if self._around > _MOST_AROUND + _AROUND_EACH * self.size:
            raise Unreadable
        return pieces
