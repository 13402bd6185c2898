"""Every way in which a provider fails, as one message with a way on. No message holds the key."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import openai
from msgspec import Struct

from agentgate.errors import ModelError
from agentgate.models.replies import error_text

_LATER = "try again later"


class Target(Struct, frozen=True):
    """What was asked, for messages about it."""

    url: str
    """The base URL, without anything secret in it."""
    model: str
    key_env: str
    key: str | None
    """Only to take it out of messages; None where none is set."""
    timeout: float
    """Seconds."""


class Refused(ModelError):
    """The server does not accept a request as it stands. Another form of it may be accepted."""

    def __init__(self, message: str, *, about: str, help: str | None = None) -> None:
        super().__init__(message, help=help)
        self.about = about
        """All that the server said."""

    def is_about(self, *words: str) -> bool:
        """Whether the server names one of these parts of the request."""
        return any(word in self.about for word in words)


def explain(error: Exception, target: Target) -> ModelError:
    """What an exception of the client means for the user.

    Raises:
        Exception: the error itself, where it is none that a provider or the network can cause.
    """
    match error:
        case ModelError():
            return error
        case openai.APIStatusError():
            return _status(error, target)
        case openai.APITimeoutError():
            return timed_out(target, connecting=any(isinstance(cause, httpx2.ConnectTimeout) for cause in _causes(error)))
        case openai.APIConnectionError():
            return _connection(error, target)
        case UnicodeEncodeError():
            return ModelError("the conversation holds half a character, which cannot be sent", help="look at the tools' results")
        case _:
            raise error


def timed_out(target: Target, *, connecting: bool = False) -> ModelError:
    """Nothing came in time."""
    if connecting:
        return ModelError(f"`{target.url}` cannot be reached: no connection in time", help="is the address right, and the network up?")
    return ModelError(f"`{target.url}` did not answer within {target.timeout:g} seconds", help=f"{_LATER}, or choose a faster model")


def too_long(target: Target, limit: int) -> ModelError:
    """An answer beyond all measure."""
    return ModelError(f"`{target.url}` sent an answer of more than {limit} bytes", help="set `max_output_tokens`")


def packed(target: Target, coding: str) -> ModelError:
    """An answer in a coding that was not asked for, whose real size cannot be known before it is unpacked."""
    return ModelError(
        f"`{target.url}` sent a compressed answer (`{coding[:40]}`), which was not asked for", help="turn compression off there"
    )


def given_up(target: Target) -> ModelError:
    """Somebody closed the model while it was being asked, or before."""
    return ModelError(f"the request to `{target.url}` was given up")


def _status(error: openai.APIStatusError, target: Target) -> ModelError:
    status, said = error.status_code, _said(error, target)
    if 300 <= status < 400:
        return _redirected(error, target)
    match status:
        case 401 if target.key is None:
            return ModelError(f"`{target.url}` wants a key, and `{target.key_env}` is not set", help="set it, or use `--model recorded`")
        case 401:
            # The provider's own words are left out: they quote parts of the key.
            return ModelError(
                f"`{target.url}` does not accept the key in `{target.key_env}`", help="check the key, or use `--model recorded`"
            )
        case 403:
            return ModelError(
                f"the key in `{target.key_env}` may not use `{target.model}`: {said}", help="choose another model, or ask its owner"
            )
        case 404:
            return _not_found(said, target)
        case 429:
            return _too_many(error, said, target)
        case 400 | 413 | 422:
            about = f"{said} {error.param or ''} {error.response.text[:10_000]}"
            return Refused(
                f"the provider refused the request ({status}): {said}", about=about, help="mend what it names, in the task's `model`"
            )
        case _ if status >= 500:
            return ModelError(f"the provider failed ({status}), also when asked again: {said}", help=_LATER)
        case _:
            return ModelError(f"the provider answered with status {status}: {said}", help=_LATER)


def _redirected(error: openai.APIStatusError, target: Target) -> ModelError:
    location = urlsplit(error.response.headers.get("location", ""))
    where = f"{location.scheme}://{location.hostname}" if location.hostname else "elsewhere"
    return ModelError(f"`{target.url}` redirects to `{where}`, which is not followed", help="put the final address into `base_url`")


def _not_found(said: str, target: Target) -> ModelError:
    if "model" in said.lower():
        return ModelError(f"`{target.url}` has no model `{target.model}`: {said}", help="check the name, or choose another with `--model`")
    return ModelError(f"there is nothing at `{target.url}` (404): {said}", help="check `base_url`; it usually ends in `/v1`")


def _too_many(error: openai.APIStatusError, said: str, target: Target) -> ModelError:
    if error.code == "insufficient_quota" or error.type == "insufficient_quota":
        return ModelError(f"the account of `{target.key_env}` has no credit left: {said}", help="look at its billing, or use another key")
    return ModelError(f"the provider takes no more requests now (429), also when asked again: {said}", help=_LATER)


def _connection(error: openai.APIConnectionError, target: Target) -> ModelError:
    causes = list(_causes(error))
    for cause in causes:
        match cause:
            case ModelError():
                return cause
            case socket.gaierror():
                host = urlsplit(target.url).hostname
                return ModelError(f"the host `{host}` of `{target.url}` is not known", help="check `base_url` and the network")
            case ConnectionRefusedError():
                return ModelError(f"nothing listens at `{target.url}`", help="start the server, or check `base_url`")
            case ssl.SSLCertVerificationError():
                reason = cause.verify_message
                return ModelError(
                    f"the certificate of `{target.url}` is not trusted: {reason}", help="check `base_url` and the machine's certificates"
                )
            case ssl.SSLError():
                return ModelError(
                    f"no secure connection to `{target.url}`", help="does the server speak HTTPS? if not, `base_url` starts with `http://`"
                )
            case _:
                pass
    if any(isinstance(cause, httpx2.ProxyError) for cause in causes):
        return ModelError(f"the proxy did not connect to `{target.url}`", help="check `HTTPS_PROXY` and `NO_PROXY`")
    if any(isinstance(cause, httpx2.RemoteProtocolError | httpx2.ReadError) for cause in causes):
        return ModelError(f"`{target.url}` broke off the connection before its answer was complete", help=_LATER)
    return ModelError(f"the connection to `{target.url}` failed", help="check `base_url` and the network")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that led to it. Bounded, for chains can be circular."""
    current: BaseException | None = error
    for _ in range(20):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__


def _said(error: openai.APIStatusError, target: Target) -> str:
    text = error_text(error.body)
    return text.replace(target.key, "[key]") if target.key else text
