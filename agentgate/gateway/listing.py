"""Lists of tools that block every other one, as files in the flat form mean `allowed_tools`: which of them a call that passed stands on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from agentgate.core.events import CallDecided, Code, Effect
from agentgate.core.policy import Rule, expand
from agentgate.core.rules import EVERYTHING, Selector
from agentgate.session import CompiledPolicy


def listed_in(policy: CompiledPolicy, calls: Sequence[CallDecided]) -> tuple[str | None, ...]:
    """For each call the id of the first list that names its tool, where nothing else decided that it passes. Empty without lists."""
    lists = _lists(policy)
    return tuple(_list(lists, call) for call in calls) if lists else ()


def _list(lists: Sequence[tuple[str, Selector]], call: CallDecided) -> str | None:
    if call.effect is not Effect.ALLOW or call.code is not Code.DEFAULT:
        return None
    return next((id for id, tools in lists if call.tool in tools), None)


@lru_cache(maxsize=4)
def _lists(policy: CompiledPolicy) -> tuple[tuple[str, Selector], ...]:
    whole = policy.policy
    return tuple((rule.id, Selector(expand(whole, rule.except_tools))) for rule in whole.rules if _is_list(rule))


def _is_list(rule: Rule) -> bool:
    free = not (rule.when or rule.unless or rule.after or rule.before or rule.roles or rule.except_roles or rule.observe)
    return rule.effect is Effect.BLOCK and rule.tools == (EVERYTHING,) and bool(rule.except_tools) and free
