"""One request, to the last byte of its answer: the upstream is asked, the answer judged and recorded, and only then let go."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence

from msgspec import Struct

from agentgate.core.events import CallDecided, Effect, Mode, ToolCall
from agentgate.errors import RecordError
from agentgate.gateway.books import Store
from agentgate.gateway.bounding import bounded
from agentgate.gateway.deadlines import Watch
from agentgate.gateway.envelope import BadRequest
from agentgate.gateway.errors import Failure, failure, invalid, refusal, upstream
from agentgate.gateway.hearing import Hearing
from agentgate.gateway.http.client_connection import BrokenOff
from agentgate.gateway.http.incoming import Incoming
from agentgate.gateway.http.messages import Response
from agentgate.gateway.http.request import Request
from agentgate.gateway.http.request import Stream as Reply
from agentgate.gateway.judging import Bench, Verdict
from agentgate.gateway.metrics import Metrics
from agentgate.gateway.pages import readable
from agentgate.gateway.proxy import Upstream, UpstreamFailed, kept_headers, read_all
from agentgate.gateway.settings import SESSION_ID, Settings
from agentgate.gateway.shapes import Answer, Api, Asked, Broken, Stream, Whole
from agentgate.gateway.stopwatch import Stopwatch
from agentgate.gateway.tracing import UNTRACED, NoTraces, Trace, Traces
from agentgate.output.safe import safe

log = logging.getLogger("agentgate.gateway")

SESSION_HEADER = "X-Agentgate-Session"
EVENT_HEADER = "X-Agentgate-Event"
_SESSION_HEADER = SESSION_HEADER.lower()

NOT_RECORDED = failure(503, "internal_error", "the decision could not be recorded, so nothing is let through")
"""What a client gets when the store fails."""

_REPAIRS = 3
"""Further requests after an answer that was withheld."""
_LONGEST_ID = 256


class Tools(Struct, frozen=True, kw_only=True):
    """What every exchange works with."""

    settings: Settings
    bench: Bench
    store: Store
    upstream: Upstream
    metrics: Metrics
    traces: Traces = NoTraces()


class Refused(Exception):
    """The client gets an error in place of an answer."""

    def __init__(self, told: Failure, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(told.status)
        self.told = told
        self.headers = headers or {}


class _Sending(Struct):
    """What is sent to the client: nothing yet, or a stream that has begun."""

    request: Request
    watch: Watch
    seconds: float
    """How long the client may be slow to take what it is sent."""
    stream: Reply | None = None

    async def send(self, data: bytes, headers: Mapping[str, str]) -> None:
        """Sends a part of a stream, with the head before the first one.

        Raises:
            ConnectionResetError: the client has gone.
        """
        self.watch.wait_for("client", self.seconds)
        if self.stream is None:
            about = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **readable(self.request.headers)}
            self.stream = self.request.begin({**about, **headers})
        await self.stream.send(data)


class Exchange:
    """One request to one of the two APIs."""

    def __init__(self, tools: Tools, api: Api, request: Request, watch: Watch) -> None:
        self._tools = tools
        self._api = api
        self._request = request
        self._watch = watch
        self._reply: _Sending | None = None
        """A stream to the client, where there is one."""
        self._took = Stopwatch()
        self._session = request.headers.get(_SESSION_HEADER)
        self._named = api.PATH.strip("/").partition("/")[0]
        self._hearing = Hearing(tools.bench, tools.store, tools.metrics, self._session, self._named)
        self._trace = UNTRACED

    async def answer(self, raw: bytes) -> Response | Reply:
        """Answers the request.

        Raises:
            Refused: with an error, before anything of an answer went out.
        """
        if self._session is not None and SESSION_ID.fullmatch(self._session) is None:
            raise Refused(invalid(f"`{SESSION_HEADER}` is not, once, 1 to 128 letters, digits or any of `_.:@-`"))
        try:
            asked = self._api.read_request(raw, self._tools.settings.max_body)
            await self._permit(asked)
            bench = self._hearing.bench
            if bench.redactor or bench.policy.results.rules:
                asked = await self._admit(asked)
            return await self._ask(asked)
        except BadRequest as error:
            return await self._fail(Refused(invalid(str(error), error.param)))
        except Refused as refused:
            return await self._fail(refused)
        except RecordError as error:
            log.error("%s", safe(error.message))
            return await self._fail(Refused(NOT_RECORDED))
        finally:
            self._hearing.failed(free=False)

    async def _fail(self, refused: Refused) -> Response | Reply:
        """Says why there is no answer, or no more of one: as a response, or as the last event of a stream that has begun.

        Raises:
            Refused: nothing has gone out yet.
        """
        if self._reply is None or self._reply.stream is None:
            raise refused
        await self._reply.send(refused.told.event, {})
        return self._reply.stream

    async def _permit(self, asked: Asked) -> None:
        """Refuses what may not even be asked.

        Raises:
            Refused: by a limit, or the kill switch.
        """
        bench = self._hearing.bench
        if asked.continues is not None and self._session is None:
            told = f"the conversation that `{asked.continues}` names is not seen here; send `{SESSION_HEADER}` with all its requests"
            if bench.mode is not Mode.OBSERVE:
                raise Refused(invalid(told, asked.continues))
            self._hearing.would_refuse(told)
        denied = bench.stopped(self._session or "") or await self._hearing.permit(asked)
        if denied is not None:
            failure = refusal(denied)
            with self._traced(asked) as trace:
                trace.failed(str(failure.error["code"]))
            event = await self._hearing.refuse(asked, denied)
            _log_withheld(failure)
            raise Refused(failure, {**_NO_RETRY, EVENT_HEADER: event})

    async def _admit(self, asked: Asked) -> Asked:
        """The request with what the model gets of the results in it."""
        contents = self._api.contents(asked)
        if not contents and asked.foreign is None:
            return asked
        made = await self._hearing.admit(asked, contents)
        same = all(one is other for one, other in zip(made, contents, strict=True))
        return asked if same else self._api.with_contents(asked, made)

    def _traced(self, asked: Asked) -> Trace:
        return self._tools.traces.begin(asked, self._named, self._session, self._request.headers, self._hearing.bench.redactor)

    async def _ask(self, asked: Asked) -> Response | Reply:
        """Asks the upstream, again where the answer is to be repaired."""
        repairs = _REPAIRS if self._tools.settings.repair else 0
        while True:
            forms = bounded(asked, self._hearing.room)
            with self._traced(asked) as self._trace:
                try:
                    withheld = await self._ask_once(asked, forms)
                except asyncio.CancelledError:
                    if self._watch.expired and self._watch.whom == "upstream":
                        self._trace.failed("timeout")
                    raise
            if not isinstance(withheld, tuple):
                self._tools.metrics.added(self._took.seconds())
                return withheld
            failure, answer, verdict, event = withheld
            again = self._repaired(asked, answer, verdict) if repairs else None
            if again is None:
                self._tools.metrics.added(self._took.seconds())
                _log_withheld(failure)
                raise Refused(failure, {**_NO_RETRY, EVENT_HEADER: event})
            asked, repairs = again, repairs - 1
            await self._permit(asked)

    async def _ask_once(self, asked: Asked, forms: Sequence[Asked]) -> Response | Reply | _Withheld:
        """One request, in the first form that the upstream takes."""
        self._watch.wait_for("upstream", self._tools.settings.upstream_timeout)
        form, *others = forms
        body = self._api.with_usage(form) if self._hearing.bench.needs_usage else form.raw
        self._took.pause()
        try:
            response = await self._tools.upstream.ask("POST", self._api.PATH, self._request.headers, body, self._trace.headers)
        except UpstreamFailed as error:
            if others and error.kind == "status" and any(name in str(error.told.error) for name in asked.bound_by):
                self._took.go_on()
                return await self._ask_once(asked, others)
            self._hearing.failed(free=error.kind in _UNASKED)
            raise self._failed(error) from None
        with response:
            return await (self._take_stream(asked, response) if asked.stream else self._take_whole(asked, response))

    async def _take_whole(self, asked: Asked, response: Incoming) -> Response | Reply | _Withheld:
        """An answer in one piece."""
        try:
            raw = await read_all(response)
            self._took.go_on()
            whole: Whole = self._api.read_answer(raw, asked)
        except UpstreamFailed as error:
            raise self._failed(error) from None
        except Broken as error:
            raise self._failed(UpstreamFailed("broken", upstream(str(error)))) from None
        verdict, event = await self._verdict(asked, whole.answer)
        if verdict is not None and verdict.failure is not None:
            return verdict.failure, whole.answer, verdict, event
        body = whole.untouched() if whole.answer.unusable else whole.released()
        self._trace.sent(body)
        headers = kept_headers(response)
        headers["content-type"] = "application/json"
        if event:
            headers[EVENT_HEADER] = event
        return Response(200, body, headers)

    async def _take_stream(self, asked: Asked, response: Incoming) -> Response | Reply | _Withheld:
        """An answer as it comes."""
        if not response.content_type.startswith("text/event-stream"):
            raise self._failed(UpstreamFailed("broken", upstream("the upstream was asked for a stream and sent none")))
        stream = self._api.open_stream(asked, hold=self._tools.settings.repair)
        headers = kept_headers(response)
        reply = self._reply = self._reply or _Sending(self._request, self._watch, self._tools.settings.patience.client)
        try:
            await self._pump(stream, response, reply, headers)
            self._took.go_on()
            answer = stream.end()
        except Broken as error:
            raise self._failed(UpstreamFailed("broken", upstream(str(error)))) from None
        verdict, event = await self._verdict(asked, answer)
        if verdict is not None and verdict.failure is not None:
            return verdict.failure, answer, verdict, event
        rest = stream.untouched() if answer.unusable else stream.released()
        self._trace.sent(rest)
        if event:
            headers[EVENT_HEADER] = event
        await reply.send(rest, headers)
        assert reply.stream is not None
        return reply.stream

    async def _pump(self, stream: Stream, response: Incoming, reply: _Sending, headers: Mapping[str, str]) -> None:
        seconds = self._tools.settings.upstream_timeout
        try:
            while data := await response.piece():
                self._trace.began()
                out = stream.feed(data)
                if out:
                    self._trace.sent(out)
                    await reply.send(out, headers)
                if stream.broken is not None:
                    response.close()
                    return
                self._watch.wait_for("upstream", seconds)
        except BrokenOff:
            raise Broken("the upstream broke off in the midst of its answer") from None
        except asyncio.CancelledError:
            if self._watch.whom == "upstream" and self._watch.overdue():
                raise self._failed(UpstreamFailed("timeout", upstream("the upstream did not go on in time", status=504))) from None
            raise

    def _failed(self, error: UpstreamFailed) -> Refused:
        self._tools.metrics.upstream_errors[error.kind] += 1
        self._trace.failed(str(error.told.status) if error.kind == "status" else error.kind)
        return Refused(error.told, error.headers)

    async def _verdict(self, asked: Asked, answer: Answer) -> tuple[Verdict | None, str]:
        self._watch.wait_for("upstream", self._tools.settings.upstream_timeout)
        verdict, event = await self._hearing.verdict(asked, answer)
        self._trace.answered(answer, verdict, event)
        return verdict, event

    def _repaired(self, asked: Asked, answer: Answer, verdict: Verdict) -> Asked | None:
        """The request again, with word of what was refused; None where the model could do nothing about it."""
        asked_about = any(call.effect is Effect.ASK for call in verdict.decided)
        if answer.unusable is not None or asked_about or not all(_can_be_said_again(call) for call in answer.calls):
            return None
        return self._api.ask_again(asked, answer.calls, [_told(call) for call in verdict.decided])


_UNASKED = ("unreachable", "tls", "status", "redirect")
"""Kinds of failure after which the upstream has certainly done nothing that costs."""
_NO_RETRY = {"x-should-retry": "false"}
_Withheld = tuple[Failure, Answer, Verdict, str]


def _log_withheld(told: Failure) -> None:
    error = told.error
    log.info("withheld: %s by %s: %s", error["code"], safe(str(error["policy"])), safe(str(error["message"])))


def _can_be_said_again(call: ToolCall) -> bool:
    """Whether a server would take a request with this call in it."""
    return all(isinstance(value, str) for value in (call.id, call.name, call.arguments)) and 0 < len(call.id) <= _LONGEST_ID


def _told(call: CallDecided) -> str:
    """What the model hears about a call of a withheld answer."""
    if call.effect is Effect.BLOCK:
        said = {"ok": False, "error": call.reason, "code": call.code, "rule": call.rule, "hint": call.hint}
    else:
        error = "not executed, because another call of the same answer was refused"
        said = {"ok": False, "error": error, "code": "withheld", "rule": None, "hint": "propose it again without the refused one"}
    return json.dumps(said, ensure_ascii=False)
