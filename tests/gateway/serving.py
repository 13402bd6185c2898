"""A gateway on loopback in front of a scripted upstream, and short ways to speak to it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from agentgate.clock import steady_clock
from agentgate.core.events import Json, Mode
from agentgate.core.policy import Policy
from agentgate.gateway.app import Gateway
from agentgate.gateway.judging import Bench
from agentgate.gateway.server import Setup, loops, reload, running
from agentgate.gateway.settings import settings
from agentgate.gateway.store import open_store
from agentgate.gateway.tracing import NoTraces, Traces
from tests.core.building import policy, rule
from tests.gateway.judged import bench
from tests.scripted_server import Answer, ScriptedServer

KEY = "k" * 24
STORY = policy(rule("allow", "read"), rule("ask", "send"))


class Response(Struct):
    """What a client got."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> Any:
        return self.body["error"]


class Client:
    """Speaks to a gateway on this machine."""

    port: int

    @property
    def url(self) -> str:
        """What goes into `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def send(self, method: str, path: str, body: Json = None, headers: Mapping[str, str] | None = None) -> Response:
        """One request; bytes go as they are, other values as JSON."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, raw, {"content-type": "application/json", **(headers or {})})
            got = connection.getresponse()
            return Response(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        finally:
            connection.close()

    def ask(
        self, tools: Sequence[str] = ("read", "send", "delete"), *, text: str = "do it", session: str | None = None, **more: Json
    ) -> Response:
        """A request of Chat Completions that offers these tools."""
        headers = more.pop("headers", {}) | ({"x-agentgate-session": session} if session else {})
        body = {"model": "m", "messages": [{"role": "user", "content": text}], "tools": [function(name) for name in tools], **more}
        return self.send("POST", "/v1/chat/completions", body, headers)

    def events(self, query: str = "", key: str = KEY) -> list[dict[str, Any]]:
        """The events, newest first."""
        got = self.send("GET", f"/v1/events{query}", headers={"authorization": f"Bearer {key}"})
        assert got.status == 200, got.raw
        events: list[dict[str, Any]] = got.body["events"]
        return events


class Served(Client):
    """Runs a gateway in a thread while it is entered."""

    def __init__(
        self,
        folder: Path,
        upstream: ScriptedServer | str,
        on: Policy | Callable[[], Bench] = STORY,
        *,
        mode: Mode = Mode.ENFORCE,
        role: str | None = None,
        environ: Mapping[str, str] | None = None,
        store: str | None = None,
        clock: Callable[[], datetime] | None = None,
        traces: Callable[[], Traces] = NoTraces,
        **options: Any,
    ) -> None:
        """Prepares it.

        Args:
            folder: where the store is.
            upstream: the scripted server, or a base URL.
            on: the policy, or what loads it.
            mode: of the gateway.
            role: of the gateway.
            environ: where keys are.
            store: the address of a database, in place of a file in the folder.
            clock: the time; the real one by default.
            traces: who is told of requests; nobody by default.
            options: see `settings`.
        """
        url = upstream if isinstance(upstream, str) else upstream.url
        self.said: list[str] = []
        now = clock or steady_clock()
        self._setup = Setup(
            settings=settings(upstream=url, environ=environ or {}, port=0, **options),
            load=(lambda: bench(on, mode, role, now)) if isinstance(on, Policy) else on,
            open_store=lambda: open_store(store or folder / "gateway.db", now),
            open_traces=traces,
            say=self.said.append,
        )
        self.port = 0
        self.gateway: Gateway | None = None
        self._loop = (loops() or asyncio.new_event_loop)()  # that of `agentgate serve`
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        assert self.port, "the gateway did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def reload(self) -> None:
        """Reads the policy again, as SIGHUP does."""
        assert self.gateway is not None
        asyncio.run_coroutine_threadsafe(reload(self.gateway, self._setup), self._loop).result(10)

    def _run(self) -> None:
        async def main() -> None:
            self._stop = asyncio.Event()
            async with running(self._setup) as (self.gateway, self.port):
                self._ready.set()
                await self._stop.wait()

        try:
            self._loop.run_until_complete(main())
        finally:
            self._loop.close()
            self._ready.set()


def function(name: str) -> dict[str, Json]:
    """A tool that takes anything."""
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "additionalProperties": True}}}


def sse(*deltas: Mapping[str, Any], finish: str = "stop", usage: Json = None, done: bool = True) -> Answer:
    """A streamed answer of these deltas."""
    about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    parts: list[Any] = [{**about, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    parts.append({**about, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage is not None:
        parts.append({**about, "choices": [], "usage": usage})
    text = "".join(f"data: {json.dumps(part)}\n\n" for part in parts)
    return Answer(body=(text + ("data: [DONE]\n\n" if done else "")).encode(), headers={"content-type": "text/event-stream"})


def call_delta(name: str, arguments: str = "{}", *, id: str = "call_1", index: int = 0) -> dict[str, Any]:
    """A whole call in one delta."""
    return {"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]}
