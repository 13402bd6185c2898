"""Traces: a span for each request to the model, one for each decided call, and nothing of what was said unless it is wanted."""

from __future__ import annotations

import gzip
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from agentgate.core.events import PolicyDigest
from agentgate.core.policy import Limit
from agentgate.core.redaction.redactor import Redactor
from agentgate.errors import UsageError
from agentgate.gateway.judging import Bench
from agentgate.gateway.otel import OtelTraces
from agentgate.gateway.otel_export import open_traces
from agentgate.session import prepare
from tests.core.building import Clock, policy, rule
from tests.gateway.judged import bench
from tests.gateway.processes import Process
from tests.gateway.serving import STORY, Served, call_delta, sse
from tests.scripted_server import Answer, Request, ScriptedServer, call, chat, error

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "s3cr3t-value-of-a-key"
POLICY = """
version: 1
name: small
rules:
  - {id: reading, allow: read}
"""


class Watched:
    """A gateway whose spans are kept."""

    def __init__(self, folder: Path, upstream: ScriptedServer | str, *, content: bool = False, **options: Any) -> None:
        self._kept = InMemorySpanExporter()
        self._seconds = count(1.0)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        url = upstream if isinstance(upstream, str) else upstream.url
        self.served = Served(folder, upstream, traces=lambda: OtelTraces(provider, url, content=content, now=self.now), **options)

    def now(self) -> float:
        """A second later each time that somebody asks."""
        return next(self._seconds)

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Those that have ended, the gateway being closed or not."""
        return [span for span in self._kept.get_finished_spans() if span.name.startswith(name)]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_request_is_a_span_by_the_conventions(tmp_path: Path) -> None:
    """It says who was asked for what, what came back and what it took; a decided call is a span below it."""
    with ScriptedServer(chat(calls=[call("read", {"path": "secret.txt"})])) as upstream:
        watched = Watched(tmp_path, upstream)
        with watched.served as gateway:
            gateway.ask(session="s1", max_tokens=50, temperature=0.5)
        [request], [decision] = watched.spans("chat m"), watched.spans("decide read")
    found = attributes(request)
    assert request.kind is SpanKind.CLIENT
    assert request.status.status_code is StatusCode.UNSET
    host, _, port = upstream.address.partition(":")
    assert found.pop("agentgate.event.id").startswith("evt_")
    assert found.pop("gen_ai.response.id")
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "openai.api.type": "chat_completions",
        "server.address": host,
        "server.port": int(port),
        "gen_ai.request.model": "m",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.conversation.id": "s1",
        "gen_ai.response.model": "scripted",
        "gen_ai.response.finish_reasons": ("tool_calls",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "agentgate.answer.released": True,
    }
    assert decision.kind is SpanKind.INTERNAL
    assert decision.parent is not None
    assert request.context is not None
    assert decision.parent.span_id == request.context.span_id
    told = attributes(decision)
    assert told.pop("gen_ai.tool.call.id")
    assert told == {
        "gen_ai.tool.name": "read",
        "agentgate.decision.effect": "allow",
        "agentgate.decision.code": "rule",
        "agentgate.decision.rule": "allow-read",
        "agentgate.decision.enforced": True,
        "agentgate.decision.withheld": False,
    }


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_a_withheld_answer_is_an_error(tmp_path: Path, streamed: bool) -> None:
    """The error type is what the client was told; the decision tells effect and code, and no word of arguments."""
    delta = call_delta("delete", '{"path":"secret.txt"}')
    answer = sse(delta, finish="tool_calls") if streamed else chat(calls=[call("delete", {"path": "secret.txt"})])
    with ScriptedServer(answer) as upstream:
        watched = Watched(tmp_path, upstream)
        with watched.served as gateway:
            assert gateway.ask(stream=streamed).status == 409
        [request], [decision] = watched.spans("chat m"), watched.spans("decide delete")
    assert attributes(request)["error.type"] == "tool_blocked"
    assert attributes(request)["agentgate.answer.released"] is False
    assert attributes(request).get("gen_ai.request.stream", False) is streamed
    assert request.status.status_code is StatusCode.ERROR
    assert attributes(decision)["agentgate.decision.effect"] == "block"
    assert attributes(decision)["agentgate.decision.withheld"] is True
    assert "secret" not in repr([attributes(span) for span in watched.spans()])


def test_a_stream_tells_when_it_began(tmp_path: Path) -> None:
    """In seconds after the request, of its first piece alone; an answer in one piece has no such moment."""
    with ScriptedServer(sse({"content": "he"}, {"content": "llo"}, finish="stop"), chat("hello")) as upstream:
        watched = Watched(tmp_path, upstream)
        with watched.served as gateway:
            gateway.ask(stream=True)
            gateway.ask()
        streamed, whole = watched.spans("chat m")
    assert attributes(streamed)["gen_ai.response.time_to_first_chunk"] == 1.0
    assert "gen_ai.response.time_to_first_chunk" not in attributes(whole)


def test_the_trace_of_the_client_goes_on_to_the_upstream(tmp_path: Path) -> None:
    """The span belongs to the client's trace, and the upstream is told of the span in its place."""
    with ScriptedServer(chat("hello"), chat("hello")) as upstream:
        watched = Watched(tmp_path, upstream)
        with watched.served as gateway:
            gateway.ask(headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"})
            gateway.ask(headers={"traceparent": "no such thing\tat all"})
        first, second = watched.spans("chat m")
        assert first.context is not None
        assert second.context is not None
        assert first.parent is not None
        assert (f"{first.context.trace_id:032x}", f"{first.parent.span_id:016x}") == (TRACE, PARENT)
        assert second.parent is None
        assert upstream.requests[0].headers["traceparent"] == f"00-{TRACE}-{first.context.span_id:016x}-01"
        assert upstream.requests[0].headers["tracestate"] == "a=b"
        assert upstream.requests[1].headers["traceparent"].split("-")[1] == f"{second.context.trace_id:032x}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(500, "no"), "500"),
        (Answer(b"not json", headers={"content-type": "application/json"}), "broken"),
        (Answer(cut_at=0), "broken"),
    ],
    ids=["status", "not-json", "cut-off"],
)
def test_an_upstream_that_fails_is_named(tmp_path: Path, answer: Answer, kind: str) -> None:
    """The error type is the status, or what kind of failure it was."""
    with ScriptedServer(answer) as upstream:
        watched = Watched(tmp_path, upstream)
        with watched.served as gateway:
            gateway.ask()
        [request] = watched.spans()
    assert attributes(request)["error.type"] == kind


def test_what_may_not_even_be_asked_is_told(tmp_path: Path) -> None:
    """A request that a limit refuses is a span with an error, although nobody was asked."""
    on = policy(rule("allow", "read"), Limit("steps", 0, id="limits.steps"))
    with ScriptedServer() as upstream:
        watched = Watched(tmp_path, upstream, on=on)
        with watched.served as gateway:
            assert gateway.ask().status == 409
        [request] = watched.spans()
    assert attributes(request)["error.type"] == "budget_exceeded"
    assert not upstream.requests


def test_each_request_of_a_repair_is_a_span(tmp_path: Path) -> None:
    """Models that are asked again are asked twice."""
    with ScriptedServer(chat(calls=[call("delete")]), chat("well then")) as upstream:
        watched = Watched(tmp_path, upstream, repair=True)
        with watched.served as gateway:
            assert gateway.ask().status == 200
    assert [attributes(span).get("error.type") for span in watched.spans("chat m")] == ["tool_blocked", None]


def test_content_is_told_where_it_is_wanted_and_redacted(tmp_path: Path) -> None:
    """Messages, arguments and what the client got of the answer, without the values of secrets."""
    on = Bench(
        policy=prepare(STORY),
        digest=PolicyDigest(STORY.name, STORY.sha256),
        mode=bench(STORY).mode,
        role=None,
        clock=Clock(),
        workdir="/",
        redactor=Redactor((), {"KEY": SECRET}),
    )
    answer = sse({"content": "Let me "}, {"content": f"see {SECRET}"}, call_delta("read", json.dumps({"key": SECRET})), finish="tool_calls")
    with ScriptedServer(answer) as upstream:
        watched = Watched(tmp_path, upstream, content=True, on=lambda: on)
        with watched.served as gateway:
            assert gateway.ask(stream=True, text=f"the key is {SECRET}").status == 200
        [request], [decision] = watched.spans("chat m"), watched.spans("decide read")
    asked = json.loads(attributes(request)["gen_ai.input.messages"])
    got = json.loads(attributes(request)["gen_ai.output.messages"])
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": "the key is [redacted:$KEY]"}]}]
    assert [part["type"] for part in got[0]["parts"]] == ["text", "tool_call"]
    assert got[0]["parts"][0]["content"].startswith("Let me see ")
    assert got[0]["finish_reason"] == "tool_calls"
    assert json.loads(attributes(decision)["gen_ai.tool.call.arguments"]) == {"key": "[redacted:$KEY]"}
    assert SECRET not in repr([attributes(span) for span in watched.spans()])


def test_a_trace_that_fails_costs_no_answer(tmp_path: Path) -> None:
    """Whatever goes wrong in telling, the client does not notice."""

    class Broken(TracerProvider):
        def get_tracer(self, *arguments: Any, **more: Any) -> Any:
            return None

    with (
        ScriptedServer(chat("hello")) as upstream,
        Served(tmp_path, upstream, traces=lambda: OtelTraces(Broken(shutdown_on_exit=False), upstream.url)) as gateway,
    ):
        assert gateway.ask().status == 200


def test_spans_reach_a_collector(tmp_path: Path) -> None:
    """`serve --otel` sends them by OTLP over HTTP to where the standard variables say, under the name of the service."""
    collector = ScriptedServer(*[Answer(headers={"content-type": "application/x-protobuf"})] * 5)
    environ = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_HEADERS": "x-team=blue"}
    with collector, ScriptedServer(chat(calls=[call("read")])) as upstream:
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{collector.address}"
        with Process(tmp_path, upstream.url, "--otel", policy=POLICY, environ=environ) as gateway:
            assert gateway.ask(("read",)).status == 200
        spans = [span for request in collector.requests for span in _spans(request)]
    assert sorted(span.name for span in spans) == ["chat m", "decide read"]
    [first, *_] = collector.requests
    assert first.path == "/v1/traces"
    assert first.headers["x-team"] == "blue"
    assert b"agentgate" in gzip.decompress(first.raw)


def test_a_collector_that_is_not_there_is_told_of_once(tmp_path: Path) -> None:
    """Answers are as ever, the end does not wait for it, and the operator reads one line."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with ScriptedServer(*[chat("hello")] * 4) as upstream:
        with Process(tmp_path, upstream.url, "--otel", policy=POLICY, environ=environ) as gateway:
            assert [gateway.ask().status for _ in range(3)] == [200, 200, 200]
            gateway.wait_for("traces are not taken by http://127.0.0.1:9")
            assert gateway.ask().status == 200
        assert gateway.process.returncode == 0
    assert gateway.said.count("traces are not taken") == 1
    assert "Traceback" not in gateway.said


@pytest.mark.parametrize(
    ("environ", "content", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False, "by `grpc`"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, False, "no address"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318"}, True, "not encrypted"),
    ],
    ids=["grpc", "no-url", "not-encrypted"],
)
def test_what_cannot_be_done_is_said_at_the_start(environ: dict[str, str], content: bool, said: str) -> None:
    """Variables that ask for something else are no reason to send traces elsewhere, or nowhere."""
    with pytest.raises(UsageError, match=said):
        open_traces("http://localhost:1/v1", environ, content=content)


def _spans(request: Request) -> list[Any]:
    told = ExportTraceServiceRequest.FromString(gzip.decompress(request.raw))
    return [span for resource in told.resource_spans for scope in resource.scope_spans for span in scope.spans]
