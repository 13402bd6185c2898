"""From bytes to heads and bodies, without connections: llhttp says strictly what is HTTP, and what it leaves open is refused here."""

from __future__ import annotations

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
_VERSIONS = {"HTTP/1.1": True, "HTTP/1.0": False}
_ONE = ("host", "content-length", "transfer-encoding")
"""Headers that nobody may send twice."""
_NO_BODY = (204, 304)
_SWITCHING = 101


def read_request(raw: bytes) -> RequestHead:
    """The head of a request.

    Args:
        raw: to the empty line behind it, inclusive.

    Raises:
        Unreadable: it is none.
    """
    line, headers = _read(HttpRequestParser(None), raw, LONGEST_LINE, MOST_HEADERS)
    words = line.split(" ")
    if len(words) != 3 or words[2] not in _VERSIONS:
        raise Unreadable
    method, target, version = words
    modern = _VERSIONS[version]
    coding, said = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None and (coding.lower() != "chunked" or said is not None or not modern):
        raise Unreadable
    if modern and "host" not in headers:
        raise Unreadable
    length = None if coding is not None else 0 if said is None else int(said)
    return RequestHead(method, target, headers, length, _is_kept(headers, modern=modern), modern)


def read_answer(raw: bytes) -> AnswerHead:
    """The head of an answer to a GET or a POST.

    Args:
        raw: to the empty line behind it, inclusive.

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
    length = None if said is None else int(said)
    framed = length is not None or coding is not None
    return AnswerHead(status, headers, length, coding is not None, framed and _is_kept(headers, modern=_VERSIONS[version]))


def _read(parser: HttpRequestParser | HttpResponseParser, raw: bytes, longest: int, most: int) -> tuple[str, Headers]:
    """The first line of a head, and its headers.

    Where llhttp has nothing to object to, each line between the first and the empty one is a name, a colon and a value, without any other
    control characters than tabs, and none goes on in the next.
    """
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
        name, value = name.lower(), value.strip(" \t")
        if name in headers:
            if name in _ONE:
                raise Unreadable
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return first, headers


def _is_kept(headers: Headers, *, modern: bool) -> bool:
    """Whether a connection goes on after a message."""
    said = headers.get("connection")
    if said is None:
        return modern
    words = [word.strip(" \t") for word in said.lower().split(",")]
    return "close" not in words and (modern or "keep-alive" in words)


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
