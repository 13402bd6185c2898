"""An upstream that answers every request at once with the same bytes: one call of `read`. Run as a process of its own.

A request for a stream gets a first text at once and the rest a little later; one for the model `held` gets text for some seconds.

python -m tests.benchmarks.gateway.stub PORT
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

_CALL = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"id": 7, "path": "notes.txt"}'}}
_BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [_CALL]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
).encode()
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_LATER_SECONDS = 0.01
_HELD_SECONDS, _HELD_EVERY = 6.0, 0.25


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    data = json.dumps({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": [choice]})
    return _chunk(f"data: {data}\n\n".encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_FIRST = _event({"role": "assistant", "content": "Let me see. "})
_MORE = _event({"content": "word " * 40})
_REST = _event({"tool_calls": [{"index": 0, **_CALL}]}) + _event({}, "tool_calls") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Stub(asyncio.Protocol):
    """Takes requests with a Content-Length, one after the other."""

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            body = self._data[end + 4 : end + 4 + length]
            self._data = self._data[end + 4 + length :]
            if b'"stream": true' in body or b'"stream":true' in body:
                self._stream(_HELD_SECONDS if b'"held"' in body else 0.0)
            else:
                self._transport.write(_ANSWER)

    def _stream(self, held: float) -> None:
        loop = asyncio.get_running_loop()
        self._transport.write(_HEAD + _FIRST)
        for number in range(1, int(held / _HELD_EVERY)):
            loop.call_later(number * _HELD_EVERY, self._transport.write, _MORE)
        loop.call_later(held or _LATER_SECONDS, self._transport.write, _REST)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
