"""An OpenAI server on loopback that answers by a script: Chat Completions, Responses, or whatever bytes a test wants.

with ScriptedServer(chat(calls=[call("customer_db", {"action": "read"})]), chat("done")) as server:
    ...  # point a client at server.url
server.requests[0].body["messages"]
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
RESPONSES_USAGE = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True)
class Answer:
    """What the server does with one request."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    """Says nothing until the client goes away or the server closes."""
    cut_at: int | None = None
    """Sends only so many bytes of the body, then breaks off; 0 breaks off before the status line."""


Script = Answer | Callable[[Request], Answer]


class ScriptedServer:
    """Serves on a free port of 127.0.0.1 while it is entered. Answers are used up in order; with none left it answers 500."""

    def __init__(self, *script: Script) -> None:
        self.requests: list[Request] = []
        self._script = list(script)
        self._arrived = threading.Semaphore(0)
        self._left = threading.Semaphore(0)
        self._connections: set[socket.socket] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """What goes into `base_url`."""
        return f"http://{self.address}/v1"

    def add(self, *script: Script) -> None:
        """Puts more answers at the end of the script."""
        self._script += script

    def wait_for_request(self) -> None:
        """Returns once another request has come in; call it once for each."""
        assert self._arrived.acquire(timeout=10), "no request came"

    def wait_for_hangup(self) -> None:
        """Returns once a client that was left hanging has closed its connection."""
        assert self._left.acquire(timeout=10), "the client is still there"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, request: Request) -> Answer:
        """What to do with a request. Called by the server's threads."""
        self.requests.append(request)
        step = self._script.pop(0) if self._script else error(500, "the script has no more answers", {"x-should-retry": "false"})
        self._arrived.release()
        return step if isinstance(step, Answer) else step(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                server._connections.add(self.connection)

            def finish(self) -> None:
                server._connections.discard(self.connection)
                with suppress(OSError):
                    super().finish()

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = server.answer(Request(self.command, self.path, headers, raw))
                with suppress(OSError):
                    self._send(answer)

            do_GET = do_POST  # noqa: N815 - the name that http.server looks for

            def _send(self, answer: Answer) -> None:
                if answer.hang:
                    self.rfile.read(1)
                    server._left.release()
                if answer.hang or answer.cut_at == 0:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body[: answer.cut_at])
                self.close_connection |= answer.cut_at is not None

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def call(name: str, arguments: Mapping[str, Any] | str | None = None, *, id: str = "call_1") -> dict[str, Any]:
    """A tool call in Chat Completions form."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return {"id": id, "type": "function", "function": {"name": name, "arguments": text}}


def chat(
    content: str | None = None,
    *,
    calls: Sequence[Mapping[str, Any]] = (),
    finish_reason: str | None = None,
    usage: Mapping[str, Any] | None = USAGE,
    message: Mapping[str, Any] | None = None,
) -> Answer:
    """An answer of Chat Completions. `message` adds fields to the assistant message."""
    said: dict[str, Any] = {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {}), **(message or {})}
    choice = {"index": 0, "message": said, "finish_reason": finish_reason or ("tool_calls" if calls else "stop")}
    return body({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted", "choices": [choice], "usage": usage})


def responses(
    *output: Mapping[str, Any], status: str = "completed", usage: Mapping[str, Any] | None = RESPONSES_USAGE, **more: Any
) -> Answer:
    """An answer of the Responses API with these output items."""
    return body(
        {"id": "resp_1", "object": "response", "status": status, "model": "scripted", "output": list(output), "usage": usage, **more}
    )


def text_item(text: str) -> dict[str, Any]:
    """A message as an output item of the Responses API."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def call_item(name: str, arguments: Mapping[str, Any] | str | None = None, *, id: str = "call_1") -> dict[str, Any]:
    """A tool call as an output item of the Responses API."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return {"type": "function_call", "id": "fc_1", "call_id": id, "name": name, "arguments": text, "status": "completed"}


def body(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Any JSON value; bytes go as they are."""
    return Answer(body=value if isinstance(value, bytes) else json.dumps(value).encode(), status=status, headers=headers or {})


def error(status: int, message: str, headers: Mapping[str, str] | None = None, **fields: Any) -> Answer:
    """An error in OpenAI's form, for instance with `code` and `param`. A client that retries it does so at once."""
    report = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **fields}}
    return body(report, status=status, headers={"retry-after-ms": "1", **(headers or {})})


def hang() -> Answer:
    """No answer at all, with the connection held open."""
    return Answer(hang=True)


def disconnect() -> Answer:
    """The connection is closed without an answer."""
    return Answer(cut_at=0)
