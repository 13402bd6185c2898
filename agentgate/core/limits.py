"""Limits as block rules: each has an id, is reached or not, and says why."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from agentgate.core.policy import Limit, Policy, expand
from agentgate.core.rules import Selector
from agentgate.core.state import State

OF_REQUESTS = frozenset(("steps", "tokens", "cost_usd", "seconds", "refusals"))
"""The kinds that keep the model from being asked again; reaching one of them ends the run."""
OF_CALLS = frozenset(("tool_calls", "calls", "tokens", "cost_usd", "seconds", "repeats", "refusals"))
"""The kinds that block a tool call."""


_USED: dict[str, Callable[[State, str], float]] = {
    "steps": lambda state, key: state.steps,
    "tool_calls": lambda state, key: state.let_through,
    "tokens": lambda state, key: state.input_tokens + state.output_tokens,
    "cost_usd": lambda state, key: state.cost_usd or 0.0,
    "seconds": lambda state, key: state.seconds,
    "repeats": lambda state, key: state.repeats.get(key) or 0,
    "refusals": lambda state, key: state.refusals,
}
"""How much of a limit is used up, by its kind; `key` is the call's `repeat_key`."""


class CompiledLimit:
    """A limit, ready to judge."""

    __slots__ = ("_used", "id", "kind", "limit", "selector", "value")

    def __init__(self, limit: Limit, policy: Policy) -> None:
        self.limit = limit
        self.id = limit.id
        self.kind = limit.kind
        self.value = limit.value
        self.selector = None if limit.tools is None else Selector(expand(policy, (limit.tools,)), (limit.tools,))
        self._used = self._calls if limit.kind == "calls" else _USED[limit.kind]

    def counts(self, tool: str) -> bool:
        """Whether calls of this tool use it up."""
        return self.selector is None or tool in self.selector

    def _calls(self, state: State, _key: str) -> float:
        assert self.selector is not None
        if not self.selector.globs and len(self.selector.exact) == 1:
            return state.calls_by_tool.get(next(iter(self.selector.exact))) or 0
        return sum(count for tool, count in state.calls_by_tool.items() if tool in self.selector)

    def reached(self, state: State, key: str = "") -> str | None:
        """Why it blocks, or None where it does not."""
        if self.kind == "tokens" and state.usage_missing:
            return self.limit.message or f"the model did not report its usage, so the limit of {int(self.value)} tokens cannot be kept"
        if self.kind == "cost_usd" and state.cost_missing:
            why = f"an answer of the model came without its cost, so the limit of {dollars(self.value)} cannot be kept"
            return self.limit.message or why
        used = self._used(state, key)
        if used < self.value:
            return None
        return self.limit.message or self._sentence(used)

    def _sentence(self, used: float) -> str:
        value = int(self.value) if float(self.value).is_integer() else self.value
        match self.kind:
            case "calls":
                return f"limit of {value} {_plural(value, 'call')} of '{self.limit.tools}' reached"
            case "repeats":
                return f"the same call was already made {int(used)} {_plural(used, 'time')}"
            case "refusals":
                return f"{int(used)} refused {_plural(used, 'call')} in a row"
            case "tokens":
                return f"limit of {value} tokens reached: {int(used)} used"
            case "cost_usd":
                return f"limit of {dollars(self.value)} reached: {dollars(round(used, 6))} spent"
            case "seconds":
                return f"limit of {value} {_plural(value, 'second')} reached"
            case "tool_calls":
                return f"limit of {value} tool {_plural(value, 'call')} reached"
        return f"limit of {value} {_plural(value, 'step')} reached"


def dollars(amount: float) -> str:
    """An amount of US dollars as it was meant: `$5.00`, `$0.0025`."""
    whole, _, rest = f"{Decimal(str(amount)):,f}".partition(".")
    return f"${whole}.{rest:0<2}"


def _plural(count: float, word: str) -> str:
    return word if count == 1 else word + "s"
