"""Streams: how soon the first text comes, and what many of them at once cost in memory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.gateway.load import request


async def first_text(port: int, times: int, headers: Mapping[str, str]) -> dict[str, float]:
    """How long the first text of a stream takes, in milliseconds, one stream after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked, took = request(port, headers, stream=True), []
    for _ in range(times):
        began = time.perf_counter()
        writer.write(asked)
        got = b""
        while b"Let me see" not in got:
            piece = await reader.read(65536)
            assert piece, got
            got += piece
        took.append((time.perf_counter() - began) * 1000)
        while not got.endswith(b"0\r\n\r\n"):
            got = (got + await reader.read(65536))[-4096:]
    writer.close()
    took.sort()
    return {"p50_ms": round(took[len(took) // 2], 3), "p99_ms": round(took[len(took) * 99 // 100], 3)}


def resident(pid: int) -> float:
    """The memory of a process, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def memory(port: int, pid: int, streams: int, headers: Mapping[str, str]) -> dict[str, float]:
    """The memory of a process before, and while many streams are open."""
    before = resident(pid)
    opened = await asyncio.gather(*(_opened(port, headers) for _ in range(streams)))
    during = resident(pid)
    for one in opened:
        one.close()
    return {"before_mib": round(before, 1), "during_mib": round(during, 1), "kib_per_stream": round((during - before) * 1024 / streams, 1)}


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
