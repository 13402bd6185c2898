"""The official client, held to what agentgate needs: one key for one address, bounded in time and size, and it can be cut short."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from agentgate.core.events import Json
from agentgate.errors import ModelError, UsageError
from agentgate.models.failures import Target, explain, given_up, packed, timed_out, too_long
from agentgate.models.replies import MAX_ANSWER_BYTES
from agentgate.task import ModelSettings

DEFAULT_URL = "https://api.openai.com/v1"

_CONNECT_SECONDS = 10.0
_NO_KEY = "none"
"""What is sent as key to a server on this machine that needs none; the client insists on one."""


Endpoint = Callable[[openai.OpenAI], Any]
"""Finds the part of the client that has the wanted `create`."""


class Connection:
    """One server, asked one thing at a time. A request runs in a thread of its own, so that nothing in it can outlast its time."""

    def __init__(self, settings: ModelSettings, environ: Mapping[str, str], *, timeout: float, max_retries: int) -> None:
        """Reads the key and prepares the client; nothing is sent yet.

        Args:
            settings: whom to ask; `base_url` or the variable `OPENAI_BASE_URL` or OpenAI itself.
            environ: where the key is.
            timeout: seconds for one request with all its retries.
            max_retries: how often the client asks again after 408, 409, 429, 5xx and broken connections.

        Raises:
            UsageError: there is no model name, or the address is none.
            ModelError: there is no key.
        """
        if not settings.name:
            raise UsageError(
                f"`{settings.provider}` needs the name of a model", help=f"say for instance `{settings.provider}:gpt-4.1-mini`"
            )
        url = settings.base_url or environ.get("OPENAI_BASE_URL") or DEFAULT_URL
        local = _check_url(url)
        key = _read_key(settings, environ, needed=not local)
        self._target = Target(url=url.rstrip("/"), model=settings.name, key_env=settings.api_key_env, key=key, timeout=timeout)
        self._answers: SimpleQueue[bytes | Exception] = SimpleQueue()
        self._lock = threading.RLock()
        self._busy = self._closed = False
        self._socket: socket.socket | None = None
        times = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
        self._client = openai.OpenAI(
            api_key=key or _NO_KEY,
            base_url=url,
            max_retries=max_retries,
            timeout=times,
            default_headers={"Accept-Encoding": "identity"},
            http_client=openai.DefaultHttpxClient(
                follow_redirects=False,
                timeout=times,
                transport=httpx2.HTTPTransport() if local else None,  # a transport of its own keeps proxies out of the way to this machine
                event_hooks={"request": [self._sending], "response": [self._receiving]},
            ),
        )

    def post(self, endpoint: Endpoint, body: Mapping[str, Json]) -> bytes:
        """Sends a request and waits for the bytes of the whole answer.

        Raises:
            Refused: the server does not accept the request as it stands.
            ModelError: it failed in any other way, or was given up by `close`.
        """
        with self._lock:
            if self._closed:
                raise given_up(self._target)
            self._busy = True
        threading.Thread(target=self._work, args=(endpoint, body), name="agentgate-model", daemon=True).start()
        try:
            answer = self._answers.get(timeout=self._target.timeout)
        except Empty:
            self.close()
            raise timed_out(self._target) from None
        except BaseException:
            self.close()
            raise
        if isinstance(answer, Exception):
            raise explain(answer, self._target) from None
        return answer

    def close(self) -> None:
        """Ends the connection, and a request that is under way with it. Safe to call twice and from any thread."""
        with self._lock:
            self._closed = True
            busy, connected = self._busy, self._socket
        if not busy:
            self._client.close()
            return
        self._answers.put(given_up(self._target))
        if connected is not None:
            # Closing a socket does not wake the thread that reads from it; shutting it down does. The plain method on purpose:
            # that of a TLS socket takes its state away from under the reader.
            with suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def _work(self, endpoint: Endpoint, body: Mapping[str, Json]) -> None:
        answer: bytes | Exception
        try:
            answer = endpoint(self._client).with_raw_response.create(**body).content
        except Exception as error:
            answer = error
        with self._lock:
            self._busy = False
            closed = self._closed
        if closed:
            self._client.close()
        self._answers.put(answer)

    def _sending(self, request: httpx2.Request) -> None:
        """Before each try: no more of them once closed."""
        if self._closed:
            raise given_up(self._target)
        request.extensions["trace"] = self._traced

    def _traced(self, event: str, info: Mapping[str, Json]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
            if self._closed:
                raise given_up(self._target)

    def _receiving(self, response: httpx2.Response) -> None:
        coding = response.headers.get("content-encoding", "identity")
        if coding != "identity":
            raise packed(self._target, coding)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Bounded(response.stream, self._target)


class _Bounded(httpx2.SyncByteStream):
    """A body that fails when it grows too long."""

    def __init__(self, stream: httpx2.SyncByteStream, target: Target) -> None:
        self._stream = stream
        self._target = target

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise too_long(self._target, MAX_ANSWER_BYTES)
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _check_url(url: str) -> bool:
    """Whether the address is on this machine.

    Raises:
        UsageError: it is no address of a server.
    """
    if any(mark in url for mark in "@?#"):
        raise UsageError("`base_url` holds more than an address", help="the key belongs into the environment; see `api_key_env`")
    try:
        httpx2.URL(url)
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None  # looking at the port checks it
    except (ValueError, httpx2.InvalidURL):
        host = None
    if not host or parts.scheme not in ("http", "https") or " " in url:
        raise UsageError(f"`{url}` is not the address of a server", help="for instance `http://localhost:11434/v1`")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _read_key(settings: ModelSettings, environ: Mapping[str, str], *, needed: bool) -> str | None:
    name = settings.api_key_env
    key = environ.get(name)
    if not key:
        if not needed:
            return None
        own = "; a server that needs no key takes any" if settings.base_url else ""
        raise ModelError(f"`{name}` is not set", help=f"set it, or use `--model recorded`{own}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ModelError(f"`{name}` holds characters that no key has", help="set it again, without spaces and line breaks")
    return key
