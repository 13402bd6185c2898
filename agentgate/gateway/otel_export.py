"""Where OpenTelemetry's spans go: by OTLP over HTTP, as its own variables say, from a thread of its own. What cannot be sent is dropped."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from agentgate import __version__
from agentgate.errors import UsageError
from agentgate.gateway.otel import OtelTraces
from agentgate.gateway.settings import is_loopback
from agentgate.output.safe import safe

log = logging.getLogger("agentgate.gateway")

_ENDPOINT = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOL = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_DEFAULT = "http://localhost:4318"


def open_traces(upstream: str, environ: Mapping[str, str], *, content: bool) -> OtelTraces:
    """Traces that are exported.

    Args:
        upstream: the base URL of the model's server.
        environ: the variables of the process, which the exporter reads, too.
        content: whether spans hold what was said.

    Raises:
        UsageError: the variables ask for something that is not there, or would not be safe.
    """
    endpoint = _first(environ, _ENDPOINT) or _DEFAULT
    protocol = _first(environ, _PROTOCOL) or "http/protobuf"
    if protocol != "http/protobuf":
        raise UsageError(f"traces cannot be sent by `{protocol}`", help=f"unset {_PROTOCOL[1]}, or set it to http/protobuf (port 4318)")
    split = urlsplit(endpoint)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise UsageError(f"`{endpoint}` is no address that traces can be sent to", help=f"{_ENDPOINT[1]} is for instance {_DEFAULT}")
    if content and split.scheme == "http" and not is_loopback(split.hostname):
        raise UsageError(
            f"`{endpoint}` is not encrypted, so conversations would cross the network for all to read",
            help="use https://, or a collector here",
        )
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would tell of each try; `_Quiet` tells once
    try:
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(_Quiet(OTLPSpanExporter(), f"{split.scheme}://{split.netloc.rpartition('@')[2]}")))
    except Exception as error:  # whatever it does not like about its variables
        raise UsageError(f"traces cannot be set up: {type(error).__name__}: {error}", help="look at the OTEL_… variables") from None
    return OtelTraces(provider, upstream, content=content)


def _first(environ: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _resource() -> Resource:
    made = Resource.create({SERVICE_VERSION: __version__})
    if str(made.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        made = made.merge(Resource({SERVICE_NAME: "agentgate"}))
    return made


class _Quiet(SpanExporter):
    """Says once that a collector cannot be reached, and once that it can be again."""

    def __init__(self, exporter: SpanExporter, where: str) -> None:
        self._exporter = exporter
        self._where = safe(where)
        self._reached = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends spans; whatever is the matter, it does not raise."""
        try:
            result = self._exporter.export(spans)
        except Exception:
            result = SpanExportResult.FAILURE
        reached = result is SpanExportResult.SUCCESS
        if reached is not self._reached:
            self._reached = reached
            if reached:
                log.info("traces are taken by %s again", self._where)
            else:
                log.warning("traces are not taken by %s; they are dropped until they are", self._where)
        return result

    def shutdown(self) -> None:
        """Ends it."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)
