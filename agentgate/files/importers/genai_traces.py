"""Makes conversations of the spans of one trace.

Every span of a model tells the whole history that it was given, so the same calls stand in many spans. A history that begins with all
that was said in a conversation so far goes on from it, and only what is new in it is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct, field

from agentgate.core.events import EPOCH, Json
from agentgate.files.importers.assembly import Assembly, expect, json_text, union_of_tools
from agentgate.files.importers.genai_spans import Message, Record
from agentgate.files.transcript import Damage, InvalidTranscript, Transcript

_AROUND = ("invoke_agent", "create_agent", "invoke_workflow")
"""Operations around those of models: what they record is said again inside of them."""


class _Conversation(Struct):
    """Spans whose histories go on from each other."""

    assembly: Assembly = field(default_factory=Assembly)
    keys: list[frozenset[tuple[Json, ...]]] = field(default_factory=list)
    """Of every message so far: its key, or one for each choice."""
    blind: bool = False
    """Whether no history was recorded, only answers."""
    called: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)

    def goes_on_with(self, history: list[Message] | None) -> bool:
        """Whether a history begins with all that was said here."""
        if history is None or self.blind:
            return self.blind and history is None
        return len(self.keys) <= len(history) and all(message.key in keys for message, keys in zip(history, self.keys, strict=False))

    def hear(self, messages: list[Message], at: datetime) -> None:
        """Adds messages of a history."""
        for message in messages:
            self.keys.append(frozenset([message.key]))
            if message.role == "assistant":
                self._answer([message], at)
                continue
            self._return(message, at)
            if message.texts:
                self.assembly.say("user" if message.role == "user" else "system", "\n".join(message.texts), at)

    def answer(self, record: Record, at: datetime) -> None:
        """Adds what a model answered, with the calls of all choices."""
        if record.output:
            self._answer(record.output, at, record)
            self.keys.append(frozenset(message.key for message in record.output))

    def _answer(self, choices: list[Message], at: datetime, record: Record | None = None) -> None:
        answer = self.assembly.answer(at)
        answer.usage = record.usage if record is not None else None
        for message in choices:
            answer.texts.extend(message.texts)
            answer.calls.extend(message.said.calls)
            answer.finish_reason = message.finish_reason or answer.finish_reason
            self.called.update(json_text(call.get("id")) for call in message.said.calls)
            self._return(message, at)

    def _return(self, message: Message, at: datetime) -> None:
        for call_id, content in message.results:
            self.give(call_id, content, at)

    def give(self, call_id: Json, content: Json, at: datetime) -> None:
        """Adds what a tool returned."""
        self.returned.add(json_text(call_id))
        self.assembly.result(call_id, content, at=at)


class Trace:
    """The spans and events of one trace."""

    def __init__(self, name: str, line: int) -> None:
        """Begins one.

        Args:
            name: its id.
            line: where it begins.
        """
        self._name = name
        self._line = line
        self._spans: dict[str, Record] = {}
        self._damage: Damage | None = None

    def take(self, record: Record | str, line: int) -> None:
        """Adds what a span or an event says, or why it cannot be understood."""
        if isinstance(record, str):
            self._damage = self._damage or Damage("", line, record)
            return
        known = self._spans.setdefault(record.span or f"#{len(self._spans)}", record)
        if known is not record:
            known.join(record)

    def read(self, file: str) -> Iterator[Transcript | Damage]:
        """Its conversations; or one damage for all of it."""
        if self._damage is not None:
            yield Damage(file, self._damage.line, f"the trace `{self._name}`: {self._damage.why}")
            return
        try:
            found = [self._transcript(name, assembly, file) for name, assembly in self._runs()]
            expect(found, "no messages were recorded, only that there were some")
        except InvalidTranscript as error:
            yield Damage(file, self._line, f"the trace `{self._name}`: {error}")
            return
        yield from found

    def _transcript(self, name: str, assembly: Assembly, file: str) -> Transcript:
        tools = union_of_tools([record.tools for record in self._spans.values() if record.tools is not None])
        model = next((record.model for record in self._spans.values() if record.model is not None), None)
        return Transcript(id=name, items=assembly.items(name, tools, model=model), file=file, line=self._line, imported=True)

    def _runs(self) -> Iterator[tuple[str, Assembly]]:
        records = sorted(self._spans.values(), key=lambda record: record.at)
        conversations: list[_Conversation] = []
        for record in records:
            if record.operation not in _AROUND and record.tool is None:
                _place(conversations, record)
        for record in records:
            if record.operation in _AROUND and _calls_of(record) - _known(conversations):
                _place(conversations, record)
        rest = self._tool_runs(conversations, records)
        for number, conversation in enumerate(conversations, 1):
            yield self._name if number == 1 else f"{self._name}/{number}", conversation.assembly
        if rest.pieces:
            yield f"{self._name}/tools", rest

    def _tool_runs(self, conversations: list[_Conversation], records: list[Record]) -> Assembly:
        """Adds results that no history tells; gives the calls that no conversation has."""
        rest = Assembly()
        for record in records:
            tool = record.tool
            if tool is None:
                continue
            key, at = json_text(tool.id), _moment(record.at)
            owner = next((one for one in conversations if tool.id is not None and key in one.called), None)
            if owner is None:
                expect(tool.arguments is not None, f"a call of `{tool.name}` was recorded without its arguments")
                rest.answer(at).call(tool.id, tool.name, tool.arguments)
                if tool.result is not None:
                    rest.result(tool.id, tool.result, at=at)
            elif key not in owner.returned and tool.result is not None:
                owner.give(tool.id, tool.result, at)
        return rest


def _place(conversations: list[_Conversation], record: Record) -> None:
    """Adds a span to the longest conversation that it goes on from, or begins one with it."""
    expect(record.output is not None or not record.wants_tools, "an answer ended in calls, and they were not recorded")
    if record.history is None and record.output is None:
        return
    history = None if record.history is None else record.system + record.history
    fitting = [one for one in conversations if one.goes_on_with(history)]
    if fitting:
        conversation = max(fitting, key=lambda one: len(one.keys))
    else:
        conversation = _Conversation(blind=history is None)
        conversations.append(conversation)
    at = _moment(record.at)
    conversation.hear((history or [])[len(conversation.keys) :], at)
    conversation.answer(record, at)


def _calls_of(record: Record) -> set[str]:
    messages = (record.history or []) + (record.output or [])
    return {json_text(call.get("id")) for message in messages for call in message.said.calls}


def _known(conversations: list[_Conversation]) -> set[str]:
    return set().union(*(one.called for one in conversations))


def _moment(nanoseconds: int) -> datetime:
    """A time, to the microsecond; the epoch where it lies beyond what a calendar holds."""
    try:
        return EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return EPOCH
