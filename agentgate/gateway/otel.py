"""Requests to the model as OpenTelemetry spans by the conventions for generative models. An extra: imported only where it is asked for.

A request is a span `chat MODEL`, and each call that was decided in its answer a span `decide TOOL` below it. What people, models and tools
said is left out, unless the operator wants it; then it is redacted as records are.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import wraps
from time import perf_counter
from types import TracebackType
from typing import Any, ParamSpec, Self
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agentgate import __version__
from agentgate.core.events import CallDecided, Json
from agentgate.core.redaction.redactor import OURS, Redactor
from agentgate.gateway.judging import Verdict
from agentgate.gateway.otel_content import Said, conversation, proposed
from agentgate.gateway.shapes import Answer, Asked
from agentgate.gateway.tracing import UNTRACED, Trace

_LONGEST = 256
"""Characters of what clients and models call things."""
_TOOL = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_API = {"chat": "chat_completions", "responses": "responses"}
_NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_LONGEST_ANSWERS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_CLOSING_SECONDS = 5.0

P = ParamSpec("P")

_carrier = TraceContextTextMapPropagator()

log = logging.getLogger("agentgate.gateway")


def _harmless(note: Callable[P, None]) -> Callable[P, None]:
    """Whatever goes wrong with a trace costs the trace, never the answer."""

    @wraps(note)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            note(*args, **kwargs)
        except Exception as error:
            log.warning("a trace was lost: %s", type(error).__name__)

    return guarded


class OtelTraces:
    """See `Traces`."""

    def __init__(self, provider: TracerProvider, upstream: str, *, content: bool = False, now: Callable[[], float] = perf_counter) -> None:
        """Begins.

        Args:
            provider: takes the spans; its own from now on.
            upstream: the base URL.
            content: whether spans hold messages, arguments and reasons.
            now: seconds that never go back.
        """
        self.now = now
        self._provider = provider
        self._tracer = provider.get_tracer("agentgate", __version__)
        self._content = content
        split = urlsplit(upstream)
        self._server: dict[str, str | int] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",  # whose protocol it speaks; what stands behind it, `server.address` tells
            "server.address": split.hostname or "",
            "server.port": split.port or (443 if split.scheme == "https" else 80),
        }

    def begin(self, asked: Asked, api: str, session: str | None, headers: Mapping[str, str], redactor: Redactor | None) -> Trace:
        """See `Traces.begin`."""
        try:
            return self._begun(asked, api, session, headers, redactor)
        except Exception as error:
            log.warning("a trace was lost: %s", type(error).__name__)
            return UNTRACED

    def _begun(self, asked: Asked, api: str, session: str | None, headers: Mapping[str, str], redactor: Redactor | None) -> Trace:
        model = _name(asked.model, redactor)
        given = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        span = self._tracer.start_span(
            f"chat {model}" if model else "chat",
            context=_carrier.extract(given) if given else None,
            kind=SpanKind.CLIENT,
            attributes={**self._server, "openai.api.type": _API.get(api, api)},
        )
        made = _Trace(self, span, redactor, content=self._content and span.is_recording(), api=api)
        if span.is_recording():
            span.set_attributes(_told(asked, model, session))
            if made.content:
                span.set_attribute("gen_ai.input.messages", made.text(conversation(asked.items)))
        return made

    def decide(self, call: CallDecided, parent: Span, *, content: bool) -> None:
        """One decided call, as a span below that of its request."""
        named = isinstance(call.tool, str) and _TOOL.fullmatch(call.tool) is not None
        told: dict[str, Any] = {
            "agentgate.decision.effect": call.effect.value,
            "agentgate.decision.code": call.code.value,
            "agentgate.decision.enforced": call.enforced,
            "agentgate.decision.withheld": call.withheld,
        }
        if call.rule is not None:
            told["agentgate.decision.rule"] = call.rule
        if call.trials:
            told["agentgate.decision.trials"] = [trial.rule for trial in call.trials]
        if named:
            told["gen_ai.tool.name"] = call.tool
        if isinstance(call.call_id, str) and len(call.call_id) <= _LONGEST:
            told["gen_ai.tool.call.id"] = call.call_id
        if content:
            arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
            told |= {"gen_ai.tool.call.arguments": arguments, "agentgate.decision.reason": call.reason}
        name = f"decide {call.tool}" if named else "decide"
        self._tracer.start_span(name, context=set_span_in_context(parent), kind=SpanKind.INTERNAL, attributes=told).end()

    async def close(self) -> None:
        """See `Traces.close`. What cannot be told in time is lost."""
        import threading

        closing = threading.Thread(target=self._provider.shutdown, daemon=True)  # nobody waits for it at the end of the process
        closing.start()
        loop = asyncio.get_running_loop()
        until = loop.time() + _CLOSING_SECONDS
        while closing.is_alive() and loop.time() < until:
            await asyncio.sleep(0.01)
        if closing.is_alive():
            log.warning("traces that were not taken yet are lost")


class _Trace:
    """See `Trace`."""

    def __init__(self, traces: OtelTraces, span: Span, redactor: Redactor | None, *, content: bool, api: str) -> None:
        self.content = content
        carried: dict[str, str] = {}
        _carrier.inject(carried, context=set_span_in_context(span))
        self.headers: Mapping[str, str] = carried
        self._traces = traces
        self._asked_at: float | None = traces.now()
        """When the request went out; None once its time to the first piece is known."""
        self._span = span
        self._redactor = redactor
        self._failed = False
        self._said = Said(api) if content else None
        self._answer: Answer | None = None
        self._verdict: Verdict | None = None

    def __enter__(self) -> Self:
        return self

    @_harmless
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, asyncio.CancelledError | ConnectionError):
            self.failed("cancelled")
        elif error is not None:
            self.failed(type(error).__name__)
        if self._said is not None and self._answer is not None:
            calls = () if self._verdict is None else self._verdict.decided
            parts = [*self._said.parts(), *map(proposed, calls)]
            message = {"role": "assistant", "parts": parts, "finish_reason": self._answer.finish_reason or "unknown"}
            self._span.set_attribute("gen_ai.output.messages", self.text([message]))
        self._span.end()

    @_harmless
    def began(self) -> None:
        """See `Trace.began`."""
        if self._asked_at is not None:
            self._span.set_attribute("gen_ai.response.time_to_first_chunk", self._traces.now() - self._asked_at)
            self._asked_at = None

    @_harmless
    def sent(self, data: bytes) -> None:
        """See `Trace.sent`."""
        if self._said is not None:
            self._said.add(data)

    @_harmless
    def answered(self, answer: Answer, verdict: Verdict | None, event: str) -> None:
        """See `Trace.answered`."""
        span = self._span
        if not span.is_recording():
            return
        self._answer, self._verdict = answer, verdict
        told: dict[str, Any] = {
            "gen_ai.response.id": _name(answer.id, self._redactor),
            "gen_ai.response.model": _name(answer.model, self._redactor),
            "gen_ai.response.finish_reasons": [_name(answer.finish_reason, self._redactor)] if answer.finish_reason else None,
            "agentgate.event.id": event,
        }
        if answer.usage is not None:
            told["gen_ai.usage.input_tokens"] = answer.usage.input_tokens
            told["gen_ai.usage.output_tokens"] = answer.usage.output_tokens
            if answer.usage.cached_tokens:
                told["gen_ai.usage.cache_read.input_tokens"] = answer.usage.cached_tokens
        span.set_attributes({key: value for key, value in told.items() if value not in (None, "")})
        if verdict is None:
            return
        span.set_attribute("agentgate.answer.released", verdict.released)
        for call in verdict.decided:
            self._traces.decide(call, span, content=self.content)
        if verdict.failure is not None:
            self.failed(str(verdict.failure.error["code"]))

    @_harmless
    def failed(self, kind: str) -> None:
        """See `Trace.failed`."""
        if not self._failed:
            self._failed = True
            self._span.set_attribute("error.type", kind)
            self._span.set_status(StatusCode.ERROR)

    def text(self, value: Json) -> str:
        """A value as an attribute, without what no record may hold."""
        kept = value if self._redactor is None else self._redactor.record_value(value)
        return json.dumps(kept, ensure_ascii=False)


def _told(asked: Asked, model: str, session: str | None) -> dict[str, Any]:
    """What is said about a request without its content."""
    body = asked.body
    told: dict[str, Any] = {name: body.get(name) for name in _NUMBERS}
    told = {f"gen_ai.request.{name}": float(value) for name, value in told.items() if type(value) in (int, float)}
    if model:
        told["gen_ai.request.model"] = model
    if asked.stream:
        told["gen_ai.request.stream"] = True
    if session is not None:
        told["gen_ai.conversation.id"] = session
    longest = next((body[name] for name in _LONGEST_ANSWERS if type(body.get(name)) is int), None)
    for name, value in (("max_tokens", longest), ("seed", body.get("seed")), ("choice.count", body.get("n"))):
        if type(value) is int and abs(value) < 1 << 63 and not (name == "choice.count" and value == 1):
            told[f"gen_ai.request.{name}"] = value
    return told


def _name(value: str | None, redactor: Redactor | None) -> str:
    """What somebody else called something, as it may be told."""
    if not value:
        return ""
    value = value[:_LONGEST]
    return value if redactor is None else redactor.record(value, OURS)
