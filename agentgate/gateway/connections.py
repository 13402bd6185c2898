"""Connections of clients: what bounds them, and what becomes of bytes that are no request."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_protocol import _RequestHandler as Answerer

from agentgate.gateway.errors import SERVER, failure, invalid
from agentgate.gateway.settings import Patience

_LONGEST_LINE = 8190
_MOST_HEADERS = 64
_LINGERING_SECONDS = 2.0
"""How long the rest of a request that was refused is read and thrown away."""

log = logging.getLogger("agentgate.gateway")


class Connections(web.Server):
    """Takes connections."""

    def __init__(self, answer: Answerer, patience: Patience) -> None:
        """Prepares it.

        Args:
            answer: answers a request.
            patience: how long a connection may be idle.
        """
        super().__init__(answer, handler_cancellation=True)
        self._patience = patience

    def __call__(self) -> RequestHandler:
        """A new connection."""
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # declared narrower than it is: this is how it is switched off
            keepalive_timeout=self._patience.idle,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            max_headers=_MOST_HEADERS,
            lingering_time=_LINGERING_SECONDS,
        )


class _Connection(RequestHandler):
    """One connection."""

    __slots__ = ()

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Tells of a connection that broke, not what came over it; what goes wrong in an answer is told where it is made."""
        kind, _, _ = sys.exc_info()
        log.info("a connection ended in an error: %s", "unknown" if kind is None else kind.__name__)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Says that something is no request, and nothing more: neither client nor log are told what stood in it, for it may hold a key."""
        log.info("what came over a connection is no request: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError
        if status < 500:
            told = invalid("this is not a request that can be read", status=status)
        else:
            told = failure(status, "internal_error", "internal error")
        response = web.Response(status=told.status, body=told.body, headers={"content-type": "application/json", "server": SERVER})
        response.force_close()
        return response
