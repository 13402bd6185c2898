"""Logs of Inspect AI as JSON: what `inspect log dump` prints, and logs that are written with `--log-format json`.

The form is `EvalLog` of github.com/UKGovernmentBEIS/inspect_ai (`src/inspect_ai/log/_log.py`; inspect.aisi.org.uk/eval-logs.html):
`samples`, each with `messages` (`ChatMessage`, whose `tool_calls` are `{id, function, arguments, parse_error}`), `events` and
`attachments`. Every sample is a transcript. Its conversation is `messages`; calls that only `events` know (of subagents, of answers that
were thrown away, from before the history was shortened) are a transcript of their own, `…/events`, so that none is lost and none is
judged twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from agentgate.core.events import Json
from agentgate.files.importers.assembly import Answer, Assembly, expect, json_text, moment, union_of_tools
from agentgate.files.importers.lines import parsed
from agentgate.files.transcript import Damage, InvalidTranscript, Item, Transcript

_ATTACHMENT = re.compile(r"attachment://([0-9a-f]{32})")
_SAYS_NOTHING = ("reasoning", "image", "audio", "video", "data", "document")
"""Parts of an answer that propose nothing, beside its texts."""
_NOT_EXECUTED = ("approval", "parsing")
"""Errors of a tool that mean that it never ran."""


def recognises(value: Json) -> bool:
    """Whether a value is a log."""
    return isinstance(value, dict) and isinstance(value.get("eval"), dict) and ("samples" in value or "status" in value)


def read_lines(lines: Iterable[tuple[int, bytes]], file: str) -> Iterator[Transcript | Damage]:
    """Every sample of every log: a damaged one leaves the others."""
    for number, value in parsed(lines, file):
        if isinstance(value, Damage):
            yield value
        elif not recognises(value):
            yield Damage(file, number, "not a log of Inspect")
        elif not isinstance(value.get("samples"), list):
            yield Damage(file, number, "a log without samples: only its head was written")
        else:
            for place, sample in enumerate(value["samples"], 1):
                yield from _read_sample(value["eval"], sample, place, file, number)


def _read_sample(head: dict[str, Json], sample: Json, place: int, file: str, line: int) -> Iterator[Transcript | Damage]:
    given = head.get("eval_id")
    log = given if isinstance(given, str) and given else f"{file}:{line}"
    try:
        expect(isinstance(sample, dict), "not an object")
        runs = list(_Sample(sample, head.get("model")).runs(f"{log}/{sample.get('id', place)}/{sample.get('epoch', 1)}"))
    except InvalidTranscript as error:
        yield Damage(file, line, f"sample {place}: {error}")
        return
    for run_id, items in runs:
        yield Transcript(id=run_id, items=items, file=file, line=line, imported=True)


class _Sample:
    """One sample."""

    def __init__(self, sample: dict[str, Json], model: Json) -> None:
        self._model = model
        attachments = sample.get("attachments")
        self._attachments = attachments if isinstance(attachments, dict) else {}
        self._input = sample.get("input")
        self._messages = self._objects(sample.get("messages"), "messages")
        self._events = list(self._flat(self._objects(sample.get("events"), "events")))
        self._known: set[str] = set()
        """Ids of the calls in the conversation."""

    def runs(self, name: str) -> Iterator[tuple[str, tuple[Item, ...]]]:
        """The conversation, then what only the events know."""
        tools = union_of_tools([offered for event in self._events if (offered := _tools_of(event)) is not None])
        conversation = Assembly()
        for number, message in enumerate(self._messages, 1):
            try:
                self._add(conversation, message)
            except InvalidTranscript as error:
                raise InvalidTranscript(f"message {number}: {error}") from None
        yield name, conversation.items(name, tools, model=self._model)
        rest = self._rest()
        if rest is not None:
            yield f"{name}/events", rest.items(f"{name}/events", tools, model=self._model)

    def _add(self, run: Assembly, message: dict[str, Json]) -> None:
        message = self._resolved(message)
        role, content = message.get("role"), message.get("content")
        if role == "assistant":
            self._fill(run.answer(), message)
        elif role == "tool":
            error = message.get("error")
            self._result(run, message.get("tool_call_id"), content, error)
        elif role in ("system", "user"):
            run.say(role, content)
        else:
            raise InvalidTranscript(f"the unknown role `{role}`")

    def _fill(self, answer: Answer, message: dict[str, Json]) -> None:
        content, calls = message.get("content"), message.get("tool_calls")
        for part in content if isinstance(content, list) else [{"text": content}]:
            kind = part.get("type", "text") if isinstance(part, dict) else None
            if kind == "tool_use":  # the provider executed it itself
                answer.other_call(kind, part.get("id"), part.get("name"), part)
            elif kind == "text":
                answer.texts.append(str(part.get("text") or ""))
            elif kind not in _SAYS_NOTHING:
                raise InvalidTranscript(f"content of the unknown kind `{kind}`")
        for call in _listed(calls):
            if isinstance(call, dict):
                self._known.add(_key(call.get("id")))
            if not isinstance(call, dict) or call.get("parse_error") is not None or call.get("type", "function") != "function":
                whole = call if isinstance(call, dict) else {}
                answer.other_call("custom", whole.get("id"), whole.get("function"), call)
            else:
                answer.call(call.get("id"), call.get("function"), json_text(call.get("arguments")))

    def _result(self, run: Assembly, call_id: Json, content: Json, error: Json, at: Json = None) -> None:
        kind = error.get("type") if isinstance(error, dict) else None
        text = error.get("message") if isinstance(error, dict) and content in (None, "") else content
        executed = kind not in _NOT_EXECUTED
        run.result(call_id, text, ok=error is None, executed=executed, at=moment(at))

    def _rest(self) -> Assembly | None:
        """Calls that stand only in the events, with what they returned; None where there are none.

        The sample's input is the prompt. What else was said to a model there is unknown, or was said by another one.
        """
        known, rest = frozenset(self._known), Assembly()
        given = self._resolved(self._input)
        for message in given if isinstance(given, list) else [{"role": "user", "content": given}]:
            if isinstance(message, dict) and message.get("role") in ("system", "user"):
                rest.say(message["role"], message.get("content"))
        before = len(rest.pieces)
        for event in self._events:
            if event.get("event") == "model":
                self._add_new_calls(rest, event, known)
            elif event.get("event") == "tool" and _key(event.get("id")) not in known:
                event = self._resolved(event)
                if _key(event.get("id")) not in self._known:
                    self._fill(rest.answer(moment(event.get("timestamp"))), {"tool_calls": [{**event, "type": "function"}]})
                self._result(rest, event.get("id"), event.get("result"), event.get("error"), event.get("completed"))
        return rest if len(rest.pieces) > before else None

    def _add_new_calls(self, rest: Assembly, event: dict[str, Json], known: frozenset[str]) -> None:
        for message in self._choices(event):
            calls = message.get("tool_calls")
            new = [call for call in _listed(calls) if not isinstance(call, dict) or _key(call.get("id")) not in known]
            if new:
                self._fill(rest.answer(moment(event.get("timestamp"))), {**message, "tool_calls": new})

    def _choices(self, event: dict[str, Json]) -> Iterator[dict[str, Json]]:
        output = event.get("output")
        for choice in self._objects(output.get("choices") if isinstance(output, dict) else None, "choices"):
            message = choice.get("message")
            expect(isinstance(message, dict), "a choice without its `message`")
            yield self._resolved(message)

    def _flat(self, events: Sequence[dict[str, Json]]) -> Iterator[dict[str, Json]]:
        """The events with those that older logs keep inside of others."""
        for event in events:
            yield event
            yield from self._flat(self._objects(event.get("events"), "events"))

    @staticmethod
    def _objects(value: Json, name: str) -> list[dict[str, Json]]:
        items = [] if value is None else value
        expect(isinstance(items, list) and all(isinstance(item, dict) for item in items), f"`{name}` is not a list of objects")
        return list(items)

    def _resolved(self, value: Json) -> Json:
        """A value with its attachments in their places."""
        if isinstance(value, str):
            found = _ATTACHMENT.fullmatch(value) if value.startswith("attachment://") else None
            if found is None:
                return value
            expect(found[1] in self._attachments, f"the attachment `{found[1]}` is missing")
            return self._attachments[found[1]]
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        if isinstance(value, dict):
            return {key: self._resolved(item) for key, item in value.items()}
        return value


def _tools_of(event: dict[str, Json]) -> list[dict[str, Json]] | None:
    tools = event.get("tools") if event.get("event") == "model" else None
    return [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else None


def _listed(calls: Json) -> list[Json]:
    """The calls of a message, whatever stands in their place."""
    return calls if isinstance(calls, list) else [] if calls is None else [calls]


def _key(call_id: Json) -> str:
    return call_id if isinstance(call_id, str) else json_text(call_id)
