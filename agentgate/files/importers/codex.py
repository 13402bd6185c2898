"""Sessions of Codex: rollout files below `~/.codex/sessions`, one JSON object a line.

The form is that of `RolloutLine` in `codex-rs/protocol/src/protocol.rs` of github.com/openai/codex: `{timestamp, type, payload}` with the
types `session_meta`, `response_item` (an item of the Responses API, `ResponseItem` in `models.rs`), `turn_context`, `event_msg`,
`compacted`. Files from before September 2025 hold the session's head and then bare items. Everything that the model proposed is a
`response_item`; an `event_msg` only tells the screen about it, and `compacted` repeats what was said before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agentgate.core.events import Json
from agentgate.files.importers import chat, responses
from agentgate.files.importers.lines import parsed
from agentgate.files.transcript import Damage, InvalidTranscript, Transcript

_TYPES = ("session_meta", "response_item", "turn_context", "event_msg", "compacted")
_SAYS_NOTHING = ("event_msg", "compacted", "world_state", "security_risk_score", "inter_agent_communication_metadata")
"""Lines that neither propose nor return anything."""
_NO_ITEMS = ("ghost_snapshot", "compaction_summary")
"""Response items of its own that neither propose nor return anything."""


def recognises(value: Json) -> bool:
    """Whether a line is one of a session, or the head of an old one."""
    if not isinstance(value, dict) or "timestamp" not in value:
        return False
    kind = value.get("type")
    if isinstance(kind, str):
        return kind in _TYPES and isinstance(value.get("payload"), dict)
    return kind is None and isinstance(value.get("id"), str) and ("instructions" in value or "git" in value)


def read_lines(lines: Iterable[tuple[int, bytes]], file: str) -> Iterator[Transcript | Damage]:
    """The session, after the lines that are damaged.

    A line or an item of an unknown type could be a call, and spoils the session; a line that is not JSON leaves the rest.
    """
    session = _Session()
    intact = True
    for number, value in parsed(lines, file):
        if isinstance(value, Damage):
            intact = False
            yield value
            continue
        try:
            session.take(value)
        except InvalidTranscript as error:
            yield Damage(file, number, str(error))
            return
    named = _text(session.head.get("id"))
    run_id = named or f"{file}:1"
    try:
        items = chat.from_messages(session.messages(), run_id=run_id, model=_text(session.model), workdir=_path(session.workdir))
    except InvalidTranscript as error:
        yield Damage(file, 1, str(error))
        return
    yield Transcript(id=run_id, items=items, file=file, unnamed=not named, imported=True, intact=intact)


class _Session:
    """Takes the lines of a file."""

    def __init__(self) -> None:
        self.head: dict[str, Json] = {}
        self.workdir: Json = None
        self.model: Json = None
        self._items: list[Json] = []

    def take(self, line: Json) -> None:
        """Adds a line."""
        if not isinstance(line, dict):
            raise InvalidTranscript("not a line of a session")
        kind, payload = line.get("type"), line.get("payload")
        if "payload" not in line:
            self._take_old(line)
        elif kind == "response_item":
            self._take_item(payload)
        elif kind == "session_meta" and isinstance(payload, dict):
            self.head = self.head or payload  # a fork repeats the head of what it was forked from
            self.workdir = self.workdir or self.head.get("cwd")
        elif kind == "turn_context" and isinstance(payload, dict):
            self.workdir, self.model = self.workdir or payload.get("cwd"), self.model or payload.get("model")
        elif kind not in _SAYS_NOTHING:
            raise InvalidTranscript(f"a line of the unknown type `{kind}`")

    def _take_old(self, line: dict[str, Json]) -> None:
        if "record_type" in line:
            if line["record_type"] != "state":
                raise InvalidTranscript(f"a line of the unknown type `{line['record_type']}`")
        elif "type" in line:
            self._take_item(line)
        elif isinstance(line.get("id"), str):
            self.head = self.head or line
        else:
            raise InvalidTranscript("not a line of a session")

    def _take_item(self, item: Json) -> None:
        if isinstance(item, dict) and item.get("type") in _NO_ITEMS:
            return
        responses.to_messages([item])
        self._items.append(item)

    def messages(self) -> list[dict[str, Json]]:
        """What was said, with the instructions first."""
        given = self.head.get("base_instructions", self.head.get("instructions"))
        text = given.get("text") if isinstance(given, dict) else given
        first = [{"role": "system", "content": text}] if isinstance(text, str) else []
        return [*first, *responses.to_messages(self._items)]


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _path(value: Json) -> str | None:
    return value if isinstance(value, str) and value.startswith("/") else None
