"""Redacts whole events: what the record keeps of them, and what screens show. A field that nobody has thought of is redacted too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.events import CallDecided, Decision, Event, Json, ModelReplied, ToolCall
from agentgate.core.redaction.redactor import ARGUMENTS, OURS, RESULTS, TEXT, Redactor
from agentgate.errors import RecordError


def redacting(recorder: Callable[[Event], None], redactor: Redactor) -> Callable[[Event], None]:
    """The one way from a session's events to record and screen. What cannot be redacted is not recorded, and the run stops."""
    redact = Records(redactor)

    def record(event: Event) -> None:
        try:
            kept = redact(event)
        except Exception as error:
            help = "nothing is executed that cannot be recorded"
            raise RecordError(f"an event cannot be redacted: {type(error).__name__}", help=help) from None
        recorder(kept)

    return record


def for_approver(redactor: Redactor, call: ToolCall, decision: Decision) -> tuple[ToolCall, Decision]:
    """A call and its decision as those see them who approve."""
    shown = redactor.for_approver
    decision = replace(decision, arguments=shown(decision.arguments), reason=shown(decision.reason))
    return replace(call, arguments=shown(call.arguments)), decision


_KINDS = {
    "arguments": ARGUMENTS,
    "content": RESULTS,
    # What the operator wrote: only known secrets are taken out, so that a run can still be judged and found by it.
    "tools": OURS,
    "tool_choice": OURS,
    "task": OURS,
    "policy": OURS,
    "sources": OURS,
    "overrides": OURS,
    "offered": OURS,
    "model": OURS,
    "role": OURS,
    "workdir": OURS,
    "agentgate": OURS,
    "run_id": OURS,
    "rule": OURS,
    "trials": OURS,
    "status": OURS,
    "finish_reason": OURS,
    "answer": OURS,
}
"""Field → what stands in it; all else is text that somebody said."""
_KEPT = frozenset(("args_hash", "sha256"))
"""Digests. That of arguments is the original's: whoever can guess the arguments can prove it by it."""


class Records:
    """The redactor of one record: gives each call's id one form, and different ids different ones."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()

    def __call__(self, event: Event) -> Event:
        """The event as it is recorded and shown; the same object where there is nothing to redact."""
        kept: Event = self._struct(event, TEXT)
        if isinstance(event, CallDecided) and isinstance(kept, CallDecided) and kept.arguments != event.arguments:
            kept = replace(kept, redacted=True)
        if isinstance(event, ModelReplied) and isinstance(kept, ModelReplied) and kept.message != event.message:
            kept = replace(kept, redacted=True)
        return kept

    def _struct(self, value: Struct, kind: str) -> Any:
        changed: dict[str, Json] = {}
        for name in value.__struct_fields__:
            if name in _KEPT:
                continue
            before = getattr(value, name)
            after = self._id(before) if name == "call_id" else self._any(before, _KINDS.get(name, kind))
            if name == "message":
                after = self._same_ids(before, after)
            if after is not before:
                changed[name] = after
        return replace(value, **changed) if changed else value

    def _any(self, value: Json, kind: str) -> Json:
        """A value of our own types or of JSON; the same object where nothing was found in it."""
        if value is None or isinstance(value, bool | Enum | datetime):
            return value
        if isinstance(value, Struct):
            return self._struct(value, kind)
        if isinstance(value, tuple):
            items = tuple(self._any(item, kind) for item in value)
            return value if all(one is other for one, other in zip(items, value, strict=True)) else items
        if isinstance(value, str | Mapping | list) or kind == ARGUMENTS:
            found = self.redactor.record_value(value, kind)
            return value if found == value else found
        return value

    def _id(self, call_id: Json) -> Json:
        """An id of a model can be anything. Two that are redacted alike must not become one."""
        if not isinstance(call_id, str):
            return self.redactor.record_value(call_id)
        if call_id not in self._ids:
            found = self.redactor.record(call_id)
            if found == call_id and call_id not in self._taken:
                return call_id
            self._ids[call_id] = new = f"{found} {len(self._ids) + 1}"
            self._taken.add(new)
        return self._ids[call_id]

    def _same_ids(self, before: Json, after: Json) -> Json:
        """The redacted message of a model, with the ids that its calls have in the other events."""
        if after is before or not isinstance(before.get("tool_calls"), list):
            return after
        pairs = zip(before["tool_calls"], after["tool_calls"], strict=True)
        calls = [{**new, "id": self._id(old["id"])} if isinstance(old, Mapping) and "id" in old else new for old, new in pairs]
        return {**after, "tool_calls": calls}
