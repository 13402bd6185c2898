"""Sends the same request over some connections for some seconds and says how many answers came, and how fast."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Reads something and gives it back.",
            "parameters": {"type": "object", "properties": {"id": {"type": "integer"}, "path": {"type": "string"}}, "required": ["id"]},
        },
    }
    for name in ("read", "write", "search")
]
_BODY = {
    "model": "stub",
    "messages": [{"role": "system", "content": "You are a careful agent. " * 8}, {"role": "user", "content": "Read the notes."}],
    "tools": TOOLS,
}


def request(port: int, headers: Mapping[str, str], **more: object) -> bytes:
    """A request as bytes."""
    body = json.dumps({**_BODY, **more}).encode()
    given = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json", "Content-Length": len(body), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + body


class Client(asyncio.Protocol):
    """Asks again as soon as the answer is there."""

    def __init__(self, request: bytes, until: float, took: list[float]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.bad = 0
        self._request = request
        self._until = until
        self._took = took
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.bad += 1
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._data) < end + 4 + length:
            return
        now = time.perf_counter()
        self._took.append(now - self._began)
        self.bad += not head.startswith(b"http/1.1 200")
        self._data = b""
        if now < self._until:
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Load:
    """What came of it."""

    took: list[float]
    """How long each answer took, in milliseconds."""
    seconds: float
    bad: int
    """Answers that were none, and connections that broke."""


async def load(port: int, connections: int, seconds: float, headers: Mapping[str, str]) -> Load:
    """Asks over so many connections for so long, each of them again as soon as it has its answer."""
    asked = request(port, headers)
    took: list[float] = []
    began = time.perf_counter()
    made = [
        await asyncio.get_running_loop().create_connection(lambda: Client(asked, began + seconds, took), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for _, client in made))
    spent = time.perf_counter() - began
    return Load([one * 1000 for one in took], spent, sum(client.bad for _, client in made))
