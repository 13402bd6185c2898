"""What a task says, as data. Loading it is `agentgate.files`, running it `agentgate.loop`."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

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


class Placeholder(Struct, frozen=True):
    """Where the value of an argument goes."""

    name: str
    spread: bool = False
    """Whether the argument is a list, each item of which stands by itself: `{names...}`."""


Template: TypeAlias = tuple[str | Placeholder, ...]
"""Text with arguments in it; one part for a text without any."""


class PythonFunction(Struct, frozen=True):
    """A tool in a Python file."""

    file: str
    """The absolute path of the file; within the task's folder."""
    function: str


class CommandLine(Struct, frozen=True):
    """A tool that is a program with arguments. No shell ever sees it."""

    argv: tuple[Template, ...]
    """The program, which is fixed, and its arguments."""
    workdir: str = "."
    """Where it runs: a folder in the run's working directory, relative to that."""
    env: tuple[str, ...] = ()
    """The environment variables that it gets, besides the few that every program needs."""
    max_output_bytes: int = 65_536
    """Of standard output, and as much of standard error."""


class HttpRequest(Struct, frozen=True):
    """A tool that is one request to a server that the task names."""

    method: str
    origin: str
    """`https://host` or `https://host:port`; fixed."""
    path: tuple[Template, ...] = ()
    """The segments of the path, each without its slash."""
    query: tuple[tuple[str, Template], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Names and values; `${NAME}` in a value stands for an environment variable."""
    json: Json | UnsetType = UNSET
    """The body; its texts are templates already."""
    form: tuple[tuple[str, Template], ...] | None = None
    max_output_bytes: int = 262_144
    """Of the answer's body."""


class ToolSource(Struct, frozen=True, kw_only=True):
    """One entry under `tools`: what it executes, and what the task says about it."""

    name: str
    """What the model calls it."""
    runs: PythonFunction | CommandLine | HttpRequest
    description: str | None = None
    parameters: dict[str, Json] | None = None
    """A JSON Schema; None for a Python function that is described by its type hints and docstring."""
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
