# /// script
# dependencies = ["cedarpy>=4"]
# ///
"""Cedar by its Python binding: policies parsed once, `like` for texts that contain a word and for patterns of names."""

import json
from typing import Any

from cedarpy import Entities, PolicySet, is_authorized
from measuring import Judge, serve


def prepare(work: dict[str, Any]) -> Judge:
    policies = PolicySet.from_str("\n".join(_policy(rule) for rule in work["rules"]))
    entities = Entities.from_json_str("[]")

    def judge(tool: str, arguments: str) -> bool:
        request = {
            "principal": 'User::"agent"',
            "action": 'Action::"call"',
            "resource": f'Tool::"{tool}"',
            "context": {"tool": tool, "arguments": json.loads(arguments)},
        }
        return is_authorized(request, policies, entities).allowed

    return judge


def _policy(rule: dict[str, Any]) -> str:
    exact = "*" not in rule["tool"]
    effect = "permit" if rule["effect"] == "allow" else "forbid"
    resource = f'resource == Tool::"{rule["tool"]}"' if exact else "resource"
    tests = [] if exact else [f'context.tool like "{rule["tool"]}"']
    if rule["test"]:
        test = f'== "{rule["value"]}"' if rule["test"] == "is" else f'like "*{rule["value"]}*"'
        tests.append(f"context.arguments has {rule['argument']} && context.arguments.{rule['argument']} {test}")
    when = f" when {{ {' && '.join(tests)} }}" if tests else ""
    return f'@id("{rule["id"]}") {effect}(principal, action == Action::"call", {resource}){when};'


if __name__ == "__main__":
    serve(prepare)
