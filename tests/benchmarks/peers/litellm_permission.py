# /// script
# dependencies = ["litellm[proxy]>=1.80"]
# ///
"""LiteLLM's tool permissions: the first rule whose patterns match the whole name and arguments decides; deny rules come first."""

import re
from typing import Any

from litellm.proxy.guardrails.guardrail_hooks.tool_permission import ToolPermissionGuardrail
from litellm.types.utils import ChatCompletionMessageToolCall, Function
from measuring import Judge, serve


def prepare(work: dict[str, Any]) -> Judge:
    ordered = sorted(work["rules"], key=lambda rule: rule["effect"] == "allow")
    permissions = ToolPermissionGuardrail(
        rules=[_rule(rule) for rule in ordered], default_action="deny", guardrail_name="work", event_hook="post_call"
    )
    decide = permissions._get_permission_for_tool_call

    def judge(tool: str, arguments: str) -> bool:
        call = ChatCompletionMessageToolCall(id="1", type="function", function=Function(name=tool, arguments=arguments))
        return decide(call)[0]

    return judge


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    made = {
        "id": rule["id"],
        "tool_name": re.escape(rule["tool"]).replace(r"\*", ".*"),
        "decision": "allow" if rule["effect"] == "allow" else "deny",
    }
    if rule["test"]:
        word = re.escape(rule["value"])
        made["allowed_param_patterns"] = {rule["argument"]: word if rule["test"] == "is" else f"(?s).*{word}.*"}
    return made


if __name__ == "__main__":
    serve(prepare)
