"""The agent loop: ask the model, judge every call, execute what was let through, give back the results; until there are no calls left.

Everything that happens is told to the session first, which writes it down; only then it has consequences.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from agentgate.approvers.port import Answer, Approver
from agentgate.core.arguments import digest
from agentgate.core.events import (
    ApprovalAnswered,
    Code,
    Decision,
    Effect,
    Json,
    Mode,
    ModelReplied,
    RunEnded,
    RunStarted,
    ToolCall,
    ToolReturned,
)
from agentgate.errors import ModelError
from agentgate.interrupts import Interrupted, Interrupts
from agentgate.models.port import Model, Reply
from agentgate.session import Session
from agentgate.tools.port import Outcome, Toolbox

DEFAULT_MAX_STEPS = 20
"""Model requests of a task that names no `max_steps`. A loop without an end is never meant."""

_GRACE_SECONDS = 5.0
"""How long a running tool may go on after the first Ctrl-C."""


class Watcher(Protocol):
    """Who is told what the loop waits for, and what else the user should know."""

    def waiting(self, text: str) -> AbstractContextManager[None]: ...

    def note(self, text: str) -> None: ...


class Loop:
    """One run of one task."""

    def __init__(
        self,
        session: Session,
        model: Model,
        toolbox: Toolbox,
        approver: Approver,
        watcher: Watcher,
        interrupts: Interrupts,
    ) -> None:
        self._session = session
        self._model = model
        self._toolbox = toolbox
        self._tools = {tool.name: tool for tool in toolbox.tools}
        self._approver = approver
        self._watcher = watcher
        self._interrupts = interrupts
        self._stop: str | None = None
        self._items: list[dict[str, Json]] = []

    def run(self, started: RunStarted) -> RunEnded:
        """Runs to the end, whatever the end is.

        Raises:
            RecordError: an event could not be written. Nothing was executed after it.
        """
        self._session.record(started)
        messages = list(started.messages)
        try:
            status, reason = self._turns(started, messages)
        except ModelError as error:
            status, reason = "failed", f"{error.message}: {error.help}" if error.help else error.message
        except Interrupted:
            status, reason = "interrupted", "interrupted"
        ended = RunEnded(at=self._session.now(), status=status, reason=reason, totals=self._session.state.totals)
        self._session.record(ended)
        return ended

    def _turns(self, started: RunStarted, messages: list[dict[str, Json]]) -> tuple[str, str]:
        tools = [tool.definition for tool in self._toolbox.tools]
        while True:
            permit = self._session.request()
            if permit.effect is not Effect.ALLOW and (self._session.mode is not Mode.OBSERVE or permit.rule == "max_steps"):
                return "stopped", f"{permit.reason} ({permit.rule})"
            if self._interrupts.count:
                raise Interrupted
            reply = self._ask(messages, tools, started.tool_choice)
            calls = reply.message.get("tool_calls") or []
            if not calls:
                if reply.unusable and reply.finish_reason not in ("length", "content_filter"):
                    raise ModelError(reply.unusable)
                return "done", self._session.state.unusable or ""
            self._answer_all(calls, reply, messages)
            if self._stop is not None:
                return "stopped", self._stop
            if self._interrupts.count:
                raise Interrupted

    def _ask(self, messages: list[dict[str, Json]], tools: list[dict[str, Json]], tool_choice: Json) -> Reply:
        with self._watcher.waiting("waiting for the model"):
            reply = self._interrupts.wait_for(lambda: self._model.ask(messages, tools, tool_choice), grace=0.0, give_up=self._model.close)
        for note in reply.notes:
            self._watcher.note(note)
        self._session.record(
            ModelReplied(
                at=self._session.now(),
                step=self._session.state.steps + 1,
                message=reply.message,
                finish_reason=reply.finish_reason,
                usage=reply.usage,
                cost_usd=reply.cost_usd,
                unusable=reply.unusable,
            )
        )
        return reply

    def _answer_all(self, calls: list[Mapping[str, Json]], reply: Reply, messages: list[dict[str, Json]]) -> None:
        """Judges and answers every call of one answer, in order, and puts both sides into the conversation."""
        answers: list[tuple[ToolCall, str]] = []
        for proposed in calls:
            call = tool_call(proposed)
            answers.append((call, self._answer(call)))
        messages.extend(conversation(reply, answers))

    def _answer(self, call: ToolCall) -> str:
        """Judges one call and sees to its one answer: the text for the model."""
        observed = self._session.runnable(call) if self._session.mode is Mode.OBSERVE else None
        decision = self._session.propose(call)
        if self._interrupts.count or self._stop is not None:
            outcome = _not_executed("the run ended before this call", Code.KILLED)
        elif observed is not None:
            outcome = self._observed(call, decision, observed)
        elif decision.effect is Effect.BLOCK:
            outcome = _refusal(decision)
        elif self._session.mode is Mode.DRY_RUN:
            outcome = self._rehearsed(call, decision)
        elif decision.effect is Effect.ASK:
            outcome = self._asked(call, decision)
        else:
            outcome = self._execute(lambda: self._toolbox.execute(call, decision))
        self._session.record(
            ToolReturned(
                at=self._session.now(),
                call_id=call.id,
                executed=outcome.executed,
                ok=outcome.ok,
                content=outcome.content,
                seconds=outcome.seconds,
                truncated=outcome.truncated,
            )
        )
        return outcome.content

    def _observed(self, call: ToolCall, decision: Decision, runnable: Decision) -> Outcome:
        """Observe mode executes everything that can run at all."""
        if runnable.effect is not Effect.ALLOW or runnable.arguments is None:
            return _refusal(runnable)
        from msgspec.structs import replace

        unbound = replace(decision, arguments=runnable.arguments, enforced=False)
        return self._execute(lambda: self._toolbox.execute(call, unbound))

    def _rehearsed(self, call: ToolCall, decision: Decision) -> Outcome:
        """Dry run: nothing is executed, and nobody is asked."""
        if decision.effect is Effect.ASK:
            return _not_executed(f"{decision.reason}; nobody is asked in a dry run", Code.APPROVAL_UNAVAILABLE, decision)
        tool = self._tools.get(call.name)
        mock = tool.mock if tool is not None else None
        from msgspec import UNSET

        content = {"ok": True, "dry_run": True} if mock is UNSET else {"ok": True, "tool": call.name, "result": mock}
        return Outcome(ok=True, content=_text(content), seconds=0.0, executed=False)

    def _asked(self, call: ToolCall, decision: Decision) -> Outcome:
        try:
            answer = self._interrupts.wait_for(lambda: self._approver.ask(call, decision), grace=0.0, give_up=self._approver.close)
        except Interrupted:
            answer = Answer(approved=False, by="interrupt", unavailable=True)
        self._session.record(
            ApprovalAnswered(
                at=self._session.now(),
                call_id=call.id,
                args_hash=digest(decision.arguments),
                answer="approve" if answer.approved else "reject",
                by=answer.by,
                note=answer.note,
            )
        )
        if answer.stop:
            self._stop = "the person who was asked stopped the run"
        if answer.approved and not answer.stop:
            return self._execute(lambda: self._toolbox.execute(call, decision, approved=True))
        code = Code.APPROVAL_UNAVAILABLE if answer.unavailable else Code.APPROVAL_REJECTED
        said = "nobody could approve it" if answer.unavailable else "a person rejected it"
        reason = f"{decision.reason}: {said}" + (f" ({answer.note})" if answer.note else "")
        return _not_executed(reason, code, decision)

    def _execute(self, work: Callable[[], Outcome]) -> Outcome:
        with self._watcher.waiting("running the tool"):
            try:
                return self._interrupts.wait_for(work, grace=_GRACE_SECONDS, give_up=self._toolbox.abandon)
            except Interrupted:
                content = {"ok": False, "error": "interrupted, may have run", "code": "tool_error"}
                return Outcome(ok=False, content=_text(content), seconds=0.0, executed=True)


def tool_call(proposed: Mapping[str, Json]) -> ToolCall:
    """The call in a Chat Completions message, with whatever stands where id, name and arguments should be."""
    function = proposed.get("function")
    if not isinstance(function, Mapping):
        function = {}
    return ToolCall(id=proposed.get("id"), name=function.get("name"), arguments=function.get("arguments"))


def conversation(reply: Reply, answers: list[tuple[ToolCall, str]]) -> list[dict[str, Json]]:
    """The model's answer and ours as messages for the next request.

    A call that is malformed (no id, an id used twice, no name) cannot be said again as it was: a server would refuse the whole request. It
    gets an id and a name of ours, so that the model still learns what was wrong.
    """
    calls: list[dict[str, Json]] = []
    results: list[dict[str, Json]] = []
    used: set[str] = set()
    for index, (call, content) in enumerate(answers):
        sound = isinstance(call.id, str) and call.id and call.id not in used
        call_id = call.id if sound else f"malformed_{index}"
        used.add(call_id)
        name = call.name if isinstance(call.name, str) and call.name else "malformed"
        arguments = call.arguments if isinstance(call.arguments, str) else "{}"
        calls.append({"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}})
        results.append({"role": "tool", "tool_call_id": call_id, "content": content})
    message = {"role": "assistant", "content": reply.message.get("content"), "tool_calls": calls}
    if reply.items:
        message["items"] = list(reply.items)
    return [message, *results]


def refusal(decision: Decision) -> dict[str, Json]:
    """What a refused call returns to the model."""
    return {"ok": False, "error": decision.reason, "code": decision.code, "rule": decision.rule, "hint": decision.hint}


def _refusal(decision: Decision) -> Outcome:
    return Outcome(ok=False, content=_text(refusal(decision)), seconds=0.0, executed=False)


def _not_executed(reason: str, code: Code, decision: Decision | None = None) -> Outcome:
    rule, hint = (decision.rule, decision.hint) if decision is not None else (None, None)
    content = {"ok": False, "error": reason, "code": code, "rule": rule, "hint": hint}
    return Outcome(ok=False, content=_text(content), seconds=0.0, executed=False)


def _text(content: Mapping[str, Json]) -> str:
    return json.dumps(content, ensure_ascii=False)
