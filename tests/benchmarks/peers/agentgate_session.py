# /// script
# dependencies = []
# ///
"""agentgate by its public API, the whole path: strict parsing, the tool's JSON Schema, limits, rules, a Decision, the state's evolution."""

from itertools import count
from typing import Any

from measuring import Judge, serve

from agentgate import Effect, Policy, Session, ToolCall
from agentgate.core.policy import Condition, Limit, Rule


def prepare(work: dict[str, Any]) -> Judge:
    rules = tuple(_rule(rule) for rule in work["rules"])
    limits = (Limit("tool_calls", 10**9, id="limits.tool_calls"), Limit("steps", 10**9, id="limits.steps"))
    session = Session(Policy("work", rules=rules, limits=limits), tools=work["tools"])
    ids = map(str, count())  # they come with the answer of a model
    allow = Effect.ALLOW

    def judge(tool: str, arguments: str) -> bool:
        return session.propose(ToolCall(next(ids), tool, arguments)).effect is allow

    return judge


def _rule(rule: dict[str, Any]) -> Rule:
    when = (Condition(rule["argument"], (("equals" if rule["test"] == "is" else "search", rule["value"]),)),) if rule["test"] else ()
    return Rule(rule["id"], Effect(rule["effect"]), (rule["tool"],), when=when)


if __name__ == "__main__":
    serve(prepare)
