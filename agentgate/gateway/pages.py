"""What browsers want to hear before a web page of another origin may ask, and read what it gets: the sharing of resources (CORS).

Which pages may, `keys.Keys.place` decides; here only those are answered that it has let in.
"""

from __future__ import annotations

from collections.abc import Iterable

from agentgate.gateway.http.messages import Headers, RequestHead, Response

_READ = "x-agentgate-event, x-request-id, x-should-retry, retry-after, retry-after-ms"
"""Headers of answers that a page may read besides the few that it always may."""
_SECONDS = "600"
"""How long a browser may remember what it was told before it asked."""


def is_preflight(head: RequestHead) -> bool:
    """Whether a browser asks, without any key, what a page may send."""
    return head.method == "OPTIONS" and "origin" in head.headers and "access-control-request-method" in head.headers


def preflight(head: RequestHead, methods: Iterable[str]) -> Response:
    """What it is told. Any header may be sent: those that go on are on a list of their own."""
    told = {
        **readable(head.headers),
        "access-control-allow-methods": ", ".join(methods),
        "access-control-allow-headers": head.headers.get("access-control-request-headers", ""),
        "access-control-max-age": _SECONDS,
    }
    if "access-control-request-private-network" in head.headers:
        told["access-control-allow-private-network"] = "true"
    return Response(200, b"", told)


def readable(headers: Headers) -> dict[str, str]:
    """What lets the page that asked read the answer; nothing where no page did. No cookies: keys come in a header."""
    origin = headers.get("origin")
    if origin is None:
        return {}
    return {"access-control-allow-origin": origin, "access-control-expose-headers": _READ, "vary": "origin"}
