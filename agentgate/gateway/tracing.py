"""Traces of requests to the model, as a port: `otel` tells OpenTelemetry of them, and by default nobody is told."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from agentgate.core.redaction.redactor import Redactor
from agentgate.gateway.judging import Verdict
from agentgate.gateway.shapes import Answer, Asked


class Trace(Protocol):
    """One request to the model, while it is entered. Nothing about it fails or waits."""

    headers: Mapping[str, str]
    """What the upstream is told, so that its own spans belong to this one. Without any, the client's own word goes through."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def began(self) -> None:
        """Something of a stream has come; only the first time counts."""
        ...

    def sent(self, data: bytes) -> None:
        """The client got this part of the answer."""
        ...

    def answered(self, answer: Answer, verdict: Verdict | None, event: str) -> None:
        """There is an answer, and what was decided about it; without a verdict, there was nothing to decide."""
        ...

    def failed(self, kind: str) -> None:
        """It came to nothing; the first word about why is kept."""
        ...


class Traces(Protocol):
    """Who is told."""

    def begin(self, asked: Asked, api: str, session: str | None, headers: Mapping[str, str], redactor: Redactor | None) -> Trace:
        """A request to the model.

        Args:
            asked: the request.
            api: what the API is called in records.
            session: as the client named it.
            headers: as the client sent them, for the trace that it belongs to.
            redactor: what no record may hold, no trace may either.
        """
        ...

    async def close(self) -> None:
        """Tells what was not told yet, in a few seconds at most."""
        ...


class _Untraced:
    """Nobody is told."""

    headers: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def began(self) -> None:
        """See `Trace.began`."""

    def sent(self, data: bytes) -> None:
        """See `Trace.sent`."""

    def answered(self, answer: Answer, verdict: Verdict | None, event: str) -> None:
        """See `Trace.answered`."""

    def failed(self, kind: str) -> None:
        """See `Trace.failed`."""


UNTRACED: Trace = _Untraced()


class NoTraces:
    """See `Traces`. The default."""

    def begin(self, asked: Asked, api: str, session: str | None, headers: Mapping[str, str], redactor: Redactor | None) -> Trace:
        """See `Traces.begin`."""
        return UNTRACED

    async def close(self) -> None:
        """See `Traces.close`."""
