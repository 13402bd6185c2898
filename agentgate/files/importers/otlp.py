"""Traces of OpenTelemetry as OTLP JSON, with what the GenAI conventions record about models and tools.

A line, or a file, is an `ExportTraceServiceRequest` {resourceSpans} or an `ExportLogsServiceRequest` {resourceLogs}
(github.com/open-telemetry/opentelemetry-proto, `docs/specification.md` on its JSON). How messages are recorded there is `genai_spans`.

The spans of one trace belong together even where they stand in different lines. Those whose input goes on from what was said before are
one transcript; a span with another history (a subagent, a history that was shortened) begins a new one, which repeats what its history
tells. Calls that only `execute_tool` spans know are a transcript of their own, `…/tools`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from agentgate.core.events import Json
from agentgate.files.importers.assembly import expect
from agentgate.files.importers.genai_spans import Record, record_of_event, record_of_span
from agentgate.files.importers.genai_traces import Trace
from agentgate.files.importers.lines import parsed
from agentgate.files.transcript import Damage, InvalidTranscript, Transcript

MAX_PENDING = 32 * 1024 * 1024
"""Bytes of lines whose traces are still open, at most: then the oldest traces are read as they are."""


def recognises(value: Json) -> bool:
    """Whether a value is an export of spans or of logs."""
    return isinstance(value, dict) and any(isinstance(value.get(key), list) for key in ("resourceSpans", "resourceLogs"))


def read_lines(lines: Iterable[tuple[int, bytes]], file: str, *, limit: int = MAX_PENDING) -> Iterator[Transcript | Damage]:
    """Every conversation of every trace. What is not understood spoils its trace, and leaves the others.

    Args:
        lines: with their numbers.
        file: what it is called.
        limit: bytes of lines to hold at once.
    """
    traces: dict[str, Trace] = {}
    closed: set[str] = set()
    anything = False
    held = 0
    for number, line in lines:
        for _, value in parsed([(number, line)], file):
            if isinstance(value, Damage):
                anything = True
                yield value
                continue
            for found in _take(value, number, file, traces, closed):
                anything = True
                yield found
        held += len(line)
        while held > limit and traces:
            anything = True
            oldest = next(iter(traces))
            closed.add(oldest)
            held -= held // len(traces)
            yield from traces.pop(oldest).read(file)
    for trace in traces.values():
        anything = True
        yield from trace.read(file)
    if not anything:
        yield Damage(file, 1, "no span or event in it is about a model or a tool")


def _take(value: Json, number: int, file: str, traces: dict[str, Trace], closed: set[str]) -> Iterator[Damage]:
    """Adds an export to the traces that it belongs to."""
    try:
        for trace_id, entry, reader in _entries(value):
            trace = traces.get(trace_id)
            record: Record | str | None
            try:
                record = reader(entry)
            except InvalidTranscript as error:
                record = str(error)
            if record is None:
                continue
            if trace_id in closed:
                yield Damage(file, number, f"the trace `{trace_id}` goes on after it was read: too much of others stands between")
                continue
            if trace is None:
                trace = traces[trace_id] = Trace(trace_id or f"{file}:{number}", number)
            trace.take(record, number)
    except InvalidTranscript as error:
        yield Damage(file, number, str(error))


def _entries(value: Json) -> Iterator[tuple[str, dict[str, Json], Callable[[dict[str, Json]], Record | None]]]:
    """The spans and the log records of an export, each with its trace and what reads it."""
    expect(recognises(value), "not an export of OpenTelemetry")
    for span in _below(value, "resourceSpans", ("scopeSpans", "instrumentationLibrarySpans"), "spans"):
        yield _trace_of(span), span, record_of_span
    for entry in _below(value, "resourceLogs", ("scopeLogs",), "logRecords"):
        yield _trace_of(entry), entry, record_of_event


def _below(value: dict[str, Json], outer: str, middle: Sequence[str], inner: str) -> Iterator[dict[str, Json]]:
    for resource in _objects(value.get(outer), outer):
        for key in middle:
            for scope in _objects(resource.get(key), key):
                yield from _objects(scope.get(inner), inner)


def _trace_of(span: dict[str, Json]) -> str:
    trace_id = span.get("traceId")
    return trace_id if isinstance(trace_id, str) else ""


def _objects(value: Json, name: str) -> list[dict[str, Json]]:
    items = [] if value is None else value
    expect(isinstance(items, list) and all(isinstance(item, dict) for item in items), f"`{name}` is not a list of objects")
    return list(items)
