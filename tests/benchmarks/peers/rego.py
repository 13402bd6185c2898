# /// script
# dependencies = ["regorus"]
# ///
"""Rego by regorus: one `allow` or `block` body for each rule."""

import json
from typing import Any

import regorus
from measuring import Judge, serve


def prepare(work: dict[str, Any]) -> Judge:
    engine = regorus.Engine()
    engine.add_policy("work.rego", "package work\nimport rego.v1\ndefault passes := false\npasses if { allow; not block }\n" + _rules(work))

    def judge(tool: str, arguments: str) -> bool:
        engine.set_input({"tool": tool, "arguments": json.loads(arguments)})
        return bool(engine.eval_rule("data.work.passes"))

    return judge


def _rules(work: dict[str, Any]) -> str:
    return "\n".join(f"{rule['effect']} if {{ {'; '.join(_tests(rule))} }}" for rule in work["rules"])


def _tests(rule: dict[str, Any]) -> list[str]:
    tests = [f'glob.match("{rule["tool"]}", null, input.tool)' if "*" in rule["tool"] else f'input.tool == "{rule["tool"]}"']
    given = f"input.arguments.{rule['argument']}"
    if rule["test"]:
        tests.append(f'{given} == "{rule["value"]}"' if rule["test"] == "is" else f'contains({given}, "{rule["value"]}")')
    return tests


if __name__ == "__main__":
    serve(prepare)
