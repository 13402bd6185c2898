"""Asks a server: one POST with the question, whose answer must come with status 200, from that very address, and in time."""

from __future__ import annotations

import ipaddress
import threading
import time
from urllib.parse import urlsplit

import httpx2

from agentgate.approvers.messages import MAX_ANSWER
from agentgate.approvers.remote import Failed
from agentgate.errors import UsageError

_CONNECT_SECONDS = 10.0
_LOOK_EVERY = 0.1


class HttpLine:
    """Asks one address. No redirects, no proxies, nothing compressed."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet.

        Args:
            url: checked by `check_url`.
        """
        self._url = url
        self._closed = threading.Event()

    def exchange(self, data: bytes, seconds: float) -> bytes:
        """See `Line.exchange`. The request has a thread of its own, because a server can keep every single read busy for ever."""
        results: list[bytes] = []
        failures: list[str] = []
        done = threading.Event()
        times = httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        client = httpx2.Client(timeout=times, trust_env=False, follow_redirects=False, transport=httpx2.HTTPTransport())

        def asking() -> None:
            try:
                results.append(_post(client, self._url, data))
            except Failed as failure:
                failures.append(str(failure))
            except httpx2.ReadTimeout:
                failures.append("no answer in time")
            except (httpx2.HTTPError, httpx2.StreamError, OSError, ValueError, RuntimeError) as error:
                failures.append(f"the approver cannot be asked: {type(error).__name__}")
            finally:
                done.set()

        threading.Thread(target=asking, daemon=True).start()
        until = time.monotonic() + seconds
        try:
            while not done.wait(_LOOK_EVERY):
                if self._closed.is_set():
                    raise Failed("interrupted")
                if time.monotonic() >= until:
                    raise Failed("no answer in time")
        finally:
            client.close()
        if failures:
            raise Failed(failures[0])
        return results[0]

    def close(self) -> None:
        """See `Line.close`."""
        self._closed.set()


def _post(client: httpx2.Client, url: str, data: bytes) -> bytes:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    with client.stream("POST", url, content=data, headers=headers) as response:
        if response.status_code != 200:
            raise Failed(f"the approver answered with status {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Failed("the answer is compressed")
        said = b""
        for more in response.iter_raw():
            said += more
            if len(said) > MAX_ANSWER:
                raise Failed(f"the answer is longer than {MAX_ANSWER} bytes")
        return said


def check_url(url: str, *, signed: bool) -> str:
    """Whether an address may be asked; its host, for the record.

    Raises:
        UsageError: it may not: beyond this machine only by https, and with a secret.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.fragment:
        raise UsageError(f"`{url}` is not an address of an approver", help="for instance https://approvals.example.com/agentgate")
    if parts.username is not None or parts.password is not None:
        raise UsageError("the address of an approver names a user", help="use --approver-secret-env instead")
    if not _is_local(host):
        if parts.scheme != "https":
            raise UsageError(f"an approver on `{host}` is asked in the clear", help="use https")
        if not signed:
            raise UsageError(f"an approver on `{host}` needs a shared secret", help="--approver-secret-env names its variable")
    return parts.netloc


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
