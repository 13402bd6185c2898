"""How soon the first of an answer comes, and what many streams at once cost in memory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.gateway.load import request


async def first_bytes(port: int, times: int, headers: Mapping[str, str], *, stream: bool) -> list[float]:
    """How long the first text of a stream takes, or the first byte of a whole answer, in ms, one request after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked, took = request(port, headers, **({"stream": True} if stream else {})), []
    for _ in range(times):
        began = time.perf_counter()
        writer.write(asked)
        got = b""
        while not got or (stream and b"Let me see" not in got):
            piece = await reader.read(65536)
            assert piece, got
            got += piece
        took.append((time.perf_counter() - began) * 1000)
        await (_rest_of_stream(reader, got) if stream else _rest_of_body(reader, got))
    writer.close()
    return took


async def _rest_of_stream(reader: asyncio.StreamReader, got: bytes) -> None:
    while not got.endswith(b"0\r\n\r\n"):
        got = (got + await reader.read(65536))[-4096:]


async def _rest_of_body(reader: asyncio.StreamReader, got: bytes) -> None:
    while b"\r\n\r\n" not in got:
        got += await reader.read(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length - len(body))


def resident(pid: int) -> float:
    """The memory of a process, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def memory(port: int, pid: int, streams: int, headers: Mapping[str, str]) -> tuple[float, float]:
    """The memory of a process in MiB while many streams are open, and how many KiB that is for each of them."""
    before = resident(pid)
    opened = await asyncio.gather(*(_opened(port, headers) for _ in range(streams)))
    during = resident(pid)
    for one in opened:
        one.close()
    return round(during, 1), round((during - before) * 1024 / streams, 1)


async def _opened(port: int, headers: Mapping[str, str]) -> asyncio.StreamWriter:
    """A stream that has begun and goes on; some of it is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(port, headers, stream=True, model="held"))
    got = b""
    while b"word" not in got:
        piece = await reader.read(65536)
        assert piece, json.dumps(got.decode())
        got += piece
    return writer
