"""Short ways to write policies, calls and sessions in stories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agentgate.core.events import Decision, Effect, Json, ToolCall
from agentgate.core.policy import Condition, Limit, Policy, Rule
from agentgate.session import Session

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def wait(self, seconds: float) -> None:
        """Lets time pass."""
        self.time += timedelta(seconds=seconds)


def conditions(tests: Mapping[str, Json] | None) -> tuple[Condition, ...]:
    """Conditions as a policy file writes them: a plain value, a list, or a mapping of operators."""
    found = []
    for argument, test in (tests or {}).items():
        operators = dict(test) if isinstance(test, dict) else {"in" if isinstance(test, list) else "equals": test}
        optional = bool(operators.pop("optional", False))
        found.append(Condition(argument, tuple(operators.items()), optional=optional))
    return tuple(found)


def rule(effect: str, tools: str | Sequence[str], *, id: str | None = None, when: Json = None, unless: Json = None, **more: Any) -> Rule:
    """A rule; its id is made from effect and tools where none is given."""
    names = (tools,) if isinstance(tools, str) else tuple(tools)
    return Rule(id or f"{effect}-{names[0]}", Effect(effect), names, when=conditions(when), unless=conditions(unless), **more)


def policy(*parts: Rule | Limit, default: str = "block", **more: Any) -> Policy:
    """A policy of these rules and limits."""
    rules = tuple(part for part in parts if isinstance(part, Rule))
    limits = tuple(part for part in parts if isinstance(part, Limit))
    return Policy("story", default=Effect(default), rules=rules, limits=limits, **more)


def limit(kind: str, value: float, tools: str | None = None, **more: Any) -> Limit:
    """A limit with the id that a file would give it."""
    return Limit(kind, value, tools, id=f"limits.tools.{tools}" if tools else f"limits.{kind}", **more)


def tool(name: str, parameters: Json = None) -> dict[str, Json]:
    """A tool in Chat Completions form."""
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {}} if parameters is None else parameters},
    }


def propose(session: Session, name: str, arguments: Json = None, *, id: str | None = None) -> Decision:
    """Proposes a call; a mapping is written as JSON, a text stands as it is."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return session.propose(ToolCall(id or f"call_{session.state.calls}", name, text))


def decision(wanted: Policy, name: str, arguments: Json = None, **setting: Any) -> Decision:
    """The decision on the first call of a run."""
    return propose(Session(wanted, **setting), name, arguments)
