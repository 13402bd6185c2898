"""Random small policies and runs, made so that near misses are frequent: few tools, few arguments, few values, most of them look-alikes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from msgspec import Struct

from agentgate.core.conditions import World
from agentgate.core.engine import decide
from agentgate.core.events import ApprovalAnswered, Decision, Effect, ModelReplied, ToolCall, ToolReturned, Usage
from agentgate.core.policy import WINDOWS, Condition, Limit, Policy, Rule
from agentgate.session import Session

from .interpreter import Judged, Past, Setting, Verdict, judge

START = datetime(2026, 1, 1, tzinfo=UTC)

TOOLS = ("read", "read_all", "send", "pay.now")
SELECTORS = (*TOOLS, "read", "send", "read*", "*", "s*d", "*_all", "re*d*", "*.*", "@reads", "@mixed", "nobody")
GROUPS = {"reads": ("read", "read_all"), "mixed": ("@reads", "p*"), "empty": ()}
ROLES: dict[str, tuple[str, ...]] = {"viewer": (), "operator": ("viewer",), "admin": ("operator",), "other": ()}
ARGUMENTS = ("a", "a", "b", "a.c", "b.c.d", "*")
VALUES: tuple[Any, ...] = (
    "x", "x", "xy", "X", "", "x\n", "\nx", "ax b", "ｘ", "dr\u200bop", "ｄ\u00adrop", "drop", "a*b", "1", "true",
    0, 1, 1.0, 2, -3, 1.5, 1e20, 10**20, True, False, None, [], {}, ["x"], [1], [True], [["xy"], 2], [None],
    {"c": "x"}, {"c": 1}, {"c": {"d": "x"}}, {"c": {"d": None}}, {"x": 1}, {"c": ["x", "y"]}, {"c": None},
)  # fmt: skip
PATTERNS = ("x", "x.*", "(?i)x", "^x$", "a|x", r"\bx\b", "drop", ".", "x+y?", "", "[^x]*", r"(?s).*\n")
GLOBS = ("x", "x*", "*x", "*", "a*b", "*x*y*", "", "?", "[x]")
SCHEMAS: tuple[dict[str, Any], ...] = (
    {}, {"type": "string"}, {"type": "integer"}, {"type": "number", "minimum": 1}, {"enum": ["x", 1, None]}, {"const": True},
    {"type": "object", "properties": {"c": {"type": "string"}}, "required": ["c"]}, {"type": "array", "items": {"type": "string"}},
    {"type": ["string", "null"], "maxLength": 1},
)  # fmt: skip
PARAMETERS: tuple[dict[str, Any], ...] = (
    {"type": "object", "properties": {"a": {}, "b": {}}},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"enum": ["x", 1]}}, "additionalProperties": True},
    {"type": "object", "properties": {"b": {"type": "array"}}, "additionalProperties": {"type": "string"}},
    {"type": "object", "properties": {}},
)
FACTS = ("0", "1", "2", "0.25", "much", "-1", "3 until 2026-01-01T01:00:00+00:00", "1 until 2026-01-01T01:00:00")
WILD_IDS: tuple[Any, ...] = ("", "i" * 256, "i" * 257, None, 7, ["c0"], {}, True, "\x1b[2J", "../x", "c0\n", " ")
WILD_NAMES: tuple[Any, ...] = (
    "",
    "read\n",
    " read",
    "READ",
    "réad",
    "read/x",
    "r" * 64,
    "r" * 65,
    "*",
    "@reads",
    None,
    1,
    ["read"],
    "nobody",
    "read\x00",
    "-",
)
WILD_TEXTS: tuple[Any, ...] = (
    "", "null", "[]", '"x"', "{", '{"a":"x"', '{"a":"x"}x', '{"a":"x",}', '{"a":"x","a":"x"}', '{"a":"x","\\u0061":"y"}', "\ufeff{}",
    '{"a":NaN}', '{"a":-Infinity}', '{"a":1e999}', '{"a":"\\ud800"}', '{"a":"\ud800"}', '{"a":{"c":1,"c":1}}',
    "{'a':'x'}", '{"a":01}', '{"a":"\\ud83d\\ude00"}',
    '{"a":' + "[" * 63 + "]" * 63 + "}", '{"a":' + "[" * 64 + "]" * 64 + "}",
    None, 1, {"a": "x"}, b"{}", '\t{"a": "x"}\r\n', '{"a":1.0}', '{"a":1}', "{}{}", '{"a":"x\ty"}',
)  # fmt: skip


class Answer(Struct, frozen=True):
    """Somebody answers the `call`-th call."""

    call: int
    answer: str


class Return(Struct, frozen=True):
    """The `call`-th call gets its answer."""

    call: int
    executed: bool
    ok: bool


class Proposal(Struct, frozen=True):
    """A call, so many seconds after what came before it."""

    call: ToolCall
    wait: float
    facts: dict[str, str] = {}
    """What was recorded of other runs."""


class Reply(Struct, frozen=True):
    """The model answered."""

    usage: Usage | None
    cost_usd: float | None


Happening = Proposal | Answer | Return | Reply


class Case(Struct, frozen=True):
    """A policy, the setting of a run, and what happens in it."""

    policy: Policy
    setting: Setting
    script: tuple[Happening, ...]


class Outcome(Struct, frozen=True):
    """What session and reference said about the same call after the same history."""

    call: ToolCall
    said: Verdict
    expected: Verdict
    decision: Decision


def random_case(random: Random) -> Case:
    """A case; the same for the same state of `random`. Policy and calls draw from the same few values, so that they meet."""
    values = some(random, VALUES, 9, 3)
    policy = random_policy(random, values)
    return Case(policy, random_setting(random), random_script(random, values, policy))


def chance(random: Random, percent: int) -> bool:
    """True in so many of a hundred cases."""
    return random.randrange(100) >= 100 - percent


def some(random: Random, pool: tuple[Any, ...], most: int, least: int = 1) -> tuple[Any, ...]:
    """Between `least` and `most` things of the pool."""
    return tuple(random.choice(pool) for _ in range(random.randint(least, most)))


def random_policy(random: Random, values: tuple[Any, ...]) -> Policy:
    """Up to seven rules and two limits."""
    ids = [f"r{number}" for number in range(1, 12)]
    random.shuffle(ids)
    rules = tuple(random_rule(random, ids.pop(), values) for _ in range(random.randint(0, 7)))
    limits = tuple(random_limit(random, f"limits.{number}") for number in range(random.randint(1, 3) if chance(random, 45) else 0))
    once = some(random, SELECTORS, 2) if chance(random, 25) else ()
    default = random.choice((Effect.BLOCK, Effect.BLOCK, Effect.BLOCK, Effect.ASK, Effect.ALLOW))
    return Policy("random", default=default, rules=rules, limits=limits, roles=ROLES, groups=GROUPS, once=once)


def random_rule(random: Random, id: str, values: tuple[Any, ...]) -> Rule:
    """A rule of any shape."""
    return Rule(
        id=id,
        effect=random.choice((Effect.ALLOW, Effect.ALLOW, Effect.ASK, Effect.BLOCK)),
        tools=some(random, SELECTORS, 2),
        except_tools=some(random, SELECTORS, 1) if chance(random, 15) else (),
        roles=some(random, tuple(ROLES), 2) if chance(random, 20) else None,
        except_roles=some(random, tuple(ROLES), 1) if chance(random, 10) else (),
        when=tuple(random_condition(random, values) for _ in range(random.choice((0, 0, 1, 1, 1, 2)))),
        unless=tuple(random_condition(random, values) for _ in range(random.choice((0, 0, 0, 1, 1, 2)))),
        after=some(random, SELECTORS, 2) if chance(random, 12) else None,
        before=some(random, SELECTORS, 1) if chance(random, 8) else None,
        message=f"says {id}" if chance(random, 15) else None,
        hint=f"try {id}" if chance(random, 15) else None,
        observe=chance(random, 8),
    )


def random_condition(random: Random, values: tuple[Any, ...]) -> Condition:
    """A test of one argument by one or two operators."""
    operators = tuple(dict(random_operator(random, values) for _ in range(random.choice((1, 1, 1, 2)))).items())
    return Condition(random.choice(ARGUMENTS), operators, optional=chance(random, 15))


def random_operator(random: Random, values: tuple[Any, ...]) -> tuple[str, Any]:
    """An operator with its operand."""
    operands: dict[str, Any] = {
        "equals": values,
        "in": (values[:2], values[1:], ("x", 1, True), (["x"], {"c": "x"}), (), (None, False, 0)),
        "not_in": (("x",), values[:2], ("x", 1, True), (), (None, ["x"])),
        "matches": PATTERNS,
        "search": PATTERNS,
        "glob": GLOBS,
        "min": (0, 1, 1.5, -3, 10**20),
        "max": (0, 1, 1.5, 2, 1e20),
        "min_length": (0, 1, 2),
        "max_length": (0, 1, 2),
        "exists": (True, False),
        "schema": SCHEMAS,
    }
    name = random.choice(("equals", "equals", *operands))
    operand = random.choice(operands[name])
    return name, list(operand) if isinstance(operand, tuple) else operand


def random_limit(random: Random, id: str) -> Limit:
    """A limit that a handful of calls can reach."""
    kind = random.choice(("tool_calls", "calls", "repeats", "refusals", "tokens", "cost_usd", "seconds", "steps"))
    values = {"tokens": (0, 10, 25, 26), "seconds": (0, 10, 25, 26), "cost_usd": (0, 0.1, 0.3, 1.0)}
    value = random.choice(values.get(kind, (0, 1, 1, 2, 3)))
    window = random.choice((None, None, *WINDOWS)) if kind in ("tool_calls", "calls", "cost_usd") else None
    return Limit(kind, value, random.choice(SELECTORS) if kind == "calls" else None, id=id, window=window)


def random_setting(random: Random) -> Setting:
    """Who runs it, with which tools."""
    tools = (
        tuple(tool(name, random.choice(PARAMETERS[:1] * 3 + PARAMETERS)) for name in TOOLS if chance(random, 85))
        if chance(random, 50)
        else None
    )
    offered = some(random, TOOLS, 3, 0) if chance(random, 8) else None
    return Setting(random.choice((None, "viewer", "operator", "admin", "other", "ghost", "")), tools, offered, START)


def tool(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool in Chat Completions form."""
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def random_facts(random: Random, policy: Policy) -> dict[str, str]:
    """What other runs may have left."""
    facts = {limit.id: random.choice(FACTS) for limit in policy.limits if limit.window is not None and chance(random, 60)}
    return facts | {"once": random.choice(("done run r call c", "started run r call c", ""))} if chance(random, 6) else facts


def random_script(random: Random, values: tuple[Any, ...], policy: Policy) -> tuple[Happening, ...]:
    """Up to nine calls, with what may happen between them. Now and then one is made again."""
    made: list[ToolCall] = []
    script: list[Happening] = []
    for number in range(random.randint(1, 9)):
        if chance(random, 30):
            usage = random.choice((Usage(10, 5), Usage(10, 0), Usage(0, 0), Usage(20, 5, 20), None))
            script.append(Reply(usage, random.choice((0.1, 0.1, 0.2, 0.0, None))))
        call = random_call(random, number, values)
        if made and chance(random, 25):
            again = random.choice(made)
            call = ToolCall(call.id, again.name, again.arguments)
        made.append(call)
        script.append(Proposal(call, random.choice((0, 0, 0, 5, 0.5, 10)), random_facts(random, policy)))
        while chance(random, 45):
            index = number if chance(random, 80) else random.randint(0, number)
            script.append(
                Answer(index, random.choice(("approve", "approve", "reject")))
                if chance(random, 40)
                else Return(index, chance(random, 75), chance(random, 75))
            )
    return tuple(script)


def random_call(random: Random, number: int, values: tuple[Any, ...]) -> ToolCall:
    """A call that a rule may be meant for; one of five is wild in one way."""
    arguments = {
        key: random.choice(values) for key in ("a", "b", "c", "a.c") if chance(random, 90 if key == "a" else 40 if key == "b" else 4)
    }
    call = ToolCall(f"c{number}", random.choice(TOOLS), json.dumps(arguments))
    match random.randrange(15):
        case 14:
            return ToolCall(random.choice((*WILD_IDS, *(f"c{earlier}" for earlier in range(number)))), call.name, call.arguments)
        case 13:
            return ToolCall(f"n{number}", random.choice(WILD_NAMES), call.arguments)
        case 12:
            return ToolCall(call.id, call.name, random.choice(WILD_TEXTS))
        case _:
            return call


def play(case: Case) -> list[Outcome]:
    """Runs a case through a session and the reference side by side."""
    now = START
    setting = case.setting
    session = Session(case.policy, role=setting.role, tools=setting.tools, allowed_tools=setting.allowed_tools, clock=lambda: now)
    history: list[Past] = []
    calls: list[ToolCall] = []
    answered: set[str] = set()
    outcomes: list[Outcome] = []
    for happening in case.script:
        if isinstance(happening, Proposal):
            now += timedelta(seconds=happening.wait)
            call = happening.call
            expected = judge(case.policy, setting, history, call, now, happening.facts)
            for _ in range(2):  # what comes again may be remembered, and is not to be what somebody else made of it
                earlier = decide(session.policy, session.state, call, World(known=happening.facts))
                if isinstance(earlier.arguments, dict):
                    earlier.arguments.clear()
            decision = session.propose(call, at=now, facts=happening.facts)
            outcomes.append(Outcome(call, Verdict(decision.effect, decision.code, decision.rule), expected, decision))
            calls.append(call)
            history.append(Judged(call, expected))
        else:
            if isinstance(happening, Answer):
                id: object = calls[happening.call].id
                if not isinstance(id, str) or id in answered:
                    continue  # nobody is asked twice, or about a call without a usable id
                answered.add(id)
            event = event_of(happening, calls, now)
            session.record(event)
            history.append(event)
    return outcomes


def event_of(happening: Answer | Return | Reply, calls: list[ToolCall], now: datetime) -> ApprovalAnswered | ToolReturned | ModelReplied:
    """The event that a run would record."""
    match happening:
        case Answer():
            return ApprovalAnswered(at=now, call_id=calls[happening.call].id, args_hash="", answer=happening.answer, by="somebody")
        case Return():
            return ToolReturned(at=now, call_id=calls[happening.call].id, executed=happening.executed, ok=happening.ok, content="{}")
        case Reply():
            return ModelReplied(at=now, step=1, message={"role": "assistant"}, usage=happening.usage, cost_usd=happening.cost_usd)
