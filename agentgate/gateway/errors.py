"""Errors as clients of the OpenAI protocol know them: one object, the same in a body and in a stream."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from agentgate.core.events import Code, Effect, Json
from agentgate.files.gateway_records import Denial
from agentgate.gateway.sse import write

SERVER = "agentgate"
"""What the gateway calls itself, without telling what it is made of."""

_BUDGET = frozenset((Code.LIMIT,))
_MALFORMED = frozenset((Code.MALFORMED_CALL, Code.MALFORMED_ARGUMENTS))


class Failure(Struct, frozen=True):
    """A status with the error that goes with it."""

    status: int
    error: dict[str, Json]

    @property
    def body(self) -> bytes:
        """The body of the response."""
        return msgspec.json.encode({"error": self.error})

    @property
    def event(self) -> bytes:
        """The same as the last event of a stream that has begun already."""
        return write(self.body)


def failure(status: int, type: str, message: str, *, code: str | None = None, param: str | None = None) -> Failure:
    """An error that is not the policy's."""
    return Failure(status, {"message": message, "type": type, "param": param, "code": code})


def invalid(message: str, param: str | None = None, *, status: int = 400) -> Failure:
    """The client's request is at fault."""
    return failure(status, "invalid_request_error", message, param=param)


def upstream(message: str, *, status: int = 502) -> Failure:
    """The upstream is at fault."""
    return failure(status, "upstream_error", message)


def violation(*, effect: str, code: str, rule: str | None, tool: Json, reason: str, approval: str | None = None) -> Failure:
    """The policy does not let the answer through.

    Args:
        effect: of the decision: `ask` or `block`.
        code: of the decision.
        rule: the id of the deciding rule or limit.
        tool: the name that the model gave; anything but a text is left out.
        reason: in one sentence.
        approval: the id of the question to a person, where one was asked.
    """
    error: dict[str, Json] = {
        "type": "policy_violation",
        "code": _word(effect, code),
        "policy": rule or str(code),
        "tool": tool if isinstance(tool, str) else None,
        "message": reason,
        "param": None,
    }
    if approval is not None:
        error["approval"] = approval
    return Failure(409, error)


def refusal(denied: Denial) -> Failure:
    """What the client of a request gets that is not sent on."""
    return violation(effect=Effect.BLOCK, code=denied.code, rule=denied.rule, tool=denied.tool, reason=denied.reason)


def _word(effect: str, code: str) -> str:
    if effect == Effect.ASK:
        return "approval_required"
    if code in _BUDGET:
        return "budget_exceeded"
    return "malformed_tool_call" if code in _MALFORMED else "tool_blocked"
