"""The server's side of the wire: order, ends, limits and waiting, on real sockets, or read by read where it matters how bytes are cut."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.gateway.http.parsing import LONGEST_HEAD
from agentgate.gateway.settings import Patience
from tests.gateway.raw_http import LIMIT, Talk, answered, run

HOST = b"Host: h\r\n"
GET = b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /p HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: t\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
SLOW, SLOW_BODY, SLOW_READER = Patience(idle=0.1), Patience(body=0.1), Patience(client=0.1)


def said(got: bytes) -> list[tuple[int, bytes]]:
    """The answers in some bytes, each with its body."""
    found = []
    while got:
        head, _, got = got.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        length = re.search(rb"content-length: (\d+)", head)
        size = int(length[1]) if length else 0
        found.append((status, got[:size]))
        got = got[size:]
    return found


def talk(data: bytes, patience: Patience | None = None) -> bytes:
    """What comes back for some bytes until the connection ends."""
    got = b""

    async def check() -> None:
        nonlocal got
        async with Talk(patience) as one:
            got = await one.say(data)

    run(check)
    return got


@pytest.mark.parametrize("begun", [b"\x16\x03\x01", b"\r\n", b" GET", b"get"], ids=["tls", "line", "space", "lower"])
def test_what_cannot_become_a_request_is_refused_at_once(begun: bytes) -> None:
    """Nobody waits for the rest of it."""

    async def check() -> None:
        got, wire, _ = await answered([begun])
        assert said(got) == [(400, b"unreadable")]
        assert wire.ended

    run(check)


def cut(data: bytes, cuts: set[int]) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]


@settings(max_examples=60)
@given(data=st.data())
def test_requests_are_read_alike_however_they_are_cut(data: st.DataObject) -> None:
    """One behind the other, with bodies of both kinds."""
    sent = GET + POST + GET + CHUNKED
    cuts, at_once = data.draw(st.sets(st.integers(1, len(sent) - 1))), data.draw(st.booleans())

    async def check() -> None:
        got, wire, app = await answered(cut(sent, cuts), at_once=at_once)
        assert said(got) == [(200, b"GET /a  "), (200, b"POST /p  hello"), (200, b"GET /a  "), (200, b"POST /c  hello")]
        assert (wire.closed, wire.ended, wire.paused) == (False, False, False)
        assert [head.headers for head in app.heads if head.method == "GET"] == [{"host": "h"}] * 2

    run(check)


@settings(max_examples=60)
@given(data=st.data())
def test_what_is_no_request_is_refused_however_it_is_cut(data: st.DataObject) -> None:
    """After the answers to what came before it; nothing behind it is read."""
    bad = data.draw(st.sampled_from([b"GET  /a HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"POST / HTTP/1.1\r\na : b\r\n\r\n", b"\r\n\r\n"]))
    sent = POST + bad + GET
    cuts, at_once = data.draw(st.sets(st.integers(1, len(sent) - 1))), data.draw(st.booleans())

    async def check() -> None:
        got, wire, app = await answered(cut(sent, cuts), at_once=at_once)
        assert [status for status, _ in said(got)] == [200, 400]
        assert wire.ended
        assert len(app.heads) == 1

    run(check)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (GET, True),
        (GET.replace(b"1.1", b"1.0"), False),
        (GET.replace(b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n"), True),
        (GET.replace(b"1.1\r\n", b"1.1\r\nConnection: close\r\n"), False),
    ],
    ids=["new", "old", "old-kept", "closed"],
)
def test_a_connection_goes_on_as_the_client_wishes(data: bytes, kept: bool) -> None:
    """And is told so where it would not expect it."""
    got = talk(data + LAST)
    assert [status for status, _ in said(got)] == [200, 200][: 1 + kept]
    first = got.partition(b"\r\n\r\n")[0]
    assert (b"connection: close" in first) is not kept
    assert (b"connection: keep-alive" in first) is (kept and b"1.0" in data)


def test_a_head_alone_is_wanted() -> None:
    """An answer to HEAD has the length of its body, and no body."""
    got = talk(GET.replace(b"GET", b"HEAD") + LAST)
    assert got.count(b"HTTP/1.1 200") == 2
    assert got.startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n")
    assert got.partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1")
    assert talk(GET.replace(b"GET", b"HEAD") + b"what?").endswith(b"unreadable")


def test_what_every_answer_says() -> None:
    """Who answers, without telling what it is made of, and when."""
    head = talk(LAST).partition(b"\r\n\r\n")[0]
    assert re.search(rb"\r\nserver: test\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", head)


@pytest.mark.parametrize(
    ("version", "framed"),
    [(b"1.1", b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"), (b"1.0", b"one two")],
    ids=["chunks", "until-the-end"],
)
def test_a_stream(version: bytes, framed: bytes) -> None:
    """In chunks, or until the end of the connection for clients that do not know them; nothing to send is no end."""
    got = talk(b"GET /stream HTTP/%b\r\nHost: h\r\nConnection: %b\r\n\r\n" % (version, b"close" if version == b"1.1" else b"keep-alive"))
    assert b"connection: close" in got
    assert got.endswith(b"\r\n\r\n" + framed)


@pytest.mark.parametrize("path", [b"/twice", b"/wrong"])
def test_a_mistake_ends_the_connection(path: bytes) -> None:
    """An answer in the midst of another would be taken for a part of it."""
    got = talk(GET.replace(b"/a", path) + LAST)
    assert b"behind" not in got
    assert b"0\r\n\r\n" not in got
    assert b"/last" not in got


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    """`Expect: 100-continue`, where it may; a body that is refused is never sent."""

    async def check() -> None:
        async with Talk() as one:
            head = b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: %d\r\n\r\n"
            one.writer.write(head % 5)
            assert await one.reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            one.writer.write(b"hello")
            assert (await one.reader.readuntil(b"POST /p  hello")).startswith(b"HTTP/1.1 200")
            assert said(await one.say(head % (LIMIT + 1))) == [(413, b"too long")]

    run(check)


LONG = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1)
IN_CHUNKS = b"POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "more", "status"),
    [
        (b"GET /a HTTP/1.1\r\nX: ", b"x" * 1000, 400),
        (b"GET /", b"x" * 1000, 400),
        (b"G", b"E" * 1000, 400),
        (b"GET /a HTTP/1.1\r\n", b"X: y\r\n" * 100, 400),
        (b"\n", b"\n" * 1000, 400),
        (IN_CHUNKS + b"1;", b"x" * 1000, 400),
        (IN_CHUNKS + b"0\r\n", b"X: y\r\n" * 100, 400),
        (IN_CHUNKS + b"0\r\nX: ", b"x" * 1000, 400),
        (IN_CHUNKS, b"3e8\r\n%b\r\n" % (b"x" * 1000), 413),
        (LONG, b"x" * 1000, 413),
    ],
    ids=["header", "target", "method", "headers", "lines", "extension", "trailers", "trailer", "chunks", "length"],
)
def test_nothing_is_taken_without_end(start: bytes, more: bytes, status: int) -> None:
    """Whatever a client sends too much of is refused after so many bytes, and no more of it is kept."""

    async def check() -> None:
        got, wire, app = await answered([start, *[more] * 3000])
        assert [found for found, _ in said(got)] == [status]
        assert wire.ended
        assert not app.bodies

    run(check)


def test_requests_ahead_are_held_back() -> None:
    """While one is answered the connection is not read without end, and what was read is answered in order."""

    async def check() -> None:
        many = 3000
        got, wire, _ = await answered([GET] * many)
        assert said(got) == [(200, b"GET /a  ")] * many
        assert not wire.paused
        async with Talk() as one:
            one.writer.write(GET.replace(b"/a", b"/wait"))
            await one.app.waiting.wait()
            (connection,) = one.server._connections
            while connection._transport.is_reading():
                one.writer.write(GET * 1000)
                await asyncio.sleep(0)
            assert len(connection._rest) < 1 << 20
            assert len(one.app.heads) == 1
            one.writer.transport.abort()

    run(check)


def test_a_refused_client_sees_why() -> None:
    """Also one that sends on and on before it reads: what it sends is thrown away for a while."""
    got = talk(LONG + bytes(LIMIT + 1))
    assert said(got) == [(413, b"too long")]
    assert b"connection: close" in got


def test_a_refused_request_takes_nothing_from_others() -> None:
    """Where it came whole, the connection goes on."""
    assert [status for status, _ in said(talk(POST.replace(b"/p", b"/nothing") + GET + LAST))] == [404, 200, 200]
    assert [status for status, _ in said(talk(LONG.replace(b"/p", b"/nothing") + GET))] == [404]


@pytest.mark.parametrize(
    ("begun", "statuses"),
    [(b"", []), (b"GET /", []), (GET, [200]), (GET + b"GET /", [200]), (POST[:-1], [408]), (IN_CHUNKS + b"5\r\nhel", [408])],
    ids=["silent", "head", "next", "next-head", "body", "chunks"],
)
def test_nobody_is_waited_for_without_end(begun: bytes, statuses: list[int]) -> None:
    """Neither for a request nor for its body."""
    patience = SLOW_BODY if 408 in statuses else SLOW
    assert [status for status, _ in said(talk(begun, patience))] == statuses


def test_a_client_that_does_not_read_is_given_up() -> None:
    """A whole answer that it does not take ends with its connection."""

    async def check() -> None:
        async with Talk(SLOW_READER) as one:
            sock = socket.create_connection(("127.0.0.1", one.port))
            try:
                sock.sendall(GET.replace(b"/a", b"/long"))
                while len(one.server._connections) > 1 or not one.app.bodies:
                    await asyncio.sleep(0)
            finally:
                sock.close()

    run(check)


def test_a_stream_waits_for_its_client() -> None:
    """What a client does not take is not made."""

    async def check() -> None:
        async with Talk() as one:
            one.writer.write(GET.replace(b"/a", b"/endless"))
            await one.reader.readuntil(b"one ")
            (connection,) = one.server._connections
            while connection._outlet.taken is None:
                await asyncio.sleep(0)
            size = connection._transport.get_write_buffer_size()
            for _ in range(100):
                await asyncio.sleep(0)
            assert connection._transport.get_write_buffer_size() <= size
            one.writer.transport.abort()
            while one.server._connections:
                await asyncio.sleep(0)

    run(check)


def test_a_client_that_goes_ends_the_answer() -> None:
    """Nobody works for a client that has gone."""

    async def check() -> None:
        async with Talk() as one:
            one.writer.write(GET.replace(b"/a", b"/wait"))
            await one.app.waiting.wait()
            one.writer.transport.abort()
            await one.app.cancelled.wait()

    run(check)


@pytest.mark.parametrize(
    ("path", "wanted"), [(b"/wait", b"GET /wait  "), (b"/begun", b"\r\n4\r\none \r\n0\r\n\r\n")], ids=["whole", "stream"]
)
def test_the_end_waits_for_what_was_begun(path: bytes, wanted: bytes) -> None:
    """An answer on its way is finished and is the last; idle connections end at once; nobody new is taken."""

    async def check() -> None:
        async with Talk() as one:
            idle, _writer = await asyncio.open_connection("127.0.0.1", one.port)
            one.writer.write(GET.replace(b"/a", path) + GET)
            await one.app.waiting.wait()
            closing = asyncio.create_task(one.server.close(5.0))
            assert await idle.read() == b""
            _writer.close()
            with pytest.raises(OSError, match=r".*"):
                await asyncio.open_connection("127.0.0.1", one.port)
            one.app.go_on.set()
            got = await one.reader.read()
            one.writer.close()
            await closing
            assert got.endswith(wanted)
            assert got.count(b"HTTP/1.1") == 1
            assert (b"connection: close" in got) is (path == b"/wait")

    run(check)


def test_the_end_does_not_wait_for_ever() -> None:
    """What is not finished in time is broken off, and its task has ended then."""

    async def check() -> None:
        async with Talk() as one:
            one.writer.write(GET.replace(b"/a", b"/wait"))
            await one.app.waiting.wait()
            await one.server.close(0.05)
            assert one.app.cancelled.is_set()
            with suppress(ConnectionError):
                assert await one.reader.read() == b""

    run(check)


def test_a_request_that_never_comes_whole_does_not_hold_up_the_end() -> None:
    """Its connection is broken off like one with an answer that never ends."""

    async def check() -> None:
        async with Talk() as one:
            one.writer.write(POST[:-1])
            while not one.app.heads:
                await asyncio.sleep(0)
            await one.server.close(0.05)
            with suppress(ConnectionError):
                assert await one.reader.read() == b""
            assert not one.app.bodies

    run(check)


def test_what_comes_right_behind_chunks_is_asked_for_again() -> None:
    """Nobody can tell where it began: the answer says that it was the last, and the client has to connect anew for the rest."""

    async def check() -> None:
        got, wire, app = await answered([CHUNKED + GET])
        assert said(got) == [(200, b"POST /c  hello")]
        assert b"connection: close" in got
        assert wire.ended
        assert len(app.heads) == 1

    run(check)


def test_a_head_of_the_longest_size_is_read() -> None:
    """However it is cut, the same one is."""
    line, start = b"X: " + b"y" * 8000 + b"\r\n", b"GET /a HTTP/1.1\r\n" + HOST
    head = start + line * ((LONGEST_HEAD - len(start) - 8) // len(line))
    head += b"Z: " + b"z" * (LONGEST_HEAD - len(head) - 7) + b"\r\n\r\n"
    assert len(head) == LONGEST_HEAD

    async def check() -> None:
        for size in (LONGEST_HEAD, 1 << 12, LONGEST_HEAD - 1):
            for more, status in ((b"", 200), (b"z", 400)):
                data = head[:-4] + more + head[-4:]
                got, _, _ = await answered([data[at : at + size] for at in range(0, len(data), size)])
                assert [found for found, _ in said(got)] == [status]

    run(check)
