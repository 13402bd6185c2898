"""What the screen says about a policy: its limits in a few words, where its rules stand, and which arguments a decision fell on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agentgate.core.events import CallDecided, Code, Effect
from agentgate.core.findings import Place
from agentgate.core.limits import dollars
from agentgate.core.policy import Limit, Policy, Rule
from agentgate.core.rules import Selector
from agentgate.output.plural import plural

_UNITS = {
    "steps": "step",
    "tool_calls": "call",
    "tokens": "token",
    "cost_usd": "dollar",
    "seconds": "second",
    "repeats": "repeat",
    "refusals": "refusal",
}
"""Kind → what one of it is called."""
_PER = {None: "", "per_hour": " an hour", "per_day": " a day"}


def limits_text(policy: Policy, max_steps: int | None = None) -> str:
    """`6 steps, 10 calls, $0.05`; empty where nothing is limited."""
    values: dict[tuple[str, str | None], float] = {}
    for limit in policy.limits:
        if limit.kind != "calls":
            key = (limit.kind, limit.window)
            values[key] = min(limit.value, values.get(key, limit.value))
    if max_steps is not None:
        values["steps", None] = min(max_steps, values.get(("steps", None), max_steps))
    said = [(_amount(values[kind, window], unit), window) for window in _PER for kind, unit in _UNITS.items() if (kind, window) in values]
    return ", ".join(f"{amount}{_PER[window]}" for amount, window in said)


def _amount(value: float, unit: str) -> str:
    if unit == "dollar":
        return dollars(value)
    return plural(int(value), unit) if float(value).is_integer() else f"{value:g} {unit}s"


def places(policy: Policy) -> dict[str, Place]:
    """Id of a rule or limit → where it stands; `default` → where the default does."""
    found: dict[str, Place] = {}
    known: tuple[Rule | Limit, ...] = (*policy.rules, *policy.limits)
    for entry in known:
        if entry.place is not None:
            found[entry.id] = entry.place
    return found


def deciding(policy: Policy) -> Callable[[CallDecided], tuple[str, ...]]:
    """Tells which arguments a decision fell on, so that they are shown first and whole."""
    by_id: Mapping[str, Rule] = {rule.id: rule for rule in policy.rules}
    letting = [
        (rule, Selector(name for name in rule.tools if not name.startswith("@")))
        for rule in policy.rules
        if rule.effect is not Effect.BLOCK
    ]

    def names(event: CallDecided) -> tuple[str, ...]:
        rule = by_id.get(event.rule or "")
        if rule is not None:
            return _arguments((rule,))
        if event.code is Code.DEFAULT and event.effect is Effect.BLOCK and isinstance(event.tool, str):
            named = [rule for rule, tools in letting if event.tool in tools]
            return tuple(name for name in _arguments(named) if event.reason.startswith((f"{name} ", f"a missing {name} ")))
        return ()

    return names


def _arguments(rules: tuple[Rule, ...] | list[Rule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(condition.argument for rule in rules for condition in (*rule.when, *rule.unless)))
