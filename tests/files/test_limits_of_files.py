"""Limits as files write them: a number, or a mapping with a name and a message."""

from __future__ import annotations

from io import BytesIO

import pytest

from agentgate import ModelReplied, Session, ToolCall, Usage
from agentgate.core.policy import Policy
from agentgate.files.policy_file import load_policy
from agentgate.output.policy_view import limits_text

NAMED = """
version: 1
default: allow
limits:
  tool_calls: {max: 1, id: few-calls, message: one call is enough}
  cost_usd: {max: 0.05, message: too dear}
  seconds: 300.5
  tools:
    send: {calls: 0, id: no-mail, message: nothing is sent}
"""


def loaded(text: str) -> Policy:
    """The policy that a file makes."""
    return load_policy("-", stdin=BytesIO(text.encode()))


def test_a_limit_may_have_a_name_and_a_message() -> None:
    """Decisions then name it so; without a name it is called after its kind."""
    limits = {limit.id: (limit.kind, limit.value, limit.tools, limit.message) for limit in loaded(NAMED).limits}
    assert limits == {
        "few-calls": ("tool_calls", 1, None, "one call is enough"),
        "limits.cost_usd": ("cost_usd", 0.05, None, "too dear"),
        "limits.seconds": ("seconds", 300.5, None, None),
        "no-mail": ("calls", 0, "send", "nothing is sent"),
    }


@pytest.mark.parametrize(
    ("calls", "cost", "rule", "reason"),
    [
        (["send"], 0.0, "no-mail", "nothing is sent"),
        (["read", "read"], 0.0, "few-calls", "one call is enough"),
        (["read"], 0.05, "limits.cost_usd", "too dear"),
    ],
)
def test_decisions_carry_them(calls: list[str], cost: float, rule: str, reason: str) -> None:
    """As the rule and the reason."""
    session = Session(loaded(NAMED))
    session.record(ModelReplied(step=1, message={}, usage=Usage(1, 1), cost_usd=cost))
    said = [session.propose(ToolCall(f"c{number}", tool, "{}")) for number, tool in enumerate(calls)][-1]
    assert (said.effect, said.code, said.rule, said.reason) == ("block", "limit", rule, reason)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ("{steps: 6, tool_calls: 10, cost_usd: 0.05}", "6 steps, 10 calls, $0.05"),
        ("{cost_usd: 5.00}", "$5.00"),
        ("{cost_usd: 5}", "$5.00"),
        ("{cost_usd: 0.0025, seconds: 1.5}", "$0.0025, 1.5 seconds"),
    ],
)
def test_the_screen_names_them_in_a_few_words(limits: str, text: str) -> None:
    """Money with a dollar sign and two digits at least."""
    assert limits_text(loaded(f"version: 1\nlimits: {limits}\n")) == text
