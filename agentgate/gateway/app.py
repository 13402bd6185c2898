"""The server: routes, who may use them, and limits on what comes in. What is not named here does not exist: there is no pass-through."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from agentgate.errors import RecordError
from agentgate.gateway import chat, responses
from agentgate.gateway.connections import Connections
from agentgate.gateway.deadlines import Deadlines, Expired, Watch
from agentgate.gateway.envelope import BadRequest, field, read_object
from agentgate.gateway.errors import SERVER, Failure, failure, invalid, upstream
from agentgate.gateway.events_api import as_event, as_question, wanted
from agentgate.gateway.exchange import NOT_RECORDED, Exchange, Refused, Tools
from agentgate.gateway.keys import Keys
from agentgate.gateway.proxy import UpstreamFailed, is_list_of_models, kept_headers, read_all
from agentgate.gateway.shapes import Api
from agentgate.output.safe import safe

_MAX_ANSWERING = 64 * 1024
"""Bytes of the answer to a question."""

Handler = Callable[[web.BaseRequest, Watch], Awaitable[web.StreamResponse]]

log = logging.getLogger("agentgate.gateway")


class Gateway:
    """The routes. Whoever replaces `tools` changes what later requests are judged by."""

    def __init__(self, tools: Tools, deadlines: Deadlines) -> None:
        self.tools = tools
        self._keys = Keys(tools.settings)
        self._deadlines = deadlines
        self._routes: dict[str, dict[str, Handler]] = {
            "/v1" + chat.PATH: {"POST": self._judged(chat)},
            "/v1" + responses.PATH: {"POST": self._judged(responses)},
            "/v1/models": {"GET": self._models},
            "/v1/events": {"GET": self._events},
            "/v1/approvals": {"GET": self._questions},
            "/healthz": {"GET": self._health},
            "/metrics": {"GET": self._metrics},
        }

    def server(self) -> web.Server:
        """What takes connections."""
        return Connections(self, self.tools.settings.patience)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers any request; whatever goes wrong is an error in OpenAI's form."""
        path, _, _ = request.raw_path.partition("?")
        route, response = await self._answer(request, path)
        self.tools.metrics.requests[route, response.status] += 1
        if not response.prepared:
            response.headers["server"] = SERVER
        return response

    async def _answer(self, request: web.BaseRequest, path: str) -> tuple[str, web.StreamResponse]:
        methods = self._routes.get(path)
        route = path if methods is not None else "other"
        if methods is None and path.startswith("/v1/approvals/"):
            methods, route = {"POST": self._reply}, "/v1/approvals/{id}"
        wrong = self._keys.place(request.headers.get("Host"), request.headers.get("Origin"))
        if wrong is not None:
            return route, respond(wrong)
        if methods is None:
            return route, respond(invalid("there is nothing at this path", status=404))
        handler = methods.get(request.method)
        if handler is None:
            return route, respond(invalid(f"this path takes {' and '.join(methods)} only", status=405), {"allow": ", ".join(methods)})
        return route, await self._handled(handler, request)

    async def _handled(self, handler: Handler, request: web.BaseRequest) -> web.StreamResponse:
        try:
            with self._deadlines.watch() as watch:
                watch.wait_for("body", self.tools.settings.patience.body)
                return await handler(request, watch)
        except Refused as refused:
            return respond(refused.told, refused.headers)
        except BadRequest as error:
            return respond(invalid(str(error), error.param))
        except UpstreamFailed as error:
            self.tools.metrics.upstream_errors[error.kind] += 1
            return respond(error.told, error.headers)
        except Expired as expired:
            return self._expired(expired, request)
        except RecordError as error:
            log.error("%s", safe(error.message))
            return respond(NOT_RECORDED)
        except ConnectionError:
            raise
        except Exception as error:
            log.error("internal error: %s", type(error).__name__, exc_info=error)
            return respond(failure(500, "internal_error", f"internal error: {type(error).__name__}"))

    def _expired(self, expired: Expired, request: web.BaseRequest) -> web.StreamResponse:
        if expired.whom == "body":
            return respond(invalid("the request did not come in time", status=408), close=True)
        if expired.whom == "upstream":
            self.tools.metrics.upstream_errors["timeout"] += 1
            return respond(upstream("the upstream did not answer in time", status=504))
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError

    def _judged(self, api: Api) -> Handler:
        async def answer(request: web.BaseRequest, watch: Watch) -> web.StreamResponse:
            self._check(self._keys.client(request.headers.get("Authorization")))
            raw = await self._body(request, self.tools.settings.max_body)
            return await Exchange(self.tools, api, request, watch).answer(raw)

        return answer

    async def _models(self, request: web.BaseRequest, watch: Watch) -> web.StreamResponse:
        self._check(self._keys.client(request.headers.get("Authorization")))
        watch.wait_for("upstream", self.tools.settings.upstream_timeout)
        async with await self.tools.upstream.ask("GET", "/models", request.headers) as response:
            raw = await read_all(response)
            if not is_list_of_models(raw):
                raise UpstreamFailed("broken", upstream("the upstream's list of models is not JSON"))
            return web.Response(body=raw, headers={"content-type": "application/json", **kept_headers(response)})

    async def _events(self, request: web.BaseRequest, watch: Watch) -> web.StreamResponse:
        self._check(self._keys.events(request.headers.get("Authorization")))
        asked = wanted(_query(request))
        records = await self.tools.store.commit(lambda books: books.records(asked))
        return _json({"events": [as_event(record) for record in records]})

    async def _questions(self, request: web.BaseRequest, watch: Watch) -> web.StreamResponse:
        self._check(self._keys.approvals(request.headers.get("Authorization")))
        found = await self.tools.store.commit(lambda books: books.questions())
        return _json({"approvals": [as_question(question) for question in found]})

    async def _reply(self, request: web.BaseRequest, watch: Watch) -> web.StreamResponse:
        """A person's answer to a question."""
        self._check(self._keys.approvals(request.headers.get("Authorization")))
        id = request.raw_path.partition("?")[0].removeprefix("/v1/approvals/")
        body = read_object(await self._body(request, _MAX_ANSWERING), _MAX_ANSWERING)
        decision, note = field(body, "decision", str, ""), field(body, "note", str, "")
        if decision not in ("approve", "reject"):
            raise BadRequest("`decision` is neither `approve` nor `reject`", "decision")
        by = field(body, "by", str, "") or "api"
        found = await self.tools.store.commit(
            lambda books: books.answer(id, approve=decision == "approve", by=by[:200], note=note[:2000] or None)
        )
        if found is None:
            return respond(invalid("there is no open question with this id", status=404))
        return _json(as_question(found))

    async def _health(self, request: web.BaseRequest, watch: Watch) -> web.StreamResponse:
        return _json({"status": "ok"})

    async def _metrics(self, request: web.BaseRequest, watch: Watch) -> web.StreamResponse:
        self._check(self._keys.metrics(request.headers.get("Authorization")))
        return web.Response(text=self.tools.metrics.text(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    @staticmethod
    def _check(wrong: Failure | None) -> None:
        if wrong is not None:
            raise Refused(wrong)

    @staticmethod
    async def _body(request: web.BaseRequest, limit: int) -> bytes:
        """The whole body, unpacked where it came packed.

        Raises:
            Refused: it is too long.
        """
        length = request.content_length
        if length is not None and length > limit:
            raise Refused(invalid(f"the body has {length} bytes, at most {limit} are read", status=413), {"connection": "close"})
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        pieces, size = [], 0
        try:
            async for piece in request.content.iter_any():
                size += len(piece)
                if size > limit:
                    raise Refused(invalid(f"the body is longer than {limit} bytes", status=413), {"connection": "close"})
                pieces.append(piece)
        except (RequestPayloadError, aiohttp.ClientError, HttpProcessingError):
            raise BadRequest("the body is cut off, or packed in a way that is not understood") from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def respond(told: Failure, headers: Mapping[str, str] | None = None, *, close: bool = False) -> web.Response:
    """An error as a response."""
    response = web.Response(status=told.status, body=told.body, headers={"content-type": "application/json", **(headers or {})})
    if close or (headers or {}).get("connection") == "close":
        response.force_close()
    return response


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), headers={"content-type": "application/json"})


def _query(request: web.BaseRequest) -> dict[str, str]:
    """The parameters of a query string.

    Raises:
        BadRequest: one is there twice, or cannot be read.
    """
    try:
        pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True, strict_parsing=True, max_num_fields=20)
    except ValueError:
        if "?" not in request.raw_path or request.raw_path.endswith("?"):
            return {}
        raise BadRequest("the query string cannot be read") from None
    if len(dict(pairs)) != len(pairs):
        raise BadRequest("a parameter is there twice")
    return dict(pairs)
