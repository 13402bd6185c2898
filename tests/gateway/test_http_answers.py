"""Answers of the upstream as bytes: they end where they end, however they are cut, and what is cut off or not understood is no answer."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.gateway.http.client_connection import BrokenOff, Connection
from agentgate.gateway.http.incoming import Incoming, TooLong
from agentgate.gateway.http.messages import Unreadable
from tests.gateway.raw_http import Wire, run


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


CHUNKED = head("Transfer-Encoding: chunked") + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: t\r\n\r\n"
HINTS = head("Link: x", status="103 Early Hints")
PACKED = gzip.compress(b"hello")
SOUND = {
    "length": head("Content-Length: 5") + b"hello",
    "chunks": CHUNKED,
    "until-the-end": head("X: y") + b"hello",
    "hints": HINTS + HINTS + CHUNKED,
    "gzip": head(f"Content-Length: {len(PACKED)}", "Content-Encoding: gzip") + PACKED,
    "deflate": head("Content-Encoding: deflate") + zlib.compress(b"hello"),
    "identity": head("Content-Length: 5", "Content-Encoding: identity") + b"hello",
}
BROKEN = {
    "nothing": b"",
    "half-a-head": head("Content-Length: 5")[:-2],
    "hints-alone": HINTS,
    "short": head("Content-Length: 6") + b"hello",
    "no-last-chunk": CHUNKED[:-2],
    "no-chunk": head("Transfer-Encoding: chunked") + b"x",
    "no-http": b"HELLO 200 OK\r\n\r\nhello",
    "another-protocol": head("Upgrade: x", "Connection: upgrade", status="101 Other") + b"hello",
    "two-lengths": head("Content-Length: 5", "Content-Length: 5") + b"hello",
    "length-and-chunks": head("Content-Length: 5", "Transfer-Encoding: chunked") + b"hello",
    "unknown-transfer": head("Transfer-Encoding: gzip") + b"hello",
    "unknown-packing": head("Content-Length: 5", "Content-Encoding: br") + b"hello",
    "not-packed": head("Content-Length: 5", "Content-Encoding: gzip") + b"hello",
    "packed-and-cut": head(f"Content-Length: {len(PACKED) - 1}", "Content-Encoding: gzip") + PACKED[:-1],
    "packed-and-more": head(f"Content-Length: {len(PACKED) + 1}", "Content-Encoding: gzip") + PACKED + b"x",
    "endless-hints": HINTS * 4000,
    "endless-header": head(f"X: {'y' * (1 << 17)}"),
}


async def received(pieces: list[bytes]) -> bytes:
    """The body of an answer that comes in these reads, before the server ends the connection."""
    connection = Connection()
    connection.connection_made(Wire())
    asking = asyncio.create_task(connection.ask(b"GET / HTTP/1.1\r\n\r\n", b""))
    await asyncio.sleep(0)
    for piece in pieces:
        if not connection.lost:
            connection.data_received(piece)
    connection.eof_received()
    connection.connection_lost(None)
    try:
        with Incoming(connection, await asking, lambda connection: None) as incoming:
            return await incoming.read(100)
    except Unreadable:
        raise BrokenOff from None


def cut(data: bytes, cuts: set[int]) -> list[bytes]:
    return [data[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(data)])]


@pytest.mark.parametrize("name", SOUND)
@settings(max_examples=30)
@given(data=st.data())
def test_an_answer_is_read_alike_however_it_is_cut(name: str, data: st.DataObject) -> None:
    """Its end is where it says, or where the connection ends."""
    raw = SOUND[name]
    cuts = data.draw(st.sets(st.integers(1, len(raw) - 1)))

    async def check() -> None:
        assert await received(cut(raw, cuts)) == b"hello"

    run(check)


@pytest.mark.parametrize("name", BROKEN)
@settings(max_examples=10)
@given(data=st.data())
def test_an_answer_that_is_none_is_none_however_it_is_cut(name: str, data: st.DataObject) -> None:
    """Cut off, or not understood: nothing of it counts."""
    raw = BROKEN[name]
    cuts = data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=20)) if raw else set()

    async def check() -> None:
        with pytest.raises(BrokenOff):
            await received(cut(raw, cuts) if raw else [])

    run(check)


def test_a_connection_is_free_between_an_answer_and_its_end() -> None:
    """Once all was read, and until the server says that it sends no more."""

    async def check() -> None:
        connection = Connection()
        connection.connection_made(Wire())
        asking = asyncio.create_task(connection.ask(b"", b""))
        await asyncio.sleep(0)
        free = []
        for data in (head("Content-Length: 2"), b"o", b"k"):
            connection.data_received(data)
            free.append(connection.is_free())
        await asking
        assert connection.whole() == b"ok"
        free.append(connection.is_free())
        connection.eof_received()
        assert [*free, connection.is_free()] == [False, False, False, True, False]

    run(check)


def test_an_answer_has_a_longest_size() -> None:
    """Announced or not, packed or not."""

    async def check() -> None:
        bomb = zlib.compress(bytes(1 << 26))
        for raw in (head("Content-Length: 101") + bytes(101), head() + bytes(101), head("Content-Encoding: deflate") + bomb):
            with pytest.raises(TooLong):
                await received([raw])

    run(check)


@pytest.mark.parametrize("more", [b"y" * 1000, HINTS], ids=["header", "hints"])
def test_a_head_is_not_taken_without_end(more: bytes) -> None:
    """However many heads it consists of."""

    async def check() -> None:
        connection = Connection()
        connection.connection_made(Wire())
        asking = asyncio.create_task(connection.ask(b"", b""))
        await asyncio.sleep(0)
        taken = 0
        connection.data_received(HINTS + b"HTTP/1.1 200 OK\r\nX: " if more != HINTS else HINTS)
        while not connection.lost:
            connection.data_received(more)
            taken += len(more)
        assert taken < 70_000
        with pytest.raises(BrokenOff):
            await asking

    run(check)


def test_an_answer_that_nobody_reads_is_not_taken() -> None:
    """The connection is read again once somebody does."""

    async def check() -> None:
        connection, wire = Connection(), Wire()
        connection.connection_made(wire)
        asking = asyncio.create_task(connection.ask(b"", b""))
        await asyncio.sleep(0)
        connection.data_received(head())
        await asking
        taken = 0
        while not wire.paused:
            connection.data_received(bytes(65536))
            taken += 65536
        assert taken < 1 << 20
        assert len(await connection.piece()) == taken
        assert not wire.paused

    run(check)
