"""What the model is told about a call that no tool answered: refused, rehearsed, or given up while it ran."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import UNSET

from agentgate.core.events import Code, Decision, Json, ToolCall
from agentgate.core.once import Earlier
from agentgate.core.stops import Halt
from agentgate.tools.port import Outcome, Tool


def refusal(decision: Decision) -> dict[str, Json]:
    """What a refused call returns to the model."""
    return {"ok": False, "error": decision.reason, "code": decision.code, "rule": decision.rule, "hint": decision.hint}


def refused(decision: Decision) -> Outcome:
    """The policy, or the call itself, does not let it run."""
    return _outcome(refusal(decision))


def repeated(call: ToolCall, decision: Decision, earlier: Earlier | None) -> Outcome:
    """The same call was executed before: the earlier result, where there is one."""
    if earlier is not None and earlier.ok and earlier.content is not None:
        try:
            content = json.loads(earlier.content)
            if isinstance(content, dict) and content["ok"] is True:
                return _outcome({**content, "code": Code.DUPLICATE})
        except (ValueError, KeyError, RecursionError):
            pass
        return _outcome({"ok": True, "tool": call.name, "result": earlier.content, "code": Code.DUPLICATE})
    return _outcome({**refusal(decision), "error": f"{decision.reason}; it is not executed again"})


def not_approved(decision: Decision, code: Code, why: str) -> Outcome:
    """A call that the policy asks about, and nobody said yes to."""
    return _outcome({**refusal(decision), "error": f"{decision.reason}{why}", "code": code})


def not_reached() -> Outcome:
    """The run is being ended."""
    return _outcome({"ok": False, "error": "the run ended before this call", "code": Code.KILLED, "rule": None, "hint": None})


def killed(halt: Halt) -> Outcome:
    """The kill switch was thrown between the decision and the execution."""
    return _outcome({"ok": False, "error": halt.reason, "code": Code.KILLED, "rule": None, "hint": None})


def outdated() -> Outcome:
    """It was decided under a policy, or for tools, that are not in force any more."""
    error = "the policy, the task or the tools were changed while this call waited; propose it again if it is still needed"
    return _outcome({"ok": False, "error": error, "code": Code.KILLED, "rule": None, "hint": None})


def lost() -> Outcome:
    """The record does not hold its arguments as they were."""
    error = "this call waited, and parts of its arguments were taken out of the record; propose it again if it is still needed"
    return _outcome({"ok": False, "error": error, "code": Code.KILLED, "rule": None, "hint": None})


def rehearsed(tool: Tool) -> Outcome:
    """A dry run: the tool's mock, if it has one."""
    if tool.mock is UNSET:
        return _outcome({"ok": True, "dry_run": True})
    return _outcome({"ok": True, "tool": tool.name, "result": tool.mock})


def may_have_run(reason: str, code: str) -> Outcome:
    """An execution that was given up; nobody knows how far it got."""
    return _outcome({"ok": False, "error": f"{reason}, may have run", "code": code}, executed=True, unknown=True)


def _outcome(content: Mapping[str, Json], *, executed: bool = False, unknown: bool = False) -> Outcome:
    text = json.dumps(content, ensure_ascii=False)
    return Outcome(ok=bool(content["ok"]), content=text, seconds=0.0, executed=executed, unknown=unknown)
