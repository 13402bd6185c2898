"""Who may ask: keys, compared in constant time, and the addresses and web pages that requests may come by."""

from __future__ import annotations

import hmac
from functools import lru_cache

from agentgate.gateway.errors import Failure, failure
from agentgate.gateway.settings import Settings, is_loopback

_WILDCARDS = ("0.0.0.0", "::", "[::]", "")  # noqa: S104 - compared with, not bound to


class Keys:
    """Knows the keys of a gateway and the names that it goes by."""

    def __init__(self, settings: Settings) -> None:
        self._client = _bytes(settings.key)
        self._events = _bytes(settings.events_key)
        self._approvals = _bytes(settings.approvals_key)
        own = () if settings.host in _WILDCARDS else (settings.host.strip("[]").lower(),)
        self._hosts = frozenset((*own, *settings.hosts))
        self._knows = lru_cache(64)(self._is_own)  # nearly all requests are addressed to the same name
        self._origins = settings.origins

    def place(self, host: str | None, origin: str | None) -> Failure | None:
        """What is wrong with where a request is addressed to and comes from.

        A web page that makes its own name lead to this machine (DNS rebinding) still says that name in `Host`, and its own in `Origin`.
        """
        if host is None or not self._knows(host):
            return failure(
                421, "invalid_request_error", "this gateway does not go by the name in `Host`; its operator can add it with --allow-host"
            )
        if origin is not None and origin not in self._origins:
            return failure(
                403, "invalid_request_error", "web pages may not call this gateway; its operator can name some with --allow-origin"
            )
        return None

    def client(self, authorization: str | None) -> Failure | None:
        """Whether somebody may ask for answers."""
        return None if self._client is None or _same(authorization, self._client) else _wrong_key()

    def events(self, authorization: str | None) -> Failure | None:
        """Whether somebody may read events. Without any key, nobody may."""
        if self._events is None and self._client is None:
            return failure(403, "permission_error", "no key is configured, so nobody may read events; set AGENTGATE_EVENTS_KEY")
        found = [_same(authorization, key) for key in (self._events, self._client) if key is not None]
        return None if any(found) else _wrong_key()

    def metrics(self, authorization: str | None) -> Failure | None:
        """Whether somebody may read metrics: whoever may read events; anybody, where no key is configured."""
        return None if self._events is None and self._client is None else self.events(authorization)

    def approvals(self, authorization: str | None) -> Failure | None:
        """Whether somebody may answer questions. Only with a key of its own."""
        if self._approvals is None:
            help = "answer with `agentgate approvals`, or set AGENTGATE_APPROVALS_KEY"
            return failure(403, "permission_error", f"no key for approvals is configured; {help}")
        return None if _same(authorization, self._approvals) else _wrong_key()

    def _is_own(self, host: str) -> bool:
        name = host.lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        return is_loopback(name) or name in self._hosts


def _bytes(key: str | None) -> bytes | None:
    return None if key is None else key.encode()


def _same(authorization: str | None, key: bytes) -> bool:
    scheme, _, given = (authorization or "").partition(" ")
    return hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), key) and scheme.lower() == "bearer"


def _wrong_key() -> Failure:
    return failure(401, "authentication_error", "no key, or a wrong one", code="invalid_api_key")
