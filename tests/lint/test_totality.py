"""Lint looks at any policy that loads, with any tools, and never breaks; what it says can always be shown."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from agentgate.core.conditions import OPERATORS
from agentgate.core.events import Effect, Json
from agentgate.core.findings import Place, Severity
from agentgate.core.lint import AUDITS, Protected, lint
from agentgate.core.policy import WINDOWS, Condition, Limit, Policy, Rule

_TOOLS = ("read_file", "write_file", "run_command", "send_email", "any", "read_*", "*", "@some", "@none", "w*e")
_ARGUMENTS = ("path", "command", "query", "to", "url", "amount", "deep.er", "deep.er.still", "*", "nobody")
_OPERANDS: dict[str, tuple[Json, ...]] = {
    "equals": ("x", 1, 1.5, True, None, "a@example.com", [], {}),
    "in": ([], ["x"], [1, "1", True], ["src", "docs", None], [["x"], {"er": 1}]),
    "not_in": ([], ["x"], [1, True, None]),
    "matches": ("", ".*", "[^@]+@example.com", "src/.*", "https://api.example.com/.*", "(?i)x|y", r"\Qa.b\E", "[[:alpha:]]+x{2,3}"),
    "search": ("DROP TABLE", "(?i)drop", "^rm -rf", "x$", "a.b", r"(?P<n>drop)\s", "a{1000}", "(?-s:.)", r"\pN+", "https?://"),
    "glob": ("*", "src/*", "*@example.com", "https://example.com*", "x"),
    "min": (0, 1, 2.5, -3),
    "max": (0, 1, 2.5, 10**20),
    "min_length": (0, 1, 50_000),
    "max_length": (0, 3),
    "exists": (True, False),
    "schema": ({}, {"type": "integer"}, {"enum": ["x", 1]}, {"type": "array", "items": {"type": "string"}}, {"not": {}}),
    "path": (["src"], [], ["/etc", "."]),
    "url": ({"hosts": ["api.example.com", "*.example.org"]}, {"hosts": []}, {"hosts": ["::1"], "schemes": [], "ports": [1]}),
    "email": (["example.com", "*.example.org"], []),
    "command": (["git status", "git log **", "ls *"], []),
    "sql": ({"statements": ["select"], "tables": ["orders"]}, {"statements": ["drop"], "tables": ["*"]}),
    "links_seen_in": ("prompt", ["read_file", "x*#url"], []),
    "seen_in": ("prompt", ["prompt", "read_file", "@some", "x*"], []),
}
_PARAMETERS: tuple[Json, ...] = (
    {},
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"path": {"type": "string", "default": "."}, "query": {"type": "string", "pattern": "[a-z]+"}}},
    {"type": "object", "properties": {"amount": {"type": "number", "minimum": 1, "maximum": 5}}, "required": ["amount"]},
    {"properties": {"deep": {"$ref": "#/$defs/d"}}, "$defs": {"d": {"properties": {"er": {"enum": ["x", 1]}}, "required": ["er"]}}},
    {"properties": {"path": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "to": {"format": "email"}, "url": {"const": "x"}}},
    {"properties": {"command": {"type": ["array", "string"], "items": {"type": "integer"}, "minItems": 2}}, "required": ["command"]},
    {"properties": {"deep": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}},
    {"properties": {"amount": {"type": "integer"}}, "additionalProperties": True},
    {"properties": {"path": True, "to": {"allOf": [{"type": "string"}, {"minLength": 3}]}}, "patternProperties": {"^x": {}}},
    {"type": "object", "unknown": 1},
)  # fmt: skip


def _condition(rng: random.Random) -> Condition:
    names = rng.sample(tuple(OPERATORS), rng.choice((1, 1, 2)))
    return Condition(rng.choice(_ARGUMENTS), tuple((name, rng.choice(_OPERANDS[name])) for name in names), optional=rng.random() < 0.2)


def _rule(rng: random.Random, number: int) -> Rule:
    def some(chance: float) -> tuple[str, ...] | None:
        return tuple(rng.sample(_TOOLS, rng.randint(0, 2))) if rng.random() < chance else None

    return Rule(
        id=f"rule-{number}",
        effect=rng.choice(tuple(Effect)),
        tools=tuple(rng.sample(_TOOLS, rng.choice((1, 1, 2)))),
        except_tools=some(0.2) or (),
        roles=tuple(rng.sample(("viewer", "admin", "ghost"), rng.randint(0, 2))) if rng.random() < 0.2 else None,
        except_roles=("viewer",) if rng.random() < 0.1 else (),
        when=tuple({one.argument: one for one in (_condition(rng) for _ in range(rng.randint(0, 2)))}.values()),
        unless=tuple(_condition(rng) for _ in range(rng.choice((0, 0, 1)))),
        after=some(0.15),
        before=some(0.15),
        observe=rng.random() < 0.1,
        place=Place("policy.yaml", number + 1) if rng.random() < 0.9 else None,
    )


_KINDS = ("steps", "tool_calls", "tokens", "cost_usd", "seconds", "repeats", "refusals", "calls", "calls")


def _limit(rng: random.Random, number: int) -> Limit:
    kind = rng.choice(_KINDS)
    place = Place("policy.yaml", 90 + number) if rng.random() < 0.7 else None
    window = rng.choice((None, None, *WINDOWS)) if kind in ("calls", "tool_calls", "cost_usd") else None
    tools = rng.choice(_TOOLS) if kind == "calls" else None
    return Limit(kind, rng.choice((0, 1, 2, 3)), tools, id=f"limits.{number}", place=place, window=window)


def _policy(rng: random.Random) -> Policy:
    made = Policy(
        "random",
        default=rng.choice(tuple(Effect)),
        rules=tuple(_rule(rng, number) for number in range(rng.randint(0, 6))),
        limits=tuple(_limit(rng, number) for number in range(rng.randint(0, 4))),
        roles={"viewer": (), "admin": ("viewer",)},
        groups={"some": ("read_file", "w*"), "none": ()},
        once=tuple(rng.sample(_TOOLS, rng.choice((0, 0, 1, 2)))),
        place=Place("policy.yaml") if rng.random() < 0.8 else None,
    )
    if made.rules and rng.random() < 0.3:
        twin = replace(rng.choice(made.rules), id="twin")
        made = replace(made, rules=(*made.rules, twin))
    return made


def _tools(rng: random.Random) -> list[dict[str, Json]] | None:
    if rng.random() < 0.3:
        return None
    names = rng.sample(("read_file", "write_file", "run_command", "send_email", "unnamed"), rng.randint(0, 4))
    return [{"type": "function", "function": {"name": name, "parameters": rng.choice(_PARAMETERS)}} for name in names]


@pytest.mark.parametrize("seed", range(30))
def test_lint_has_something_to_say_about_everything(seed: int) -> None:
    """Rules, limits, roles, groups and tools of every shape: findings with known codes, places and words, in order."""
    rng = random.Random(seed)
    for _ in range(10):
        findings = lint(
            _policy(rng),
            _tools(rng),
            protected=(Protected("policies/strict.yaml", "the policy"), Protected("/srv/code.py", "the code of the tools")),
            flat=rng.random() < 0.2,
        )
        assert {finding.code for finding in findings} <= AUDITS.keys()
        assert all(finding.message and not finding.message.endswith(".") for finding in findings)
        warnings = [finding for finding in findings if finding.severity is Severity.WARNING]
        assert all("this call " in (one.help or "") or "the model is " in (one.help or "") for one in warnings)
        assert findings == sorted(findings, key=lambda finding: (finding.place.file, finding.place.line, finding.place.column))


def test_every_operator_is_among_them() -> None:
    """A new operator needs operands here."""
    assert _OPERANDS.keys() == OPERATORS.keys()
