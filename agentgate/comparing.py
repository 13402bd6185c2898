"""Two policies side by side: the same calls, after the same histories, and whether both say the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

from msgspec import Struct

from agentgate.core.conditions import OPERATORS
from agentgate.core.conditions.test import exactly
from agentgate.core.events import Decision, Effect, Json, ModelReplied, RunStarted, ToolCall, ToolReturned, Usage
from agentgate.core.lint.calls import Calls, put
from agentgate.core.policy import Limit, Policy, expand, split_sources
from agentgate.core.rules import ABSENT, CompiledRule, Selector
from agentgate.session import Session, prepare

_START = datetime(2026, 1, 1, tzinfo=UTC)
_MOST = 5_000
"""How many runs are made up for the rules; each rule has its share."""
_LEAST = 2
_LONGEST = 60
"""Limits above this are not used up call by call."""
_PROMPT = "Pay DE-101 at once"
_RESULT = "XY-202"
_VALUES: tuple[Json, ...] = (ABSENT, None, True, 0, 1, -1.5, "", "x", "DE-101", "XY-202", [], ["x"], {}, {"x": "x"})
_WILD = ("", "[]", '{"a": 1, "a": 2}', '{"a": 1e999}')


class Called(Struct, frozen=True):
    """A call, with the raw text of its arguments."""

    tool: str
    arguments: str = "{}"


class Returned(Struct, frozen=True):
    """The latest call gives its result."""


class Answered(Struct, frozen=True):
    """The model answers."""

    usage: Usage | None = Usage(0, 0)
    cost_usd: float | None = 0.0


class Asking(Struct, frozen=True):
    """The model is to be asked once more."""


class Passing(Struct, frozen=True):
    """Time passes."""

    seconds: float


Step = Called | Returned | Answered | Asking | Passing


class Story(Struct, frozen=True):
    """What happens in one run."""

    role: str | None
    steps: tuple[Step, ...]


class Difference(Struct, frozen=True):
    """A call, or a model request, about which two policies disagree."""

    role: str | None
    what: str
    first: Decision
    second: Decision

    def __str__(self) -> str:
        role = f" in the role {self.role}" if self.role is not None else ""
        return f"{self.what}{role}: {_shown(self.first)} against {_shown(self.second)}"


Alike = Callable[[Decision, Decision], bool]
"""Whether two decisions are the same for the purpose."""


def compare(first: Policy, second: Policy, alike: Alike) -> tuple[int, Difference | None]:
    """Has both policies judge near-miss calls for the rules and limits of the first.

    Returns:
        How many calls and requests were compared, and the first on which they differ.
    """
    one, other = partial(Session, prepare(first)), partial(Session, prepare(second))
    compared = 0
    for story in stories(first):
        for (what, said), (_, also) in zip(_told(one, story), _told(other, story), strict=True):
            compared += 1
            if not alike(said, also):
                return compared, Difference(story.role, what, said, also)
    return compared, None


def _told(begin: Callable[..., Session], story: Story) -> Iterator[tuple[str, Decision]]:
    """What is decided in a story, step by step."""
    now, latest = _START, ""
    session = begin(role=story.role, clock=lambda: now, resolve=lambda path: path)
    session.record(RunStarted(at=now, run_id="story", role=story.role, messages=({"role": "user", "content": _PROMPT},), workdir="/"))
    for number, step in enumerate(story.steps):
        match step:
            case Called():
                latest = f"call_{number}"
                yield f"{step.tool} {step.arguments}", session.propose(ToolCall(latest, step.tool, step.arguments))
            case Asking():
                yield "the next model request", session.request()
            case Passing():
                now += timedelta(seconds=step.seconds)
            case Returned():
                content = json.dumps({"ok": True, "result": _RESULT})
                session.record(ToolReturned(at=now, call_id=latest, executed=True, ok=True, content=content))
            case Answered():
                session.record(ModelReplied(at=now, step=1, message={}, usage=step.usage, cost_usd=step.cost_usd))


def stories(policy: Policy) -> Iterator[Story]:
    """Runs that try every rule and limit of a policy from both sides."""
    calls = Calls(policy, None)
    for role in (None, *policy.roles):
        yield Story(role, (Called("unheard_of"), *(Called("unheard_of", text) for text in _WILD), Called("no tool"), Asking()))
    share = max(_LEAST, _MOST // max(1, len(calls.rules)))
    for rule in calls.rules:
        yield from islice(_of_rule(calls, rule), share)
    for limit in policy.limits:
        yield from _of_limit(calls, limit)


def _of_rule(calls: Calls, rule: CompiledRule) -> Iterator[Story]:
    roles = dict.fromkeys((*calls.roles(rule)[:2], None, *list(calls.policy.roles)[:4], "nobody"))
    names = calls.tool_names(rule)[:3]
    names += [*sorted(rule.excepted.exact)[:2], *(f"{name}_2" for name in names[:1]), *(name.upper() for name in names[:1])]
    before = sorted(rule.before.exact)[:1] if rule.before is not None else []
    earlier = dict.fromkeys((*calls.history(rule), *before, *_heard(calls.policy, rule)))
    histories: list[tuple[Step, ...]] = [(), *((Called(tool), Returned()) for tool in earlier if tool)]
    for tool in dict.fromkeys(names):
        for role in roles:
            for arguments in _arguments(calls, rule, tool, role):
                for history in histories:
                    yield Story(role, (*history, Called(tool, json.dumps(arguments))))


def _heard(policy: Policy, rule: CompiledRule) -> list[str]:
    """Tools in whose results the rule looks."""
    operands = [
        operand for condition in (*rule.rule.when, *rule.rule.unless) for key, operand in condition.operators if OPERATORS[key].names_tools
    ]
    names = [tool for operand in operands for tool, _ in split_sources(operand)]
    return [name for name in expand(policy, names) if "*" not in name][:2]


def _arguments(calls: Calls, rule: CompiledRule, tool: str, role: str | None) -> Iterator[Mapping[str, Json]]:
    """Arguments that the rule matches, each with one of them changed, and none at all."""
    seen = set()
    bases = [*calls.matching(rule, tool, role, most=3), {}]
    for base in bases:
        for made in (base, *(made for condition in (*rule.when, *rule.unless) for made in _changed(base, condition.parts or ("text",)))):
            if exactly(made) not in seen:
                seen.add(exactly(made))
                yield made


def _changed(arguments: Mapping[str, Json], parts: tuple[str, ...]) -> Iterator[Mapping[str, Json]]:
    value: Json = arguments
    for part in parts:
        value = value.get(part) if isinstance(value, Mapping) else None
    texts = (value.swapcase(), f"{value}x", f" {value}", f"\u200b{value}", f"{value}\n") if isinstance(value, str) else ()
    numbers = (value - 1, value + 1) if isinstance(value, int | float) and not isinstance(value, bool) else ()
    yield from (put(arguments, parts, other) for other in (*texts, *numbers, *_VALUES))


def _of_limit(calls: Calls, limit: Limit) -> Iterator[Story]:
    value = limit.value
    count = min(int(value) + 2, _LONGEST)
    tool, arguments = _let_through(calls, limit)
    call = Called(tool, json.dumps(arguments))
    both: tuple[Step, ...] = (Asking(), call)
    match limit.kind:
        case "steps":
            yield Story(None, (Asking(), *(step for _ in range(count) for step in (Answered(), Asking()))))
        case "tokens":
            for most in (int(value) - 1, int(value)):
                yield Story(None, (Answered(Usage(most, 0)), *both, Answered(Usage(0, 1)), *both))
            yield Story(None, (Answered(usage=None), *both))
        case "cost_usd":
            yield Story(None, (Answered(cost_usd=value * 0.75), *both, Answered(cost_usd=value * 0.25), *both))
            yield Story(None, (Answered(cost_usd=None), *both))
        case "seconds":
            yield Story(None, (*both, Passing(value / 2), *both, Passing(value / 2), *both))
        case "refusals":
            yield Story(None, (*(step for _ in range(count) for step in (Called("no tool"), Asking())), call))
        case _:
            for role in dict.fromkeys((None, *list(calls.policy.roles)[:2])):
                yield Story(role, (call,) * count)
                yield Story(role, tuple(Called(tool, json.dumps({**arguments, "n": number})) for number in range(count)))


def _let_through(calls: Calls, limit: Limit) -> tuple[str, Mapping[str, Json]]:
    """A call that uses a limit up, where there is one."""
    wanted = None if limit.tools is None else Selector(expand(calls.policy, (limit.tools,)))
    for rule in calls.rules:
        if rule.rule.effect is Effect.ALLOW:
            for tool in calls.tool_names(rule)[:4]:
                if wanted is None or tool in wanted:
                    return tool, next(iter(calls.matching(rule, tool, None, most=1)), {})
    if wanted is None:
        return "any_tool", {}
    return next(iter((*sorted(wanted.exact), *(glob.replace("*", "x") for glob in wanted.globs))), "any_tool"), {}


def _shown(decision: Decision) -> str:
    by = decision.rule or decision.code.value
    return f"{decision.effect.value} by {by} ({decision.reason})"
