# /// script
# dependencies = ["inspect-ai>=0.3"]
# ///
"""Approval policies of Inspect: patterns over the call as it is written, `tool(action='read', …)`; what is rejected comes first."""

import asyncio
import json
from typing import Any

from inspect_ai.approval import ApprovalPolicy, auto_approver
from inspect_ai.approval._policy import policy_approver
from inspect_ai.tool import ToolCall, ToolCallView
from measuring import Judge, serve


def prepare(work: dict[str, Any]) -> Judge:
    approve = policy_approver(
        [
            ApprovalPolicy(auto_approver("reject"), [_pattern(rule) for rule in work["rules"] if rule["effect"] == "block"]),
            ApprovalPolicy(auto_approver("approve"), [_pattern(rule) for rule in work["rules"] if rule["effect"] == "allow"]),
        ]
    )
    loop = asyncio.new_event_loop()

    def judge(tool: str, arguments: str) -> bool:
        call = ToolCall(id="1", function=tool, arguments=json.loads(arguments))
        approval = loop.run_until_complete(approve("", call, ToolCallView(), []))
        return bool(approval.decision == "approve")

    return judge


def _pattern(rule: dict[str, Any]) -> str:
    if not rule["test"]:
        return f"{rule['tool']}(*"
    value = f"'{rule['value']}'" if rule["test"] == "is" else f"'*{rule['value']}*'"
    return f"{rule['tool']}(*{rule['argument']}={value}*"


if __name__ == "__main__":
    serve(prepare)
