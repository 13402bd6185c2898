"""What the two APIs have in common: a request as far as judging needs it, and an answer as far as it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from agentgate.core.events import Json, ToolCall, Usage
from agentgate.files.transcript import Item, Proposed

Headers: TypeAlias = Mapping[str, str]


class Asked(Struct, frozen=True, kw_only=True):
    """A request, strictly parsed."""

    body: dict[str, Json]
    raw: bytes
    """As the client sent it."""
    model: str
    stream: bool
    items: tuple[Item, ...]
    """The conversation as the run it was; the first item is a RunStarted with the tools that are offered now."""
    tools: tuple[dict[str, Json], ...]
    """In Chat Completions form."""
    tool_choice: Json
    """A word, or a mapping as in a task file."""
    legacy_calls: int = 0
    """How many calls in the old form `function_call` the conversation has. They have no ids, so they are numbered."""
    hosted: tuple[str, ...] = ()
    """Kinds of tools that it offers whose calls nobody could judge: most of them the provider executes itself."""
    continues: str | None = None
    """The field that names a conversation which only the provider knows; None where the request tells all of it."""
    foreign: str | None = None
    """What in it holds the result of a call that no message answers, and that nobody could judge; None where nothing does."""
    bound_by: tuple[str, ...] = ()
    """What the API calls the greatest length of an answer."""
    wants_usage: bool = True
    """Whether the client is to see the usage of a streamed answer."""


class Answer(Struct, frozen=True, kw_only=True):
    """An answer of the model, of any form, streamed or not, with everything in it that could be executed."""

    calls: tuple[ToolCall, ...] = ()
    """Of all its choices or items, in the order in which they go out."""
    finish_reason: str | None = None
    usage: Usage | None = None
    unusable: str | None = None
    """Why none of its calls may be executed: cut off, or a shape that is not understood."""
    id: str | None = None
    """The provider's own name for it."""
    model: str | None = None
    """Which model the provider says it is of."""


class Broken(Exception):
    """What came from upstream is no answer at all. The message says why, in lower case."""


class Whole(Protocol):
    """An answer that was not streamed."""

    answer: Answer

    def released(self) -> bytes:
        """The body for the client: what was judged, and nothing else that could be a call."""
        ...

    def untouched(self) -> bytes:
        """The body as it came, for observe mode."""
        ...


class Stream(Protocol):
    """A streamed answer. No I/O: bytes in, bytes out, and the output is the same however the input is cut."""

    started: bool
    """Whether anything was given out."""
    broken: Broken | None
    """Why nothing more of it needs to be read."""

    def feed(self, data: bytes) -> bytes:
        """Takes what came, and gives what may go out at once."""
        ...

    def end(self) -> Answer:
        """The upstream has said everything.

        Raises:
            Broken: it was cut off, or was no stream of answers.
        """
        ...

    def released(self) -> bytes:
        """The rest, once all calls are let through."""
        ...

    def untouched(self) -> bytes:
        """The rest as it came, for observe mode where it is not understood."""
        ...


class Api(Protocol):
    """One of the two APIs: a module."""

    PATH: str
    """Below the base URL."""

    def read_request(self, raw: bytes, limit: int) -> Asked:
        """See `envelope.BadRequest` for what it raises."""
        ...

    def read_answer(self, raw: bytes, asked: Asked) -> Whole:
        """An answer that was not streamed.

        Raises:
            Broken: it is none.
        """
        ...

    def open_stream(self, asked: Asked, *, hold: bool) -> Stream:
        """A stream; with `hold`, nothing goes out before the end."""
        ...

    def with_usage(self, asked: Asked) -> bytes:
        """The request's body, asking for the usage too where the policy needs to know it."""
        ...

    def contents(self, asked: Asked) -> list[Json]:
        """The contents of the results in the request, in the order of its items."""
        ...

    def with_contents(self, asked: Asked, contents: Sequence[Json]) -> Asked:
        """The request with other contents of its results, one for each."""
        ...

    def ask_again(self, asked: Asked, calls: Sequence[ToolCall], contents: Sequence[str]) -> Asked:
        """The request continued by calls that were withheld, and what the model is told about each."""
        ...


def no_longer_offered(asked: Asked) -> tuple[dict[str, Json], ...]:
    """Tools that the past called and that are not offered now: of their schemas nobody knows any more, but their calls count."""
    called = {item.call.name for item in asked.items if isinstance(item, Proposed) and isinstance(item.call.name, str)}
    missing = called - {tool["function"]["name"] for tool in asked.tools} if called else called
    anything = {"type": "object", "additionalProperties": True}
    return tuple({"type": "function", "function": {"name": name, "parameters": anything}} for name in sorted(missing))
