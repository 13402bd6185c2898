"""One connection of a client: requests are read one at a time, each is answered by a task, and nothing is waited for without end."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, cast

from agentgate.gateway.http.bodies import Body, Chunks, Sized
from agentgate.gateway.http.messages import CONTINUE, RequestHead, Response, Unreadable
from agentgate.gateway.http.outlet import Outlet
from agentgate.gateway.http.parsing import END, LONGEST_HEAD, read_request
from agentgate.gateway.http.request import Request

if TYPE_CHECKING:
    from agentgate.gateway.http.server import Route, Server

_LINGERING_SECONDS = 2.0
"""How long what a client still sends is read and thrown away after the last answer, so that it gets to see that answer."""
_MOST_AHEAD = 64 * 1024
"""Bytes of further requests that are taken while one is answered."""
_NEVER = float("inf")
_NOTHING = Sized(0)

log = logging.getLogger("agentgate.gateway")


_HEAD, _BODY, _ANSWER, _REST = range(4)
"""What a connection is at: the head of a request, its body, its answer, or what is thrown away after the last answer."""


class Connection(asyncio.Protocol):
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._now = _HEAD
        self._rest = b""
        """What came and was not read yet: of a head, or of the next requests."""
        self._head: RequestHead | None = None
        self._route: Route | None = None
        self._body: Body = _NOTHING
        self._pieces: list[bytes] = []
        self.task: asyncio.Task[None] | None = None
        self._leaving = False
        self.until = server.now() + server.patience.idle
        """When what is waited for is late; see `late`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by their class
        self._outlet = Outlet(self._transport, self._server.stamp)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._server.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`. Nobody is left to answer."""
        self._now = _REST
        self._server.closed(self)
        self._outlet.resume()
        if self.task is not None:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        now = self._now
        if now == _HEAD:
            self._read_head(self._rest + data if self._rest else data)
        elif now == _BODY:
            self._read_body(data)
        elif now == _ANSWER:
            self._rest += data
            if len(self._rest) > _MOST_AHEAD:
                self._transport.pause_reading()

    def _read_head(self, data: bytes) -> None:
        end = data.find(END) + len(END)
        if end < len(END):
            self._rest = data
            if len(data) > LONGEST_HEAD or not data[:1].isupper():
                self._refuse(self._server.app.unreadable())
            return
        self._rest = b""
        try:
            self._begin(read_request(data[:end]), data[end:])
        except Unreadable:
            self._refuse(self._server.app.unreadable())

    def _begin(self, head: RequestHead, data: bytes) -> None:
        """A head was read; these are the bytes behind it."""
        self._head = head
        self._outlet.turn(head)
        found = self._server.app.route(head)
        length = head.length
        if not isinstance(found, Response) and length is not None and length > found.limit:
            found = self._server.app.too_long(found.limit)
        if length is not None and length <= len(data):
            self._rest = data[length:]
            self._answer(head, found, data[:length])
        elif isinstance(found, Response):
            self._refuse(found)
        else:
            self._now = _BODY
            self._route = found
            self.until = self._server.now() + self._server.patience.body
            self._body = Chunks() if length is None else Sized(length)
            if not data and head.modern and head.headers.get("expect", "").lower() == "100-continue":
                self._transport.write(CONTINUE)
            if data:
                self._read_body(data)

    def _read_body(self, data: bytes) -> None:
        head, route, body = self._head, self._route, self._body
        assert head is not None
        assert route is not None
        try:
            self._pieces += body.feed(data)
        except Unreadable:
            self._refuse(self._server.app.unreadable())
            return
        if body.size > route.limit:
            self._refuse(self._server.app.too_long(route.limit))
        elif body.done:
            self._rest = body.rest
            self._outlet.last = self._outlet.last or body.lost  # the client asks again
            pieces, self._pieces = self._pieces, []
            self._answer(head, route, b"".join(pieces))

    def _answer(self, head: RequestHead, found: Route | Response, body: bytes) -> None:
        """A request is whole."""
        self._now = _ANSWER
        self.until = _NEVER
        self.task = self._server.loop.create_task(self._answered(found, Request(self._outlet, head, body)))

    async def _answered(self, found: Route | Response, request: Request) -> None:
        try:
            response = found if isinstance(found, Response) else await found.answer(request)
            if not isinstance(response, Response):
                response.end()
            elif request.begun:
                self.abort()  # an answer in the midst of another one would be read as a part of it
            else:
                self._outlet.last = self._outlet.last or self._leaving
                self._outlet.respond(response)
            if self._outlet.taken is not None:
                self.until = self._server.now() + self._server.patience.client
                await self._outlet.taken
        except ConnectionError:
            self.abort()
        except asyncio.CancelledError:
            self.abort()
            raise
        except Exception as error:
            log.error("a connection ended in an error: %s", type(error).__name__)
            self.abort()
        finally:
            self.task = None
        self._next()

    def _next(self) -> None:
        """The answer is out."""
        if self._transport.is_closing():
            return
        if self._leaving or self._outlet.last:
            self._end()
            return
        self._now = _HEAD
        self.until = self._server.now() + self._server.patience.idle
        if self._rest:
            rest, self._rest = self._rest, b""
            self._transport.resume_reading()
            self._read_head(rest)

    def _refuse(self, response: Response) -> None:
        """Answers what cannot be read to its end; nothing that comes after it is a request."""
        if self._transport.is_closing():
            return
        log.info("a request was not read: status %s", response.status)
        response.close = True
        self._outlet.respond(response)
        self._end()

    def _end(self) -> None:
        """No more requests."""
        self._now = _REST
        self._rest, self._pieces = b"", []
        self.until = self._server.now() + _LINGERING_SECONDS
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._transport.write_eof()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._outlet.pause()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._outlet.resume()

    def late(self) -> None:
        """What was waited for has not come in time."""
        self.until = _NEVER
        if self._now == _BODY:
            self._refuse(self._server.app.too_slow())
        else:
            self.abort()

    def abort(self) -> None:
        """Ends it at once."""
        self._transport.abort()

    def leave(self) -> None:
        """Ends it once what was begun is answered."""
        self._leaving = True
        if self._now == _HEAD and not self._rest:
            self._transport.close()
        elif self._now == _HEAD:
            self.until = min(self.until, self._server.now() + _LINGERING_SECONDS)
