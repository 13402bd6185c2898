"""The contract in its plainest form: what a policy says about a call after a history, worked out anew from the whole history each time.

Slow on purpose. It shares nothing with the engine but the types that policies and events are made of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from agentgate.core.events import ApprovalAnswered, Code, Effect, ModelReplied, ToolCall, ToolReturned
from agentgate.core.policy import Limit, Policy, Rule

from .judging import conditions_hold, glob_matches, valid
from .strict_json import NotStrict, parse


class Setting(Struct, frozen=True):
    """What a run is judged under besides the policy."""

    role: str | None
    tools: tuple[dict[str, Any], ...] | None
    """In Chat Completions form; None leaves the checks that need them out."""
    allowed_tools: tuple[str, ...] | None
    started: datetime


class Verdict(Struct, frozen=True):
    """What the reference says."""

    effect: Effect
    code: Code
    rule: str | None = None


class Judged(Struct, frozen=True):
    """An earlier call and what was said about it."""

    call: ToolCall
    verdict: Verdict


Past = Judged | ModelReplied | ApprovalAnswered | ToolReturned


def judge(
    policy: Policy, setting: Setting, history: Sequence[Past], call: ToolCall, now: datetime, facts: Mapping[str, str] = {}
) -> Verdict:
    """What happens to a call: the checks in their order, the first that refuses gives the reason.

    `facts` is what was recorded of other runs: what limits over time have used up, and who has made the same call.
    """
    if malformed(call, history):
        return Verdict(Effect.BLOCK, Code.MALFORMED_CALL)
    if policy.default is Effect.BLOCK and not any(names(policy, rule, setting, call.name) for rule in policy.rules if permits(rule)):
        flat = [rule.id for rule in policy.rules if forbids_flatly(rule) and names(policy, rule, setting, call.name)]
        return Verdict(Effect.BLOCK, Code.RULE, min(flat)) if flat else Verdict(Effect.BLOCK, Code.DEFAULT)
    if setting.tools is not None and call.name not in [tool["function"]["name"] for tool in setting.tools]:
        return Verdict(Effect.BLOCK, Code.UNKNOWN_TOOL)
    if setting.allowed_tools is not None and call.name not in setting.allowed_tools:
        return Verdict(Effect.BLOCK, Code.NOT_OFFERED)
    try:
        arguments = parse(call.arguments)
    except NotStrict:
        return Verdict(Effect.BLOCK, Code.MALFORMED_ARGUMENTS)
    if setting.tools is not None and not fits(arguments, setting.tools, call.name):
        return Verdict(Effect.BLOCK, Code.INVALID_ARGUMENTS)
    ruled = by_rules(policy, setting, history, call.name, arguments)
    made = made_before(history, call) or facts.get("once")
    if made and selected(policy, policy.once, call.name) and ruled.effect is not Effect.BLOCK:
        return Verdict(Effect.BLOCK, Code.DUPLICATE, "once")
    reached = [limit for limit in policy.limits if used_up(policy, limit, setting, history, call, now, facts)]
    if reached:
        first = min(reached, key=lambda limit: (limit.window is not None, limit.kind, limit.value, limit.id))
        return Verdict(Effect.BLOCK, Code.LIMIT, first.id)
    return ruled


def malformed(call: ToolCall, history: Sequence[Past]) -> bool:
    """No usable id, or no usable name. An id counts as used whatever became of the call that used it."""
    if not isinstance(call.id, str) or not 0 < len(call.id) <= 256:
        return True
    if any(past.call.id == call.id for past in history if isinstance(past, Judged)):
        return True
    return not isinstance(call.name, str) or re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", call.name) is None


def permits(rule: Rule) -> bool:
    """Whether it is an allow or ask rule in force."""
    return rule.effect in (Effect.ALLOW, Effect.ASK) and not rule.observe


def forbids_flatly(rule: Rule) -> bool:
    """Whether it is a block rule in force without any condition."""
    return (
        rule.effect is Effect.BLOCK and not rule.observe and not (rule.when or rule.unless) and rule.after is None and rule.before is None
    )


def fits(arguments: dict[str, Any], tools: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether the arguments are valid against the tool's schema, unknown arguments being refused unless it says otherwise."""
    schema = next(tool["function"].get("parameters") or {} for tool in tools if tool["function"]["name"] == name)
    closed = schema if "additionalProperties" in schema else {**schema, "additionalProperties": False}
    return valid(arguments, closed)


def names(policy: Policy, rule: Rule, setting: Setting, tool: str) -> bool:
    """Whether a rule speaks about this tool for this role."""
    covered = selected(policy, rule.tools, tool) and not selected(policy, rule.except_tools, tool)
    wanted = rule.roles is None or holds_one_of(policy, setting.role, rule.roles)
    return covered and wanted and not holds_one_of(policy, setting.role, rule.except_roles)


def selected(policy: Policy, selectors: Sequence[str], tool: str, seen: tuple[str, ...] = ()) -> bool:
    """Whether one of the names, patterns and groups covers the tool."""
    for selector in selectors:
        if not selector.startswith("@"):
            if glob_matches(selector, tool):
                return True
        elif selector not in seen and selected(policy, policy.groups[selector[1:]], tool, (*seen, selector)):
            return True
    return False


def holds_one_of(policy: Policy, role: str | None, wanted: Sequence[str], seen: tuple[str, ...] = ()) -> bool:
    """Whether a role is one of those wanted, or includes one however indirectly."""
    if role is None or role not in policy.roles or role in seen:
        return False
    return role in wanted or any(holds_one_of(policy, part, wanted, (*seen, role)) for part in policy.roles[role])


def by_rules(policy: Policy, setting: Setting, history: Sequence[Past], tool: str, arguments: dict[str, Any]) -> Verdict:
    """The strictest effect among the rules that match, by the one of them with the smallest id; else the default."""
    matching = [rule for rule in policy.rules if not rule.observe and matches(policy, rule, setting, history, tool, arguments)]
    for effect in (Effect.BLOCK, Effect.ASK, Effect.ALLOW):
        deciding = [rule.id for rule in matching if rule.effect is effect]
        if deciding:
            return Verdict(effect, Code.RULE, min(deciding))
    return Verdict(policy.default, Code.DEFAULT)


def matches(policy: Policy, rule: Rule, setting: Setting, history: Sequence[Past], tool: str, arguments: dict[str, Any]) -> bool:
    """Whether a rule matches. What cannot be judged never loosens."""
    if not names(policy, rule, setting, tool):
        return False
    returned = tools_returned(history)
    if rule.after is not None and not any(selected(policy, rule.after, one) for one in returned):
        return False
    if rule.before is not None and any(selected(policy, rule.before, one) for one in returned):
        return False
    loosens = rule.effect is Effect.ALLOW
    holds = conditions_hold(rule.when, arguments, every_string=loosens)
    if holds is False or (holds is None and loosens):
        return False
    if not rule.unless:
        return True
    excepted = conditions_hold(rule.unless, arguments, every_string=not loosens)
    return not (excepted is True or (excepted is None and loosens))


def tools_returned(history: Sequence[Past]) -> list[str]:
    """The tools that have returned so far: executed with whatever result, or, in a dry run, answered for by their mock.

    Where an id was used again, what returns belongs to the latest call that had it.
    """
    called: dict[str, str] = {}
    returned: list[str] = []
    for past in history:
        if isinstance(past, Judged) and isinstance(past.call.id, str):
            called[past.call.id] = past.call.name if isinstance(past.call.name, str) else ""
        elif isinstance(past, ToolReturned) and (past.executed or past.ok) and isinstance(past.call_id, str):
            returned.append(called.get(past.call_id, ""))
    return [name for name in returned if name]


def made_before(history: Sequence[Past], call: ToolCall) -> bool:
    """Whether the same call is on record as one that was executed, or may have been, or that a dry run answered for.

    A call that was let through may run from then on, until something says that it certainly did not. Where an id was used again, nothing
    that returns under it says anything about either call.
    """
    holder: object = None  # the id of the call that is being made, or was
    done = False
    asked: dict[str, ToolCall] = {}
    for past in history:
        if isinstance(past, Judged):
            if past.verdict.effect is Effect.ASK:
                asked[past.call.id] = past.call
            elif past.verdict.effect is Effect.ALLOW and repeated(past.call, call) and holder is None:
                holder, done = past.call.id, False
        elif isinstance(past, ApprovalAnswered) and str(past.call_id) in asked:
            question = asked.pop(past.call_id)
            if past.answer == "approve" and repeated(question, call) and holder is None:
                holder, done = question.id, False
        elif isinstance(past, ToolReturned) and only_call(history, past, call):
            if past.executed and holder in (None, past.call_id):
                holder, done = past.call_id, True
            elif past.ok and holder == past.call_id:
                done = True
            elif holder == past.call_id and not done:
                holder = None
    return holder is not None


def only_call(history: Sequence[Past], returned: ToolReturned, call: ToolCall) -> bool:
    """Whether what returned belongs to one call with an id of its own until then, and that call is the same as this one."""
    before = history[: [past is returned for past in history].index(True)]
    named = [
        past.call for past in before if isinstance(past, Judged) and isinstance(past.call.id, str) and past.call.id == returned.call_id
    ]
    return len(named) == 1 and repeated(named[0], call)


def recorded_amount(fact: str) -> float:
    """What was used of a limit over time, as recorded; what nobody understands uses up any limit."""
    amount, _, until = fact.partition(" until ")
    try:
        used = float(amount)
        if until and datetime.fromisoformat(until).tzinfo is None:
            return float("inf")
    except ValueError:
        return float("inf")
    return used if 0 <= used < float("inf") else float("inf")


def used_up(
    policy: Policy,
    limit: Limit,
    setting: Setting,
    history: Sequence[Past],
    call: ToolCall,
    now: datetime,
    facts: Mapping[str, str],
) -> bool:
    """Whether a limit keeps a call from being made."""
    if limit.window is not None and limit.id in facts:
        if limit.kind == "calls" and not selected(policy, (limit.tools or "",), call.name):
            return False
        unknown = limit.kind == "cost_usd" and dollars_spent(history) == float("inf")
        return unknown or recorded_amount(facts[limit.id]) >= limit.value
    match limit.kind:
        case "tool_calls":
            used: float = len(let_through(history))
        case "calls":
            if not selected(policy, (limit.tools or "",), call.name):
                return False
            used = sum(selected(policy, (limit.tools or "",), name) for name in let_through(history))
        case "repeats":
            used = sum(repeated(past.call, call) for past in history if isinstance(past, Judged))
        case "refusals":
            used = refused_in_a_row(history)
        case "tokens":
            used = tokens_spent(history)
        case "cost_usd":
            used = dollars_spent(history)
        case "seconds":
            used = (now - setting.started).total_seconds()
        case "steps":
            return False
        case kind:
            raise AssertionError(kind)
    return used >= limit.value


def let_through(history: Sequence[Past]) -> list[str]:
    """The tools of the calls that were let through: those allowed, and those asked about and approved."""
    asked: dict[str, str] = {}
    through: list[str] = []
    for past in history:
        if isinstance(past, Judged) and past.verdict.effect is Effect.ALLOW:
            through.append(past.call.name)
        elif isinstance(past, Judged) and past.verdict.effect is Effect.ASK:
            asked[past.call.id] = past.call.name
        elif isinstance(past, ApprovalAnswered) and past.answer == "approve" and str(past.call_id) in asked:
            through.append(asked.pop(past.call_id))
    return through


def repeated(earlier: ToolCall, call: ToolCall) -> bool:
    """Whether an earlier proposal was of the same tool with the same arguments, however they were written."""
    if earlier.name != call.name:
        return False
    try:
        return canonical(parse(earlier.arguments)) == canonical(parse(call.arguments))
    except NotStrict:
        return False


def canonical(value: Mapping[str, Any]) -> str:
    """Arguments as the contract writes them down for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def refused_in_a_row(history: Sequence[Past]) -> int:
    """How many of the latest calls were refused, by the policy or by a person, with none let through since."""
    count = 0
    asked: set[str] = set()
    for past in history:
        if isinstance(past, Judged):
            if past.verdict.effect is Effect.BLOCK:
                count += 1
            elif past.verdict.effect is Effect.ALLOW:
                count = 0
            else:
                asked.add(past.call.id)
        elif isinstance(past, ApprovalAnswered) and str(past.call_id) in asked:
            asked.discard(past.call_id)
            count = 0 if past.answer == "approve" else count + 1
    return count


def tokens_spent(history: Sequence[Past]) -> float:
    """Input and output tokens of all answers; an answer that does not say, or says nonsense, uses up any limit."""
    spent: float = 0
    for past in history:
        if isinstance(past, ModelReplied):
            if past.usage is None or past.usage.input_tokens < 0 or past.usage.output_tokens < 0:
                return float("inf")
            spent += past.usage.input_tokens + past.usage.output_tokens
    return spent


def dollars_spent(history: Sequence[Past]) -> float:
    """What all answers cost, to a millionth of a millionth of a dollar; an answer whose cost is unknown, or nonsense, uses up any limit."""
    spent = Decimal(0)
    for past in history:
        if isinstance(past, ModelReplied):
            if past.cost_usd is None or not 0 <= past.cost_usd < float("inf"):
                return float("inf")
            spent += Decimal(repr(past.cost_usd))
    return float(spent)


def judge_request(policy: Policy, setting: Setting, history: Sequence[Past], now: datetime) -> Limit | None:
    """The limit that keeps the model from being asked once more, where one does."""
    steps = sum(isinstance(past, ModelReplied) for past in history)
    spent = {"tokens": tokens_spent(history), "cost_usd": dollars_spent(history)}
    used: dict[str, float] = {"steps": steps, **spent, "seconds": (now - setting.started).total_seconds()}
    reached = [limit for limit in policy.limits if limit.kind in used and used[limit.kind] >= limit.value]
    return min(reached, key=lambda limit: (limit.window is not None, limit.kind, limit.value, limit.id)) if reached else None
