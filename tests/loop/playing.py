"""Stories of the loop: a scripted model, scripted people, tools that only say what they were told, and what came of it, a line an event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from msgspec import UNSET

from agentgate.accounts import Accounts
from agentgate.approvers.port import Answer, Approver, Question
from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Decision,
    Effect,
    Event,
    Json,
    Mode,
    ModelReplied,
    RunEnded,
    RunResumed,
    RunStarted,
    Scope,
    ToolCall,
    ToolReturned,
    Usage,
)
from agentgate.core.stops import Switch
from agentgate.errors import ModelError, RecordError
from agentgate.files.policy_file import load_policy
from agentgate.interrupts import Interrupts
from agentgate.loop import Loop
from agentgate.models.port import Model, Reply
from agentgate.session import Session
from agentgate.tools.port import Outcome, Tool, Toolbox
from agentgate.unfinished import Past
from tests.core.building import START, Clock

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "policies"
PEOPLE = {
    "approve": Answer(approved=True, by="terminal"),
    "reject": Answer(approved=False, by="terminal", note="not today"),
    "nobody": Answer(approved=False, by="nobody", note="no answer in time", unavailable=True),
    "stop": Answer(approved=False, by="terminal", stop=True),
}


class Recorder:
    """Keeps events in memory; can be told to fail once, at the n-th one, and to hand every event on."""

    def __init__(self, fails_at: int | None = None, onward: Callable[[Event], None] = lambda event: None) -> None:
        self.events: list[Event] = []
        self._tries = 0
        self._fails_at = fails_at
        self._onward = onward

    def __call__(self, event: Event) -> None:
        self._tries += 1
        if self._tries - 1 == self._fails_at:
            raise RecordError("disk full")
        self._onward(event)
        self.events.append(event)


class ScriptedModel:
    """Gives its answers in order, and keeps what it was asked. An answer may take time, or be an exception."""

    def __init__(self, answers: Sequence[Json], clock: Clock) -> None:
        self.asked: list[list[Mapping[str, Json]]] = []
        self.closed = False
        self._answers = list(answers)
        self._clock = clock
        self._calls = 0

    def ask(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: Sequence[Mapping[str, Json]],
        tool_choice: Json,
        *,
        most: int | None = None,
    ) -> Reply:
        self.asked.append(json.loads(json.dumps(messages)))
        if not self._answers:
            raise ModelError("the script has no more answers", help="write some")
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return self._reply(answer)

    def close(self) -> None:
        self.closed = True

    def skip(self, past: Past) -> None:
        """Leaves out the answers that it has given already."""
        del self._answers[: len(past.turns)]
        self._calls = sum(len(turn.calls) for turn in past.turns)

    def _reply(self, answer: Json) -> Reply:
        """A text is the last answer, a list is calls; a mapping says it in full."""
        said: dict[str, Any] = answer if isinstance(answer, dict) else {"calls" if isinstance(answer, list) else "text": answer}
        self._clock.wait(said.get("takes", 0))
        calls = [self._call(call) for call in said.get("calls", ())]
        message: dict[str, Json] = {"role": "assistant", "content": said.get("text"), **({"tool_calls": calls} if calls else {})}
        finish = said.get("finish", "tool_calls" if calls else "stop")
        usage = Usage(*said.get("usage", (100, 20))) if said.get("usage", ()) is not None else None
        return Reply(
            message=message,
            finish_reason=finish,
            usage=usage,
            unusable=said.get("unusable"),
            notes=said.get("notes", ()),
            items=tuple(said.get("items", ())),
        )

    def _call(self, call: Json) -> dict[str, Json]:
        """`name {"its": "arguments"}` gets an id; a mapping is the call as it stands."""
        if isinstance(call, dict):
            return call
        self._calls += 1
        name, _, arguments = call.partition(" ")
        return {"id": f"call_{self._calls}", "type": "function", "function": {"name": name, "arguments": arguments}}


class Tools:
    """Executes nothing; keeps what it was given, and makes sure that it was on record before."""

    def __init__(self, tools: Mapping[str, Json], recorder: Recorder) -> None:
        self.tools = tuple(tool(name, said or {}) for name, said in tools.items())
        self.executed: list[str] = []
        self.abandoned = False
        self._said = tools
        self._recorder = recorder

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False, idempotency_key: str | None = None) -> Outcome:
        assert _let_through(call, approved, self._recorder.events)
        assert decision.arguments == json.loads(call.arguments or "{}")
        self.executed.append(call.id)
        said = self._said[call.name] or {}
        if isinstance(said.get("bug"), str):
            raise ValueError(said["bug"])
        if "fails" in said:
            error = {"ok": False, "error": f"tool '{call.name}' failed: {said['fails']}", "code": "tool_error"}
            return Outcome(ok=False, content=json.dumps(error), seconds=0.0)
        return Outcome(ok=True, content=json.dumps({"ok": True, "tool": call.name, "result": said.get("returns", "fine")}), seconds=0.0)

    def abandon(self) -> None:
        self.abandoned = True

    def close(self) -> None:
        pass


class People:
    """Answers in order; with no answers left it is a mistake to ask."""

    def __init__(self, answers: Sequence[Answer | Exception]) -> None:
        self._answers = list(answers)

    def ask(self, question: Question) -> Answer:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


class Notes:
    """Hears what the loop has to say."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        yield

    def note(self, text: str) -> None:
        self.heard.append(text)


class Play:
    """One story, ready to be played."""

    def __init__(
        self,
        story: Mapping[str, Any],
        folder: Path,
        recorder: Recorder | None = None,
        interrupts: Interrupts | None = None,
        *,
        model: Model | None = None,
        toolbox: Toolbox | None = None,
        approver: Approver | None = None,
        switch: Switch | None = None,
        secrets: Mapping[str, str] | None = None,
        accounts: Accounts | None = None,
        run_id: str = "story",
    ) -> None:
        """Brings the parts together.

        Args:
            story: `policy` (a mapping, or the name of a shipped file), `tools`, `model`, and where they matter `people`, `mode`, `role`,
                `max_steps`, `tool_choice`.
            folder: where the policy is written.
            recorder: where events go.
            interrupts: Ctrl-C.
            model: in place of the scripted one.
            toolbox: in place of the story's tools.
            approver: in place of the scripted people.
            switch: the kill switch.
            secrets: what no record may hold.
            accounts: what runs share.
            run_id: of this one.
        """
        self.clock = Clock()
        self.recorder = recorder or Recorder()
        self.model = ScriptedModel(story["model"], self.clock)
        self.tools = Tools(story.get("tools", {}), self.recorder)
        self.notes = Notes()
        self.session = Session(
            _policy(story["policy"], folder),
            role=story.get("role"),
            mode=story.get("mode", "enforce"),
            recorder=self.recorder,
            clock=self.clock,
            switch=switch,
            secrets=secrets,
            accounts=accounts,
        )
        people = approver or People([PEOPLE[answer] if isinstance(answer, str) else answer for answer in story.get("people", ())])
        self.loop = Loop(self.session, model or self.model, toolbox or self.tools, people, self.notes, interrupts or Interrupts())
        self.started = RunStarted(
            at=START,
            run_id=run_id,
            mode=Mode(story.get("mode", "enforce")),
            role=story.get("role"),
            messages=({"role": "user", "content": "do it"},),
            tools=tuple(tool.definition for tool in self.tools.tools),
            tool_choice=story.get("tool_choice", "auto"),
            max_steps=story.get("max_steps", 20),
        )

    def run(self) -> RunEnded:
        return self.loop.run(self.started)

    @property
    def events(self) -> list[Event]:
        return self.recorder.events

    @property
    def told(self) -> str:
        """What happened, a line an event."""
        return "".join(f"{line}\n" for event in self.events if (line := _line(event)))


def stories(name: str) -> list[Any]:
    """The stories of a file, one a document."""
    return list(yaml.safe_load_all((ROOT / "tests" / "data" / "loop" / name).read_text()))


def _policy(said: Json, folder: Path) -> Any:
    if isinstance(said, str):
        return load_policy(str(POLICIES / said))
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({"version": 1, **said}))
    return load_policy(str(path))


def tool(name: str, said: Mapping[str, Json]) -> Tool:
    """A tool as the model is told about it."""
    properties = {argument: {"type": kind} for argument, kind in said.get("takes", {}).items()}
    parameters = {"type": "object", "properties": properties, "additionalProperties": False}
    definition = {"type": "function", "function": {"name": name, "parameters": parameters}}
    return Tool(name, definition, mock=said.get("mock", UNSET))


def _let_through(call: ToolCall, approved: bool, events: Sequence[Event]) -> bool:
    decided = next((event for event in events if isinstance(event, CallDecided) and event.call_id == call.id), None)
    if decided is None or decided.arguments != call.arguments:
        return False
    answered = [event for event in events if isinstance(event, ApprovalAnswered) and event.call_id == call.id]
    answers = [event.answer for event in answered if event.scope is not Scope.RETRY]
    return decided.effect is Effect.ALLOW or not decided.enforced or (approved and answers == ["approve"])


def _line(event: Event) -> str:
    match event:
        case RunStarted():
            return ""
        case ModelReplied():
            calls = len(event.message.get("tool_calls") or ())
            return f"model   {event.message.get('content') or ''}{f'{calls} calls' if calls else ''}"
        case CallDecided():
            word = event.effect.value if event.enforced or event.effect is Effect.ALLOW else f"({event.effect.value})"
            why = "" if event.effect is Effect.ALLOW else f": {event.reason}"
            return f"{word:<7} {event.tool} {event.arguments}".rstrip() + f"  {event.rule or event.code.value}{why}"
        case ApprovalAnswered():
            far = "" if event.scope is Scope.CALL else f" ({event.scope.value})"
            return f"{event.answer:<7}{far} {event.by}{f': {event.note}' if event.note else ''}"
        case ToolReturned():
            content = json.loads(event.content)
            said = json.dumps(content.get("result", content), ensure_ascii=False) if event.ok else content["error"]
            return f"{'ran' if event.executed else 'told':<7} {said}"
        case RunEnded():
            return f"end     {event.status}{f': {event.reason}' if event.reason else ''}"
        case RunResumed():
            return " ".join(["resume", *event.overrides, *(["retry"] if event.retry_unknown else [])])
