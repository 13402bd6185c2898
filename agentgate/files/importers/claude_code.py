"""Sessions of Claude Code: files below `~/.claude/projects`, one JSON object a line.

The format is not specified by its maker; it is described for example in `docs/jsonl-format.md` of
github.com/ticpu/claude-conversation-search-mcp and in the documentation of github.com/simonw/claude-code-transcripts. Lines of the types
`user` and `assistant` hold a `message` of the Anthropic API beside `uuid`, `parentUuid`, `sessionId`, `timestamp`, `cwd`, `isSidechain`.
Several lines with the same `message.id` and `requestId` are one answer, written block by block while its tools
were already running. All other lines are about the session.

Calls are read in the order of the file, also those of branches that somebody went back from: they happened. What a subagent did is a
transcript of its own, whether its lines stand in the session's file (`isSidechain`, or wrapped in `progress`) or in one of theirs. What a
model told its subagent, and what the program itself put into the user's mouth (`isMeta`, summaries, notifications), is not the prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from msgspec import Struct, field

from agentgate.core.events import Json, ToolReturned, Usage
from agentgate.files.importers.anthropic import add_answer, add_said
from agentgate.files.importers.assembly import Answer, Assembly, Piece, json_text, moment, usage_of
from agentgate.files.importers.lines import parsed
from agentgate.files.transcript import Damage, InvalidTranscript, Transcript

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


def recognises(value: Json) -> bool:
    """Whether a line is one of a session."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return False
    keys = value.keys()
    return "sessionId" in keys or {"summary", "leafUuid"} <= keys or {"messageId", "snapshot"} <= keys


def read_lines(lines: Iterable[tuple[int, bytes]], file: str) -> Iterator[Transcript | Damage]:
    """The session, then what its subagents did, after the lines that are damaged.

    A line that could hold a call and is not understood spoils the whole file; one that is not JSON leaves the rest.
    """
    session = _Session()
    intact = True
    for number, value in parsed(lines, file):
        if isinstance(value, Damage):
            intact = False
            yield value
            continue
        try:
            session.take(number, value)
        except InvalidTranscript as error:
            yield Damage(file, number, str(error))
            return
    for run in session.runs.values():
        items = run.assembly.items(run.id or f"{file}:{run.line}", model=run.model, workdir=run.workdir)
        named = run.id or f"{file}:{run.line}"
        yield Transcript(named, items, file, run.line, unnamed=not run.id, imported=True, intact=intact)


class _Run(Struct):
    """What one agent did."""

    id: str
    line: int
    workdir: Json
    assembly: Assembly = field(default_factory=Assembly)
    model: Json = None
    answers: dict[str, int] = field(default_factory=dict)
    """Ids of a message and its request → where its answer stands."""


class _Session:
    """Takes the lines of a file."""

    def __init__(self) -> None:
        self.runs: dict[str, _Run] = {}
        """Agent → what it did; the session itself is the agent without a name."""
        self._seen: dict[str, Json] = {}
        """Uuid → message, because a session that was resumed can repeat its lines."""
        self._agents: dict[str, str] = {}
        """Uuid of a line → the agent that it belongs to."""

    def take(self, number: int, entry: Json) -> None:
        """Adds a line."""
        if not isinstance(entry, dict):
            raise InvalidTranscript("not a line of a session")
        kind, data = entry.get("type"), entry.get("data")
        if kind in ("user", "assistant"):
            self._add(number, entry, self._agent_of(entry))
        elif kind == "progress" and isinstance(data, dict) and isinstance(data.get("message"), dict):
            agent = data.get("agentId", entry.get("parentToolUseID"))
            self._add(number, {**data["message"], "sessionId": entry.get("sessionId"), "cwd": entry.get("cwd")}, str(agent))
        elif _holds_call(entry):
            raise InvalidTranscript(f"a line of the unknown type `{kind}` that holds a call")

    def _agent_of(self, entry: dict[str, Json]) -> str:
        """Older sessions do not name their subagents; their lines hang together by their parents."""
        if not entry.get("isSidechain"):
            return ""
        uuid = entry.get("uuid")
        agent = entry.get("agentId", self._agents.get(str(entry.get("parentUuid")), uuid))
        self._agents[str(uuid)] = str(agent)
        return str(agent)

    def _add(self, number: int, entry: dict[str, Json], agent: str) -> None:
        message, uuid = entry.get("message"), entry.get("uuid")
        if not isinstance(message, dict):
            raise InvalidTranscript("a line without its `message`")
        if isinstance(uuid, str) and self._seen.setdefault(uuid, message) is not message and self._seen[uuid] == message:
            return
        run = self.runs.get(agent)
        if run is None:
            session = entry.get("sessionId")
            name = session if isinstance(session, str) else ""
            run = self.runs[agent] = _Run(f"{name}/{agent}" if agent and name else name or agent, number, entry.get("cwd"))
        at = moment(entry.get("timestamp"))
        if message.get("role") == "assistant":
            run.model = run.model or message.get("model")
            add_answer(run.assembly, _answer_of(run, message, entry), message.get("content"), at)
        elif message.get("role") == "user":
            add_said(run.assembly, "system" if agent or _by_program(entry) else "user", message.get("content"), at)
        else:
            raise InvalidTranscript(f"a message with the unknown role `{message.get('role')}`")


def _answer_of(run: _Run, message: dict[str, Json], entry: dict[str, Json]) -> Answer:
    """The answer that a line belongs to.

    It goes on with one that has the same names as long as nothing but results of its own calls came since: other models behind the
    program name all of their answers alike, and what came in between could have led to this one.
    """
    key = json_text([message.get("id"), entry.get("requestId")])
    place = run.answers.get(key)
    if place is None or message.get("id") is None or not _still_open(run.assembly.pieces[place:]):
        run.answers[key] = len(run.assembly.pieces)
        answer = run.assembly.answer(moment(entry.get("timestamp")))
    else:
        answer = cast(Answer, run.assembly.pieces[place])
    reason = message.get("stop_reason")
    answer.finish_reason = (_FINISH.get(reason) if isinstance(reason, str) else None) or answer.finish_reason
    answer.usage = _usage(message.get("usage")) or answer.usage
    return answer


def _still_open(pieces: Sequence[Piece]) -> bool:
    answer, *rest = pieces
    own = [call["id"] for call in cast(Answer, answer).calls]
    return all(isinstance(piece, ToolReturned) and piece.call_id in own for piece in rest)


def _usage(usage: Json) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    cached, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    fresh = usage.get("input_tokens")
    counts = (fresh, cached, written)
    return usage_of(sum(counts), usage.get("output_tokens"), cached) if all(type(count) is int for count in counts) else None


def _by_program(entry: dict[str, Json]) -> bool:
    """Whether the program itself wrote what stands there as the user's."""
    origin = entry.get("origin")
    noted = isinstance(origin, dict) and origin.get("kind") != "human"
    return noted or any(entry.get(key) is True for key in ("isMeta", "isCompactSummary", "isVisibleInTranscriptOnly"))


def _holds_call(value: Json) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            kind = item.get("type")
            if isinstance(kind, str) and kind.endswith("tool_use"):
                return True
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False
