# /// script
# dependencies = ["invariant-ai>=0.3"]
# ///
"""Invariant: its rules only ever raise, so what is allowed raises too, by another word; a call passes on `allow` without `block`."""

import json
from typing import Any

from invariant.analyzer import LocalPolicy
from measuring import Judge, serve


def prepare(work: dict[str, Any]) -> Judge:
    policy = LocalPolicy.from_string("\n".join(_rule(rule) for rule in work["rules"]))

    def judge(tool: str, arguments: str) -> bool:
        call = {"id": "1", "type": "function", "function": {"name": tool, "arguments": json.loads(arguments)}}
        result = policy.analyze([{"role": "assistant", "content": None, "tool_calls": [call]}])
        words = {str(error.args[0]) for error in result.errors}
        return words == {"allow"}

    return judge


def _rule(rule: dict[str, Any]) -> str:
    if "*" in rule["tool"]:
        test = f'match("{rule["tool"].replace("*", ".*")}", call.function.name)'
    elif rule["test"]:
        value = rule["value"] if rule["test"] == "is" else f".*{rule['value']}.*"
        test = f'call is tool:{rule["tool"]}({{{rule["argument"]}: "{value}"}})'
    else:
        test = f"call is tool:{rule['tool']}"
    return f'raise "{rule["effect"]}" if:\n    (call: ToolCall)\n    {test}\n'


if __name__ == "__main__":
    serve(prepare)
