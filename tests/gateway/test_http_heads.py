"""Heads and bodies as bytes: what could be read in two ways is refused, and what is sound is read alike however it is cut."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress

import pytest
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from agentgate.gateway.http.bodies import Chunks, Sized
from agentgate.gateway.http.messages import Unreadable, head_of
from agentgate.gateway.http.packing import is_packed, unpacked
from agentgate.gateway.http.parsing import END, LONGEST_HEAD, LONGEST_LINE, MOST_HEADERS, read_answer, read_request

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
LONG = b"x" * (LONGEST_LINE - len("a: "))


@pytest.mark.parametrize(
    ("raw", "method", "target", "length", "kept"),
    [
        (GET, "GET", "/a", 0, True),
        (GET.replace(b"/a", b"/a?b=c&d#e"), "GET", "/a?b=c&d#e", 0, True),
        (GET + b"Connection: close\r\n", "GET", "/a", 0, False),
        (GET + b"Connection: x, Close\r\n", "GET", "/a", 0, False),
        (GET + b"Connection: x\r\nConnection: close\r\n", "GET", "/a", 0, False),
        (GET.replace(b"1.1", b"1.0"), "GET", "/a", 0, False),
        (b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n", "GET", "/a", 0, True),
        (b"GET /a HTTP/1.0\r\n", "GET", "/a", 0, False),
        (GET + b"Content-Length: 007\r\n", "GET", "/a", 7, True),
        (GET + b"Content-Length: 7 \t\r\n", "GET", "/a", 7, True),
        (GET + b"Transfer-Encoding: Chunked\r\n", "GET", "/a", None, True),
        (GET + b"Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 7\r\n", "GET", "/a", 7, True),
        (GET + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nTransfer-Encoding: chunked\r\n", "GET", "/a", None, True),
        (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n", "CONNECT", "h:80", 0, True),
        (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n", "OPTIONS", "*", 0, True),
        (GET + b"a: " + LONG + b"\r\n", "GET", "/a", 0, True),
        (GET + b"a: b\r\n" * (MOST_HEADERS - 1), "GET", "/a", 0, True),
    ],
    ids=range(17),
)
def test_what_is_a_request(raw: bytes, method: str, target: str, length: int | None, kept: bool) -> None:
    """And what it says about its body and its connection."""
    head = read_request(raw + b"\r\n")
    assert (head.method, head.target, head.length, head.keep_alive) == (method, target, length, kept)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n" + GET,
        b"\n" + GET,
        b" " + GET,
        GET.replace(b"GET ", b"GET  "),
        GET.replace(b"/a ", b"/a  "),
        GET.replace(b"/a ", b"/a\t"),
        GET.replace(b"/a", b"/a b"),
        GET.replace(b"/a", b"/a\x00"),
        GET.replace(b"/a", b"/\xc3\xa4"),
        GET.replace(b" /a", b""),
        GET.replace(b"GET", b"get"),
        GET.replace(b"GET", b"MADE-UP"),
        GET.replace(b"1.1", b"1.1 "),
        GET.replace(b"1.1", b"1.2"),
        GET.replace(b"1.1", b"0.9"),
        GET.replace(b"1.1", b"2.0"),
        GET.replace(b"HTTP/1.1", b"RTSP/1.0"),
        GET.replace(b"HTTP/1.1", b""),
        GET.replace(b"\r\nHost", b"\nHost"),
        GET.replace(b"\r\nHost", b"\rHost"),
        b"GET /a HTTP/1.1\r\n",
        GET + b"Host: h\r\n",
        GET + b"hOST: other\r\n",
        GET + b"folded: a\r\n b\r\n",
        GET + b"folded: a\r\n\tb\r\n",
        GET + b" folded: a\r\n",
        GET + b"space : a\r\n",
        GET + b"no colon\r\n",
        GET + b": nameless\r\n",
        GET + b"a\x00b: c\r\n",
        GET + b"a: b\x00c\r\n",
        GET + b"a: b\x1bc\r\n",
        GET + b"a: b\x7fc\r\n",
        GET + b"a: b\rc\r\n",
        GET + b"a: b\nc: d\r\n",
        GET + b"\xc3\xa4: b\r\n",
        GET + b"Content-Length: -1\r\n",
        GET + b"Content-Length: +1\r\n",
        GET + b"Content-Length: 1, 1\r\n",
        GET + b"Content-Length: 1_0\r\n",
        GET + b"Content-Length: 0x1\r\n",
        GET + b"Content-Length: \xd9\xa1\r\n",
        GET + b"Content-Length:\r\n",
        GET + b"Content-Length: 1\r\nContent-Length: 1\r\n",
        GET + b"Content-Length: " + b"0" * 5000 + b"1\r\n",
        GET + b"Content-Length: 9999999999999999\r\n",
        GET + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        GET + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        GET + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        GET + b"Transfer-Encoding: gzip, chunked\r\n",
        GET + b"Transfer-Encoding: chunked, gzip\r\n",
        GET + b"Transfer-Encoding: identity\r\n",
        GET + b"Transfer-Encoding: \x0bchunked\r\n",
        GET + b"Transfer-Encoding:\r\n",
        GET.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n",
        GET + b"a: " + LONG + b"x\r\n",
        GET.replace(b"/a", b"/" + LONG),
        GET + b"a: b\r\n" * MOST_HEADERS,
        GET + (b"a: " + b"x" * 8000 + b"\r\n") * (LONGEST_HEAD // 8000 + 1),
        b"PRI * HTTP/2.0\r\n",
    ],
    ids=range(61),
)
def test_what_is_no_request(raw: bytes) -> None:
    """Or could be taken for two."""
    with pytest.raises(Unreadable):
        read_request(raw + b"\r\n")


@pytest.mark.parametrize(
    ("raw", "status", "length", "chunked", "kept"),
    [
        (OK + b"Content-Length: 2\r\n", 200, 2, False, True),
        (OK + b"Transfer-Encoding: chunked\r\n", 200, None, True, True),
        (OK, 200, None, False, False),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n", 200, 0, False, True),
        (b"HTTP/1.1 529 \xc3\xa4\xff\r\nContent-Length: 0\r\n", 529, 0, False, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n", 200, 2, False, False),
        (OK + b"Content-Length: 2\r\nConnection: close\r\n", 200, 2, False, False),
        (b"HTTP/1.1 204 None\r\nContent-Length: 9\r\n", 204, 0, False, True),
        (b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n", 304, 0, False, True),
        (b"HTTP/1.1 103 Hints\r\nLink: x\r\n", 103, 0, False, True),
        (OK + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n", 200, 2, False, True),
        (OK + b"x: " + b"y" * 16_000 + b"\r\nContent-Length: 2\r\n", 200, 2, False, True),
    ],
    ids=range(12),
)
def test_what_is_an_answer(raw: bytes, status: int, length: int | None, chunked: bool, kept: bool) -> None:
    """And where it ends."""
    head = read_answer(raw + b"\r\n")
    assert (head.status, head.length, head.chunked, head.keep_alive) == (status, length, chunked, kept)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/2.0 200 OK\r\n",
        b"RTSP/1.0 200 OK\r\n",
        b"HTTP/1.1 99 OK\r\n",
        b"HTTP/1.1 1000 OK\r\n",
        b"HTTP/1.1 2x0 OK\r\n",
        b"HTTP/1.1  200 OK\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\r\n",
        b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade\r\n",
        b"HTTP/1.1 101 Other\r\n",
        OK + b"Transfer-Encoding: gzip\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n",
        OK + b"Content-Length: two\r\n",
        OK + b"a: b\r\n c\r\n",
        OK + b"a: b\x00\r\n",
        OK + b"a : b\r\n",
        OK + b"x: " + b"y" * 17_000 + b"\r\n",
    ],
    ids=range(20),
)
def test_what_is_no_answer(raw: bytes) -> None:
    """Or one of which nobody could tell where it ends."""
    with pytest.raises(Unreadable):
        read_answer(raw + b"\r\n")


def test_what_comes_twice_is_one_value() -> None:
    """With a comma, so that nobody takes one of two for all of it, and bytes stay as they are."""
    headers = read_request(GET + b"A: 1\r\na:2 \r\nB: \xc3\xa4\xff\r\n\r\n").headers
    assert headers == {"host": "h", "a": "1, 2", "b": "\xe4\udcff"}
    assert headers["b"].encode("utf-8", "surrogateescape") == b"\xc3\xa4\xff"


class _Found:
    """What llhttp itself finds in a head."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []
        self.complete = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode().lower(), value.decode("utf-8", "surrogateescape").strip(" \t")))

    def on_headers_complete(self) -> None:
        self.complete += 1


WORDS = st.sampled_from(
    [b"GET /a HTTP/1.1\r\n", b"Host: h\r\n", b"a: b\r\n", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"x", b"\xff", b"\x00", b"a:\r\n"]
)


@given(st.lists(WORDS | st.binary(max_size=3), max_size=12))
def test_heads_are_taken_apart_as_llhttp_does(words: list[bytes]) -> None:
    """Whatever is read here is one whole head there, with the same headers in it."""
    data = GET + b"".join(words) + END
    raw = data[: data.index(END) + len(END)]
    with suppress(Unreadable):
        head = read_request(raw)
        found = _Found()
        with suppress(HttpParserUpgrade):
            HttpRequestParser(found).feed_data(raw)
        assert found.complete == 1
        joined: dict[str, str] = {}
        for name, value in found.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        assert head.headers == joined


def test_a_header_cannot_begin_another() -> None:
    """Nor end the head, on the way to the client."""
    for value in ("a\r\nb: c", "a\nb", "a\rb", "a\0"):
        with pytest.raises(ValueError, match="control character"):
            head_of(200, {"x": value})


CHUNKED = b"5;a=b\r\nhello\r\n1\r\n \r\n00006\r\nworld!\r\n0\r\nTrailer: x\r\n\r\n"


@given(st.sets(st.integers(0, len(CHUNKED))))
def test_chunks_are_read_alike_however_they_are_cut(cuts: set[int]) -> None:
    """Trailers are dropped."""
    chunks, got, start = Chunks(), [], 0
    for cut in [*sorted(cuts), len(CHUNKED)]:
        assert not chunks.done or start == cut
        if start < cut:
            got += chunks.feed(CHUNKED[start:cut])
        start = cut
    assert (b"".join(got), chunks.size, chunks.done, chunks.lost) == (b"hello world!", 12, True, False)


@pytest.mark.parametrize(
    "raw",
    [
        b"x",
        b"-1\r\n",
        b"0x1\r\na\r\n",
        b" 1\r\na\r\n",
        b"1 \r\na\r\n",
        b"1\na\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"1;\x01\r\na\r\n",
        b"fffffffffffffffff\r\n",
        b"0\r\nTrailer : x\r\n\r\n",
        b"0\r\n folded\r\n\r\n",
        b"\r\n",
    ],
    ids=range(13),
)
def test_what_is_no_chunk(raw: bytes) -> None:
    """Is refused at once."""
    with pytest.raises(Unreadable):
        Chunks().feed(raw)


@pytest.mark.parametrize(
    ("start", "more"),
    [(b"1;", b"a" * 999), (b"0\r\n", b"a: b\r\n" * 100), (b"0\r\na:", b"b" * 999)],
    ids=["extension", "trailers", "trailer"],
)
def test_what_stands_around_chunks_is_bounded(start: bytes, more: bytes) -> None:
    """Extensions and trailers without end are refused after so many bytes."""
    chunks, fed = Chunks(), 0
    chunks.feed(start)
    with suppress(Unreadable):
        while fed < 1 << 20:
            chunks.feed(more)
            fed += len(more)
    assert fed < 70_000


def test_the_smallest_chunks_are_no_attack() -> None:
    """However many there are."""
    chunks = Chunks()
    for _ in range(100):
        chunks.feed(b"1\r\na\r\n" * 1000)
    assert chunks.size == 100_000


def test_what_comes_behind_chunks_is_noticed() -> None:
    """For nobody can tell where it began."""
    for behind in (b"GET", b"\x00", b"x"):
        chunks = Chunks()
        assert chunks.feed(b"1\r\na\r\n0\r\n\r\n" + behind) == [b"a"]
        assert (chunks.done, chunks.lost) == (True, True)


def test_a_body_of_known_length() -> None:
    """Ends there; what comes behind it is kept."""
    body = Sized(3)
    assert (body.feed(b"ab"), body.done, body.feed(b"cde"), body.done, body.rest) == ([b"ab"], False, [b"c"], True, b"de")
    assert (Sized(0).done, Sized(None).done, Sized(None).feed(b"x")) == (True, False, [b"x"])


TEXT = b"hello " * 1000
_BARE = zlib.compressobj(wbits=-15)
PACKED = {
    "gzip": gzip.compress(TEXT),
    "GZip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "Deflate": _BARE.compress(TEXT) + _BARE.flush(),
}


@pytest.mark.parametrize("coding", PACKED)
def test_what_is_packed_is_unpacked(coding: str) -> None:
    """Also where a stream lacks the header that it should have; one byte more than the limit tells that it is too long."""
    assert is_packed(coding)
    assert unpacked(PACKED[coding], coding, len(TEXT)) == TEXT
    assert len(unpacked(PACKED[coding], coding, 100)) == 101


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: b"x" + raw, lambda raw: b""], ids=range(4))
def test_what_is_packed_wrongly(coding: str, change: object) -> None:
    """Cut off, with something behind, or not packed at all."""
    assert callable(change)
    with pytest.raises(Unreadable):
        unpacked(change(PACKED[coding]), coding, 1 << 20)


def test_unknown_codings_are_refused() -> None:
    """`identity` is none."""
    assert not is_packed("identity")
    for coding in ("br", "zstd", "gzip, gzip", "x-gzip"):
        with pytest.raises(Unreadable):
            unpacked(b"", coding, 10)


def test_llhttp_is_strict_by_default() -> None:
    """What is not checked here is refused there: a version that is not would be noticed by the tables above, and by this."""
    for raw in (b"GET / HTTP/1.1\r\na : b\r\n\r\n", b"GET / HTTP/1.1\r\na: b\n\r\n"):
        with pytest.raises(HttpParserError):
            HttpRequestParser(None).feed_data(raw)
