"""A policy made ready to judge by: its rules compiled and found quickly, its limits in order, and what its judgements look at."""

from __future__ import annotations

from collections.abc import Iterable

from agentgate.core.index import Index
from agentgate.core.limits import OF_CALLS, OF_REQUESTS, CompiledLimit
from agentgate.core.needs import Needs
from agentgate.core.policy import Limit, Policy, expand
from agentgate.core.remembered import Recent
from agentgate.core.results import ResultRules
from agentgate.core.rules import CompiledRule, Selector, ranked
from agentgate.core.windows import Window


class CompiledPolicy:
    """A policy made ready to judge quickly. Holds nothing that a judgement could change, apart from what it remembers for speed."""

    __slots__ = (
        "asks_world",
        "call_limits",
        "default",
        "far_limits",
        "far_requests",
        "index",
        "judges_calls_alone",
        "needs",
        "needs_hash",
        "needs_time",
        "of_calls_alone",
        "once",
        "policy",
        "recent",
        "request_limits",
        "results",
        "rules",
        "windows",
    )

    def __init__(self, policy: Policy, rules: tuple[CompiledRule, ...] | None = None) -> None:
        """Prepares a policy; `rules` are its own, where somebody has compiled them already."""
        self.policy = policy
        self.default = policy.default
        self.rules = rules if rules is not None else tuple(ranked(CompiledRule(rule, policy) for rule in policy.rules))
        self.index = Index(self.rules)
        in_order = sorted(policy.limits, key=_limit_order)
        limits = [CompiledLimit(limit, policy) for limit in in_order if limit.window is None]
        self.windows = tuple(Window(limit, policy) for limit in in_order if limit.window is not None)
        """The limits per hour and per day; they come after those of the run."""
        self.once = Selector(expand(policy, policy.once)) if policy.once else None
        """The tools whose calls are executed once for the same arguments."""
        self.call_limits = tuple(limit for limit in limits if limit.kind in OF_CALLS)
        self.far_limits = tuple((limit.counted, limit.value) for limit in (*self.call_limits, *self.windows))
        """What is used up of each limit on calls, at most, and its value: where all of them are far from being reached, none is."""
        self.request_limits = tuple(limit for limit in limits if limit.kind in OF_REQUESTS)
        bounding = (*self.request_limits, *(window for window in self.windows if window.kind in OF_REQUESTS))
        self.far_requests = tuple((limit.counted, limit.value) for limit in bounding)
        """The same of each limit on requests to the model."""
        self.results = ResultRules(policy)
        self.recent = Recent()
        self.asks_world = any(rule.asks_world for rule in self.rules) or bool(self.windows) or self.once is not None
        """Whether the judgement may look at the world."""
        self.needs_hash = any(limit.kind == "repeats" for limit in limits) or self.once is not None
        """Whether the judgement looks at the hash of a call's arguments."""
        self.needs_time = any(limit.kind == "seconds" for limit in limits) or bool(self.windows)
        """Whether the judgement looks at the time."""
        self.of_calls_alone = self.once is None and not self.windows
        """Whether no judgement looks at what other runs do; what the rules look at, their plans know."""
        counts = bool(self.call_limits or self.windows) or self.once is not None
        self.needs = Needs(counts=counts, history=any(rule.asks_state for rule in self.rules))
        self.judges_calls_alone = not (counts or self.needs.history or self.asks_world)
        """Whether a judgement looks at nothing but the call, the role and the tools, and at ids that were used before."""


def _limit_order(limit: Limit) -> tuple[str, float, str]:
    return (limit.kind, limit.value, limit.id)


def compile(policy: Policy) -> CompiledPolicy:
    """Prepares a policy for `decide`."""
    return CompiledPolicy(policy)


def offered_tools(policy: Policy | CompiledPolicy, role: str | None, names: Iterable[str]) -> list[str]:
    """What `allowed_tools: policy` stands for: those of `names` that a rule lets this role call, and that no rule always blocks."""
    ready = policy if isinstance(policy, CompiledPolicy) else compile(policy)
    plans = ((name, ready.index.made(name, role)) for name in names)
    return [name for name, plan in plans if plan.named and plan.blanket is None]
