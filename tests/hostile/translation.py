"""The policies of the hostile corpora as policies of agentgate, in two forms: arguments limited by rules, or by the tools' schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agentgate.core.events import Effect, Json
from agentgate.core.policy import Condition, Limit, Policy, Rule

DATA = Path(__file__).parents[1] / "data" / "hostile"

WITHOUT_LOOKAROUND = {
    "P_SHELL": ("git status|git diff|git log --oneline -n [1-9][0-9]?|ls|ls [A-Za-z0-9_][A-Za-z0-9_./-]{0,80}", r"\.\."),
    "P_FILES": ("[A-Za-z0-9._/-]{1,256}", r"(?i)\.\.|^/|(^|/)(\.env|\.git|\.ssh|id_rsa)(/|$)"),
}
"""Where the corpus has look-around or means a path: the pattern of an allow rule, and what a block rule takes away again."""


def specifications() -> dict[str, dict[str, Json]]:
    """The corpus's own description of its policies, by name."""
    found: dict[str, dict[str, Json]] = json.loads((DATA / "policies.json").read_text(encoding="utf-8"))
    return found


def policy_of(name: str, spec: dict[str, Json], *, in_rules: bool) -> Policy:
    """The policy; with `in_rules`, its rules judge the arguments, otherwise they leave that to the schemas."""
    rules = [rule for tool in spec["tools"] for rule in rules_for(name, tool, spec, in_rules=in_rules)]
    rules += [Rule(f"deny-{number}", Effect.BLOCK, (pattern,)) for number, pattern in enumerate(spec.get("deny_tools", []))]
    budget = spec.get("budget", {})
    limits = (Limit("tool_calls", budget["max_calls"], id="limits.tool_calls"),) if "max_calls" in budget else ()
    return Policy(name, rules=tuple(rules), limits=limits, roles=dict.fromkeys(spec.get("roles", {}), ()))


def rules_for(name: str, tool: str, spec: dict[str, Json], *, in_rules: bool) -> list[Rule]:
    """What the policy says about one of its tools."""
    details = spec["tools"][tool]
    conditions = [one for argument, limits in details["args"].items() for one in conditions_for(name, argument, limits)] if in_rules else []
    roles = tuple(role for role, tools in spec.get("roles", {}).items() if tool in tools)
    if not roles and not any(covers(pattern, tool) for pattern in spec["allow_tools"]):
        return []
    rules = [Rule(f"allow-{tool}", Effect.ALLOW, (tool,), roles=roles or None, when=tuple(conditions))]
    for argument, values in details.get("needs_approval", {}).items():
        rules.append(Rule(f"ask-{tool}", Effect.ASK, (tool,), when=(Condition(argument, (("in", values),)),)))
    if name in WITHOUT_LOOKAROUND:
        rules.append(Rule(f"not-{tool}", Effect.BLOCK, (tool,), when=(Condition("*", (("search", WITHOUT_LOOKAROUND[name][1]),)),)))
    return rules


def covers(pattern: str, tool: str) -> bool:
    """Whether an entry of the allow list, a name or a prefix with `*`, covers the tool."""
    return tool.startswith(pattern[:-1]) if pattern.endswith("*") else tool == pattern


def conditions_for(name: str, argument: str, limits: dict[str, Json]) -> list[Condition]:
    """The limits of one argument as conditions, operators where there is one."""
    operators: dict[str, Json] = {"schema": schema_of(name, limits) if limits["type"] in ("array", "object") else {"type": limits["type"]}}
    if "enum" in limits:
        operators["in"] = limits["enum"]
    if "regex_full" in limits or name in WITHOUT_LOOKAROUND:
        operators["matches"] = pattern_of(name, limits)
    for ours, theirs in (("min", "min"), ("max", "max"), ("max_length", "maxlen")):
        if theirs in limits:
            operators[ours] = limits[theirs]
    if "xmin" in limits or "decimals" in limits:
        operators["schema"] = schema_of(name, limits)
    return [Condition(argument, tuple(operators.items()), optional=not limits.get("required", True))]


def pattern_of(name: str, limits: dict[str, Json]) -> str:
    """The pattern that covers the whole string."""
    return WITHOUT_LOOKAROUND[name][0] if name in WITHOUT_LOOKAROUND else limits["regex_full"]


def tools_of(name: str, spec: dict[str, Json], *, in_rules: bool) -> list[dict[str, Json]]:
    """The registered tools; with `in_rules`, their schemas only name the arguments."""
    tools = []
    for tool, details in spec["tools"].items():
        properties = {argument: {} if in_rules else schema_of(name, limits) for argument, limits in details["args"].items()}
        required = [argument for argument, limits in details["args"].items() if limits.get("required", True)]
        parameters = {"type": "object", "properties": properties, "required": required}
        tools.append({"type": "function", "function": {"name": tool, "parameters": parameters}})
    return tools


def schema_of(name: str, limits: dict[str, Json]) -> dict[str, Json]:
    """The limits of one argument as JSON Schema."""
    schema: dict[str, Any] = {"type": limits["type"]}
    for theirs, key in (("enum", "enum"), ("min", "minimum"), ("max", "maximum"), ("xmin", "exclusiveMinimum"), ("maxlen", "maxLength")):
        if theirs in limits:
            schema[key] = limits[theirs]
    if "regex_full" in limits or (name in WITHOUT_LOOKAROUND and limits["type"] == "string"):
        schema["pattern"] = f"^(?:{pattern_of(name, limits)})$"
    if "decimals" in limits:
        schema["multipleOf"] = 0.01
    if limits["type"] == "array":
        schema |= {"maxItems": limits["max_items"], "uniqueItems": limits["unique"], "items": schema_of(name, limits["items"])}
    if limits["type"] == "object":
        inner = limits["args"]
        schema |= {
            "properties": {key: schema_of(name, one) for key, one in inner.items()},
            "required": list(inner),
            "additionalProperties": False,
        }
    return schema
