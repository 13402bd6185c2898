"""Who proposes: providers of language models, one file each, behind the `Model` protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgate.core.events import Event
from agentgate.errors import UsageError
from agentgate.models.port import Model, Reply
from agentgate.task import ModelSettings

if TYPE_CHECKING:
    from agentgate.models.connection import Connection

TIMEOUT_SECONDS = 600.0
"""How long one request may take, with all its retries."""

MAX_RETRIES = 2
"""How often the client asks again where the server is busy or the connection broke."""


class Opening(Struct, frozen=True):
    """What a provider may need to know."""

    settings: ModelSettings
    environ: Mapping[str, str]
    recording: Iterable[Reply | Event] | None
    timeout: float
    max_retries: int


def _openai(opening: Opening) -> Model:
    from agentgate.models.openai_chat import OpenAIChat

    return OpenAIChat(opening.settings, _connect(opening))


def _openai_responses(opening: Opening) -> Model:
    from agentgate.models.openai_responses import OpenAIResponses

    return OpenAIResponses(opening.settings, _connect(opening))


def _connect(opening: Opening) -> Connection:
    from agentgate.models.connection import Connection

    return Connection(opening.settings, opening.environ, timeout=opening.timeout, max_retries=opening.max_retries)


def _recorded(opening: Opening) -> Model:
    from agentgate.models.recorded import RecordedModel

    if opening.recording is None:
        raise UsageError("there is no recording to play", help="name one under `recording` in the task, or use `--model openai:NAME`")
    return RecordedModel(opening.recording)


PROVIDERS: Mapping[str, Callable[[Opening], Model]] = {
    "openai": _openai,
    "openai-responses": _openai_responses,
    "recorded": _recorded,
}
"""The word before the colon in `model: PROVIDER:NAME` → how to open it. Imports happen only then."""


def open_model(
    settings: ModelSettings,
    *,
    environ: Mapping[str, str],
    recording: Iterable[Reply | Event] | None = None,
    timeout: float = TIMEOUT_SECONDS,
    max_retries: int = MAX_RETRIES,
) -> Model:
    """Prepares a model to be asked. Nothing is sent yet; what is missing is said now. Its answers tell their cost where the price is known.

    Args:
        settings: which model, from the task.
        environ: where the key is, under the name `settings.api_key_env`.
        recording: what `recorded` plays: the events of a transcript, or ready replies.
        timeout: seconds for one request with all its retries.
        max_retries: how often the client asks again by itself.

    Raises:
        UsageError: the provider is unknown, or the settings do not suffice.
        ModelError: there is no key.
    """
    provider = PROVIDERS.get(settings.provider)
    if provider is None:
        raise UsageError(f"unknown provider `{settings.provider}`", help=f"one of {', '.join(PROVIDERS)}")
    model = provider(Opening(settings, environ, recording, timeout, max_retries))
    from agentgate.models.prices import PricedModel, pricing

    price = pricing(settings, environ)
    return model if price is None else PricedModel(model, price)
