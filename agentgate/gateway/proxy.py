"""The upstream: one address from the operator, headers by list in both directions, no redirects, answers of a bounded size."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.gateway.errors import Failure, failure, upstream
from agentgate.gateway.http.client import Line, Unreachable
from agentgate.gateway.http.client_connection import BrokenOff
from agentgate.gateway.http.incoming import Incoming, TooLong
from agentgate.gateway.http.messages import Headers
from agentgate.gateway.settings import Settings
from agentgate.models.replies import MAX_ANSWER_BYTES, error_text

_TRACE = ("traceparent", "tracestate")
_UNTRACED: Mapping[str, str] = {}

TO_UPSTREAM = (
    "content-type",
    "accept",
    "user-agent",
    "openai-organization",
    "openai-project",
    "openai-beta",
    "idempotency-key",
    "x-client-request-id",
    *_TRACE,
)
"""Headers of a request that go on. Authorization goes by the settings."""

TO_CLIENT = (
    "x-request-id",
    "openai-organization",
    "openai-processing-ms",
    "openai-version",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
)
"""Headers of an answer that go back."""


class UpstreamFailed(Exception):
    """The upstream gave no answer. Carries what the client is told, and a kind for the metrics."""

    def __init__(self, kind: str, told: Failure, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.told = told
        self.headers = headers or {}


class Upstream:
    """Asks the upstream. Made inside a running loop."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.upstream_key
        self._passes = settings.passes_client_key
        self._line = Line(settings.upstream)

    async def close(self) -> None:
        """Gives back its connections."""
        await self._line.close()

    async def ask(
        self, method: str, path: str, headers: Headers, body: bytes | None = None, trace: Mapping[str, str] = _UNTRACED
    ) -> Incoming:
        """Sends a request; gives the answer with its head read. Whoever gets it must close or release it.

        Args:
            method: `GET` or `POST`.
            path: below the base URL.
            headers: as the client sent them.
            body: what to send.
            trace: headers that tell of the trace it belongs to, in place of the client's own.

        Raises:
            UpstreamFailed: there was no answer, or one that is none.
        """
        try:
            response = await self._line.ask(method, path, self._headers(headers, trace), body)
        except ssl.SSLCertVerificationError:
            raise UpstreamFailed("tls", upstream("the certificate of the upstream is not trusted")) from None
        except ssl.SSLError:
            raise UpstreamFailed("tls", upstream("no secure connection to the upstream")) from None
        except TimeoutError:
            raise UpstreamFailed("timeout", upstream("no connection to the upstream in time", status=504)) from None
        except Unreachable:
            raise UpstreamFailed("unreachable", upstream("the upstream cannot be reached")) from None
        except (BrokenOff, OSError, ValueError):
            raise UpstreamFailed("broken", upstream("the upstream broke off before its answer began")) from None
        if response.status != 200:
            try:
                raise await self._failed(response)
            finally:
                response.close()
        return response

    def _headers(self, given: Headers, trace: Mapping[str, str]) -> dict[str, str]:
        headers = {name: given[name] for name in TO_UPSTREAM if name in given}
        if trace:
            for name in _TRACE:
                headers.pop(name, None)
            headers |= trace
        headers["accept-encoding"] = "identity"
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key}"
        elif self._passes and "authorization" in given:
            headers["authorization"] = given["authorization"]
        return headers

    async def _failed(self, response: Incoming) -> UpstreamFailed:
        """What a status other than 200 means."""
        status, headers = response.status, kept_headers(response)
        if status < 400:
            told = "redirects elsewhere, which is not followed" if status >= 300 else f"answered with the status {status}"
            return UpstreamFailed("redirect" if status >= 300 else "status", upstream(f"the upstream {told}"))
        try:
            body = parse_json(await read_all(response), limit=MAX_ANSWER_BYTES)
        except InvalidJson:
            body = None
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict):
            return UpstreamFailed("status", Failure(status, error), headers)
        said = error_text(body) if isinstance(body, dict) else "no reason given"
        if status >= 500:
            return UpstreamFailed("status", upstream(f"the upstream failed with the status {status}: {said}"), headers)
        return UpstreamFailed("status", failure(status, "upstream_error", said), headers)


def kept_headers(response: Incoming) -> dict[str, str]:
    """The headers of an answer that may go back."""
    given = response.headers
    return {name: given[name] for name in TO_CLIENT if name in given}


async def read_all(response: Incoming) -> bytes:
    """The whole body, unpacked where it came packed.

    Raises:
        UpstreamFailed: it is too long, or was cut off.
    """
    try:
        return await response.read(MAX_ANSWER_BYTES)
    except TooLong:
        response.close()
        raise UpstreamFailed("too_long", upstream(f"the upstream's answer is longer than {MAX_ANSWER_BYTES} bytes")) from None
    except BrokenOff:
        response.close()
        raise UpstreamFailed("broken", upstream("the upstream broke off in the midst of its answer")) from None


def is_list_of_models(raw: bytes) -> bool:
    """Whether a body is what `/models` answers: an object, strictly read."""
    try:
        return isinstance(parse_json(raw, limit=MAX_ANSWER_BYTES), dict)
    except InvalidJson:
        return False
