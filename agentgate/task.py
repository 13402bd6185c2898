"""What a task says, as data. Loading it is `agentgate.files`, running it `agentgate.loop`."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from agentgate.core.events import Digest, Json
from agentgate.core.findings import Place


class Price(Struct, frozen=True):
    """What a model costs, in USD per million tokens."""

    input: float
    output: float
    cached_input: float | None = None
    """None where cached tokens cost as much as others."""


class ModelSettings(Struct, frozen=True):
    """Which model to ask, and how."""

    provider: str
    """`openai` (Chat Completions), `openai-responses` (Responses) or `recorded`."""
    name: str = ""
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = None
    max_output_tokens: int | None = None
    price: Price | None = None

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}" if self.name else self.provider


class ToolEffect(StrEnum):
    """What executing a tool does to the world."""

    READ = "read"
    """Nothing: it only looks."""
    WRITE = "write"
    """Something, or nobody knows."""


class ToolSource(Struct, frozen=True):
    """One entry under `tools`: where a tool's code is, and what the task says about it."""

    python: str
    """As written: `support_tools.py:customer_db`."""
    file: str
    """The absolute path of the file; within the task's folder."""
    function: str
    name: str | None = None
    """What the model calls it; the function's name by default."""
    description: str | None = None
    parameters: dict[str, Json] | None = None
    """A JSON Schema in place of the one from type hints and docstring."""
    timeout_seconds: float = 30.0
    mock: Json | UnsetType = UNSET
    """What it answers in a dry run."""
    effect: ToolEffect = ToolEffect.WRITE
    place: Place | None = None


class Task(Struct, frozen=True):
    """A job for a model: a prompt, tools, and limits."""

    name: str
    prompt: str
    model: ModelSettings
    digest: Digest
    folder: str
    """Absolute; where its tools and its recording lie."""
    system: str | None = None
    recording: str | None = None
    """Absolute path of the transcript that `--model recorded` plays."""
    tools: tuple[ToolSource, ...] = ()
    tool_choice: Json = "auto"
    """`auto`, `required`, `none`, or a mapping: `mode`, with `allowed_tools` (names, or the word `policy`) or `required_function_name`."""
    max_steps: int | None = None
    place: Place | None = None
    """The top of the file."""
    source: str = ""
    """The file's name, as it was given."""
