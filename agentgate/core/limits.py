"""Limits as block rules: each has an id, is reached or not, and says why."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import floor, inf
from operator import attrgetter

from agentgate.core.events import ModelRequest
from agentgate.core.policy import Limit, Policy, expand
from agentgate.core.rules import Selector
from agentgate.core.state import State

OF_REQUESTS = frozenset(("steps", "tokens", "cost_usd", "seconds", "refusals"))
"""The kinds that keep the model from being asked again; reaching one of them ends the run."""
OF_CALLS = frozenset(("tool_calls", "calls", "tokens", "cost_usd", "seconds", "repeats", "refusals"))
"""The kinds that block a tool call."""
OF_COUNTS = frozenset(("tool_calls", "calls"))
"""Those of them that count calls let through."""
LEAST_ANSWER = 16
"""Tokens of output for which alone a request is worth sending; fewer are refused by some servers, and say nothing."""
_ROUNDING = 1e-9
_MOST_NAMES = 4096
"""How many tool names a limit remembers. A model can make up any number of them; what is remembered is bounded."""

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


_COUNTED: dict[str, Callable[[State], float]] = {
    "steps": attrgetter("steps"),
    "tool_calls": attrgetter("let_through"),
    "calls": attrgetter("let_through"),
    "repeats": attrgetter("calls"),
    "refusals": attrgetter("refusals"),
}


def _unknown(state: State) -> float:
    return inf


class CompiledLimit:
    """A limit, ready to judge."""

    __slots__ = ("_known", "_reported", "_used", "counted", "id", "kind", "limit", "selector", "value")

    def __init__(self, limit: Limit, policy: Policy) -> None:
        self.limit = limit
        self.id = limit.id
        self.kind = limit.kind
        self.value = limit.value
        self.selector = None if limit.tools is None else Selector(expand(policy, (limit.tools,)))
        self._known: dict[str, bool] = {}
        """Tool → whether its calls use the limit up, as far as anybody asked: each time all tools called so far are looked through."""
        self._reported = limit.kind in ("tokens", "cost_usd")
        """Whether the model's answers say how much of it they took."""
        self._used = self._calls if limit.kind == "calls" else _USED[limit.kind]
        self.counted = _COUNTED.get(limit.kind, _unknown) if limit.window is None else _unknown
        """How much of it is used up at most, as far as the state alone says so."""

    def counts(self, tool: str) -> bool:
        """Whether calls of this tool use it up."""
        if self.selector is None:
            return True
        known = self._known.get(tool)
        if known is None:
            if len(self._known) >= _MOST_NAMES:
                self._known.clear()
            known = self._known[tool] = tool in self.selector
        return known

    def _calls(self, state: State, _key: str) -> float:
        assert self.selector is not None
        if not self.selector.globs and len(self.selector.exact) == 1:
            return state.calls_by_tool.get(next(iter(self.selector.exact))) or 0
        return sum(count for tool, count in state.calls_by_tool.items() if self.counts(tool))

    def reached(self, state: State, key: str = "") -> str | None:
        """Why it blocks, or None where it does not."""
        if self._reported:
            unknown = self.unknown(state)
            if unknown is not None:
                return unknown
        used = self._used(state, key)
        if used < self.value:
            return None
        return self.limit.message or self._sentence(used)

    def unknown(self, state: State) -> str | None:
        """Why it cannot be kept: an answer did not say what it took."""
        if self.kind == "tokens" and state.usage_missing:
            return self.limit.message or f"the model did not report its usage, so the limit of {int(self.value)} tokens cannot be kept"
        if self.kind == "cost_usd" and state.cost_missing:
            why = f"an answer of the model came without its cost, so the limit of {dollars(self.value)} cannot be kept"
            return self.limit.message or why
        return None

    def of_run(self, state: State, key: str = "") -> float:
        """How much of it this run has used up."""
        return self._used(state, key)

    def room(self, used: float, request: ModelRequest) -> int | None:
        """How many tokens of an answer it has room for after a request; None where it does not bound them, or nobody estimates."""
        if self.kind == "tokens" and request.input_tokens is not None:
            return int(self.value - used - request.input_tokens)
        if self.kind == "cost_usd" and request.input_usd is not None:
            left = self.value - used - request.input_usd
            if request.output_usd:
                return floor(left / request.output_usd + _ROUNDING)
            return None if left > 0 else -1
        return None

    def too_much(self, used: float, request: ModelRequest) -> str:
        """What is said where a request has no room."""
        if self.limit.message:
            return self.limit.message
        if self.kind == "tokens":
            return f"the next request may take {request.input_tokens} tokens, and of the limit of {int(self.value)} {int(used)} are used"
        return (
            f"the next request may cost {dollars(round(request.input_usd or 0.0, 6))}, "
            f"and of the limit of {dollars(self.value)} {dollars(round(used, 6))} are spent"
        )

    def _sentence(self, used: float) -> str:
        value = int(self.value) if float(self.value).is_integer() else self.value
        match self.kind:
            case "calls":
                return f"limit of {value} {plural(value, 'call')} of '{self.limit.tools}' reached"
            case "repeats":
                return f"the same call was already made {int(used)} {plural(used, 'time')}"
            case "refusals":
                return f"{int(used)} refused {plural(used, 'call')} in a row"
            case "tokens":
                return f"limit of {value} tokens reached: {int(used)} used"
            case "cost_usd":
                return f"limit of {dollars(self.value)} reached: {dollars(round(used, 6))} spent"
            case "seconds":
                return f"limit of {value} {plural(value, 'second')} reached"
            case "tool_calls":
                return f"limit of {value} tool {plural(value, 'call')} reached"
        return f"limit of {value} {plural(value, 'step')} reached"


def dollars(amount: float) -> str:
    """An amount of US dollars as it was meant: `$5.00`, `$0.0025`."""
    whole, _, rest = f"{Decimal(str(amount)):,f}".partition(".")
    return f"${whole}.{rest:0<2}"


def plural(count: float, word: str) -> str:
    """The word, as so many of it are called."""
    return word if count == 1 else word + "s"
