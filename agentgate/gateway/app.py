"""The server: routes, who may use them, and limits on what comes in. What is not named here does not exist: there is no pass-through."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from msgspec import Struct

from agentgate.errors import RecordError
from agentgate.gateway import chat, responses
from agentgate.gateway.deadlines import Deadlines, Expired, Watch
from agentgate.gateway.envelope import BadRequest, field, read_object
from agentgate.gateway.errors import Failure, failure, invalid, upstream
from agentgate.gateway.events_api import as_event, as_question, wanted
from agentgate.gateway.exchange import NOT_RECORDED, Exchange, Refused, Tools
from agentgate.gateway.http.messages import RequestHead, Response, Unreadable, json_response
from agentgate.gateway.http.packing import is_packed, unpacked
from agentgate.gateway.http.request import Request, Stream
from agentgate.gateway.keys import Keys
from agentgate.gateway.pages import is_preflight, preflight, readable
from agentgate.gateway.proxy import UpstreamFailed, is_list_of_models, kept_headers, read_all
from agentgate.gateway.shapes import Api
from agentgate.output.safe import safe

_SHORT = 64 * 1024
"""Bytes of a body that is no conversation: the answer to a question, or one that nobody reads."""
_APPROVALS = "/v1/approvals/"

Answering = Callable[[Request, Watch], Awaitable[Response | Stream]]

log = logging.getLogger("agentgate.gateway")


class Way(Struct, frozen=True):
    """What is behind a path, for one method. See `http.server.Route`."""

    gateway: Gateway
    name: str
    """In metrics."""
    answering: Answering
    check: Callable[[str | None], Failure | None]
    """Says what is wrong with the Authorization of a request."""
    limit: int = _SHORT

    def answer(self, request: Request) -> Awaitable[Response | Stream]:
        """Answers a request; whatever goes wrong is an error in OpenAI's form."""
        return self.gateway.answer(self, request)


class Gateway:
    """The routes. Whoever replaces `tools` changes what later requests are judged by."""

    def __init__(self, tools: Tools, deadlines: Deadlines) -> None:
        self.tools = tools
        self._keys = keys = Keys(tools.settings)
        self._deadlines = deadlines
        most = tools.settings.max_body
        self._ways: dict[str, dict[str, Way]] = {}
        self._add("/v1" + chat.PATH, "POST", self._judged(chat), keys.client, most)
        self._add("/v1" + responses.PATH, "POST", self._judged(responses), keys.client, most)
        self._add("/v1/models", "GET", self._models, keys.client)
        self._add("/v1/events", "GET", self._events, keys.events)
        self._add("/v1/approvals", "GET", self._questions, keys.approvals)
        self._add(_APPROVALS + "{id}", "POST", self._reply, keys.approvals)
        self._add("/healthz", "GET", self._health, lambda authorization: None)
        self._add("/metrics", "GET", self._metrics, keys.metrics)

    def _add(
        self, path: str, method: str, answering: Answering, check: Callable[[str | None], Failure | None], limit: int = _SHORT
    ) -> None:
        self._ways.setdefault(path, {})[method] = Way(self, path, answering, check, limit)

    def route(self, head: RequestHead) -> Way | Response:
        """See `http.server.Application`."""
        path = head.target.partition("?")[0]
        if path.startswith(_APPROVALS):
            path = _APPROVALS + "{id}"
        ways = self._ways.get(path)
        wrong, headers = self._keys.place(head.headers.get("host"), head.headers.get("origin")), _JSON
        way = None if ways is None else ways.get(head.method)
        if wrong is None and "origin" in head.headers:
            if ways is not None and is_preflight(head):
                self.tools.metrics.requests[path, 200] += 1
                return preflight(head, ways)
            headers = {**_JSON, **readable(head.headers)}
        if wrong is None and ways is None:
            wrong = invalid("there is nothing at this path", status=404)
        elif wrong is None and ways is not None and way is None:
            wrong = invalid(f"this path takes {' and '.join(ways)} only", status=405)
            headers = {**headers, "allow": ", ".join(ways)}
        elif wrong is None and way is not None:
            wrong = way.check(head.headers.get("authorization"))
        if wrong is None and way is not None:
            return way
        assert wrong is not None
        self.tools.metrics.requests["other" if ways is None else path, wrong.status] += 1
        return Response(wrong.status, wrong.body, headers)

    def unreadable(self) -> Response:
        """See `http.server.Application`."""
        return self._unread(invalid("this is not a request that can be read"))

    def too_long(self, limit: int) -> Response:
        """See `http.server.Application`."""
        return self._unread(invalid(f"the body is longer than {limit} bytes", status=413))

    def too_slow(self) -> Response:
        """See `http.server.Application`."""
        return self._unread(invalid("the request did not come in time", status=408))

    def _unread(self, told: Failure) -> Response:
        self.tools.metrics.requests["other", told.status] += 1
        return respond(told)

    async def answer(self, way: Way, request: Request) -> Response | Stream:
        """Answers a request that has found its way."""
        response: Response | Stream
        try:
            with self._deadlines.watch() as watch:
                watch.wait_for("upstream", self.tools.settings.upstream_timeout)
                if (coding := request.headers.get("content-encoding")) is not None and is_packed(coding):
                    request.body = _unpacked(request.body, coding, way.limit)
                response = await way.answering(request, watch)
        except Refused as refused:
            response = respond(refused.told, refused.headers)
        except BadRequest as error:
            response = respond(invalid(str(error), error.param))
        except UpstreamFailed as error:
            self.tools.metrics.upstream_errors[error.kind] += 1
            response = respond(error.told, error.headers)
        except Expired as expired:
            response = self._expired(expired, request)
        except RecordError as error:
            log.error("%s", safe(error.message))
            response = respond(NOT_RECORDED)
        except ConnectionError:
            raise
        except Exception as error:
            log.error("internal error: %s", type(error).__name__, exc_info=error)
            response = respond(failure(500, "internal_error", f"internal error: {type(error).__name__}"))
        self.tools.metrics.requests[way.name, response.status] += 1
        if "origin" in request.headers and isinstance(response, Response):
            response.headers = {**response.headers, **readable(request.headers)}
        return response

    def _expired(self, expired: Expired, request: Request) -> Response:
        if expired.whom == "upstream":
            self.tools.metrics.upstream_errors["timeout"] += 1
            return respond(upstream("the upstream did not answer in time", status=504))
        request.abort()
        raise ConnectionResetError

    def _judged(self, api: Api) -> Answering:
        def answer(request: Request, watch: Watch) -> Awaitable[Response | Stream]:
            return Exchange(self.tools, api, request, watch).answer(request.body)

        return answer

    async def _models(self, request: Request, watch: Watch) -> Response:
        watch.wait_for("upstream", self.tools.settings.upstream_timeout)
        with await self.tools.upstream.ask("GET", "/models", request.headers) as response:
            raw = await read_all(response)
            if not is_list_of_models(raw):
                raise UpstreamFailed("broken", upstream("the upstream's list of models is not JSON"))
            return Response(200, raw, {**_JSON, **kept_headers(response)})

    async def _events(self, request: Request, watch: Watch) -> Response:
        asked = wanted(_query(request))
        records = await self.tools.store.commit(lambda books: books.records(asked))
        return json_response({"events": [as_event(record) for record in records]})

    async def _questions(self, request: Request, watch: Watch) -> Response:
        found = await self.tools.store.commit(lambda books: books.questions())
        return json_response({"approvals": [as_question(question) for question in found]})

    async def _reply(self, request: Request, watch: Watch) -> Response:
        """A person's answer to a question."""
        id = request.path.removeprefix(_APPROVALS)
        body = read_object(request.body, _SHORT)
        decision, note = field(body, "decision", str, ""), field(body, "note", str, "")
        if decision not in ("approve", "reject"):
            raise BadRequest("`decision` is neither `approve` nor `reject`", "decision")
        by = field(body, "by", str, "") or "api"
        found = await self.tools.store.commit(
            lambda books: books.answer(id, approve=decision == "approve", by=by[:200], note=note[:2000] or None)
        )
        if found is None:
            return respond(invalid("there is no open question with this id", status=404))
        return json_response(as_question(found))

    async def _health(self, request: Request, watch: Watch) -> Response:
        return json_response({"status": "ok"})

    async def _metrics(self, request: Request, watch: Watch) -> Response:
        return Response(200, self.tools.metrics.text().encode(), {"content-type": "text/plain; version=0.0.4; charset=utf-8"})


_JSON: Mapping[str, str] = {"content-type": "application/json"}


def respond(told: Failure, headers: Mapping[str, str] | None = None) -> Response:
    """An error as a response."""
    return Response(told.status, told.body, {**_JSON, **(headers or {})})


def _unpacked(body: bytes, coding: str, limit: int) -> bytes:
    try:
        made = unpacked(body, coding, limit)
    except Unreadable:
        raise BadRequest("the body is cut off, or packed in a way that is not understood") from None
    if len(made) > limit:
        raise Refused(invalid(f"the body is longer than {limit} bytes", status=413))
    return made


def _query(request: Request) -> dict[str, str]:
    """The parameters of a query string.

    Raises:
        BadRequest: one is there twice, or cannot be read.
    """
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, strict_parsing=True, max_num_fields=20)
    except ValueError:
        if not request.query:
            return {}
        raise BadRequest("the query string cannot be read") from None
    if len(dict(pairs)) != len(pairs):
        raise BadRequest("a parameter is there twice")
    return dict(pairs)
