"""A call that was tried, and what it looks like in a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from agentgate.core.events import Decision, Effect, Json

Arguments: TypeAlias = Mapping[str, Json]
_LONGEST_VALUE = 100
_FATES = {Effect.ALLOW: "passes", Effect.ASK: "is only asked about", Effect.BLOCK: "is blocked"}


class Trial(Struct, frozen=True):
    """A call and what became of it."""

    tool: str
    arguments: Arguments
    role: str | None
    after: tuple[str, ...]
    """Tools that had returned before."""
    decision: Decision

    @property
    def passes(self) -> bool:
        """Whether the call is let through without a question."""
        return self.decision.effect is Effect.ALLOW

    def __str__(self) -> str:
        extra = [f"role {self.role}"] if self.role is not None else []
        if self.after:
            extra.append(f"after {', '.join(self.after)}")
        return call_text(self.tool, self.arguments) + (f" ({', '.join(extra)})" if extra else "")

    @property
    def fate(self) -> str:
        """What becomes of the call, as a verb."""
        return _FATES[self.decision.effect]

    @property
    def says(self) -> str:
        """The call with its fate: the sentence that goes under a warning."""
        return self.told(self.fate)

    def told(self, what: str) -> str:
        """The same with other words for what the call does."""
        return f"this call {what}: {self}"


def call_text(tool: str, arguments: Arguments) -> str:
    """A call as people write it: `search_database(query="DROP")`. Still untrusted text: whoever shows it makes it safe."""
    return f"{tool}({', '.join(f'{name}={value_text(value)}' for name, value in arguments.items())})"


def value_text(value: Json) -> str:
    """A value as JSON, but with the characters of strings as they are, so that `safe` escapes each once; cut in the middle if long."""
    text = _plain(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 21]}…{text[-20:]}"


def _plain(value: Json) -> str:
    match value:
        case str():
            return '"' + value.replace('"', '\\"') + '"'
        case Mapping():
            return "{" + ", ".join(f"{_plain(key)}: {_plain(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_plain, value)) + "]"
    return json.dumps(value)
