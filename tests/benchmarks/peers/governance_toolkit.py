# /// script
# dependencies = ["agent-governance-toolkit[core]>=4"]
# ///
"""agent-governance-toolkit: a rule has one condition on one field, so fields are called `tool.argument`; block rules come first."""

import json
from typing import Any

from agent_os.policies import PolicyDocument, PolicyEvaluator
from measuring import Judge, serve


def prepare(work: dict[str, Any]) -> Judge:
    rules = [
        {
            "name": rule["id"],
            "condition": _condition(rule),
            "action": "allow" if rule["effect"] == "allow" else "deny",
            "priority": 0 if rule["effect"] == "allow" else 10,
        }
        for rule in work["rules"]
    ]
    document = PolicyDocument.model_validate({"version": "1.0", "name": "work", "rules": rules, "defaults": {"action": "deny"}})
    evaluator = PolicyEvaluator([document])

    def judge(tool: str, arguments: str) -> bool:
        fields = {f"{tool}.{name}": value for name, value in json.loads(arguments).items()}
        return evaluator.evaluate({"tool_name": tool, **fields}).allowed

    return judge


def _condition(rule: dict[str, Any]) -> dict[str, str]:
    if rule["test"]:
        operator = "eq" if rule["test"] == "is" else "contains"
        return {"field": f"{rule['tool']}.{rule['argument']}", "operator": operator, "value": rule["value"]}
    return {"field": "tool_name", "operator": "matches", "value": "^" + rule["tool"].replace("*", ".*") + "$"}


if __name__ == "__main__":
    serve(prepare)
