"""Random policies as far as a file can say them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from agentgate.core.policy import Condition, Policy

TOO_LARGE = 10**20
"""A whole number that readers of YAML disagree about."""


def sayable(policy: Policy) -> Policy:
    """A random policy without what no file can say: two conditions on one argument, and numbers that readers disagree about."""
    return replace(policy, rules=tuple(replace(rule, when=_sayable(rule.when), unless=_sayable(rule.unless)) for rule in policy.rules))


def _sayable(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    once = {condition.argument: condition for condition in conditions}
    return tuple(
        replace(condition, operators=tuple((key, _smaller(operand)) for key, operand in condition.operators if not _empty(key, operand)))
        for condition in once.values()
        if not all(_empty(key, operand) for key, operand in condition.operators)
    )


def _empty(key: str, operand: Any) -> bool:
    """A pattern of nothing, which no file may have."""
    return key in ("matches", "search", "glob") and operand == ""


def _smaller(value: Any) -> Any:
    if isinstance(value, list):
        return [_smaller(item) for item in value]
    return 2**62 if type(value) is int and value == TOO_LARGE else value
