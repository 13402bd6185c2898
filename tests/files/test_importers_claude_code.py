"""Sessions of Claude Code become runs, with those of their subagents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentgate.core.events import EPOCH, Json, ModelReplied, Usage
from agentgate.files.transcript import Proposed, Transcript
from tests.files.imported import changed, lines, read, read_values, started, story, told

SESSION = "5a0ddcd0-5487-4794-99ac-143f6bb9e248"
MAIN = [
    f"# {SESSION}",
    "reply 1",
    'call toolu_a Bash {"command": "tail -5 log/app.log", "description": "Read the log"}',
    'call toolu_b Read {"file_path": "/home/anna/shop/cart.ts"}',
    "result toolu_a: TypeError: total is undefined",
    "result toolu_b: export const total = …",
    "reply 2",
    'call toolu_c Task {"subagent_type": "Explore", "prompt": "Find callers of total"}',
    "result toolu_c: Called in checkout.ts:12",
    "reply 3",
    'call toolu_d Bash {"command": "rm -rf dist"}',
    "result toolu_d failed: The user doesn't want to proceed with this tool use.",
    "reply 4",
]
SUBAGENT = [f"# {SESSION}/de30ae5d", "reply 1", 'call toolu_s Grep {"pattern": "total\\\\("}', "result toolu_s: checkout.ts:12"]
AGENT_LINES = (12, 13, 14)


def test_a_session() -> None:
    """Lines of one answer are one answer though results stand between them; the subagent is a transcript of its own."""
    main, subagent = read("claude_code.jsonl")
    assert told(main) == MAIN
    assert told(subagent) == SUBAGENT


def test_what_is_known_of_it() -> None:
    """Folder, model, times and tokens are the session's; tools are not recorded."""
    main, _ = read("claude_code.jsonl")
    assert isinstance(main, Transcript)
    run = main.started
    assert (run.workdir, run.model, run.tools, main.line) == ("/home/anna/shop", "claude-opus-4-5-20251101", None, 4)
    replies = [item for item in main.items if isinstance(item, ModelReplied)]
    assert replies[0].usage == Usage(1110, 40, 1000)
    assert [reply.finish_reason for reply in replies] == ["tool_calls"] * 3 + ["stop"]
    assert replies[0].at == datetime(2026, 1, 20, 11, 57, 2, 500000, UTC)


def test_only_what_a_person_typed_is_the_prompt() -> None:
    """Notes of the program and orders of the model to its subagent cannot make a recipient one that the user named."""
    main, subagent = read("claude_code.jsonl")
    assert [message["role"] for message in started(main).messages] == ["system", "user"]
    assert [message["role"] for message in started(subagent).messages] == ["system"]


@pytest.mark.parametrize("note", [{"isMeta": True}, {"isCompactSummary": True}, {"origin": {"kind": "task-notification"}}])
def test_notes_of_the_program(note: dict[str, Json]) -> None:
    """All of them are known by a mark beside the message."""
    session = changed(lines("claude_code.jsonl"), 4, lambda line: line.update(note))
    assert [message["role"] for message in started(read_values(session)[0]).messages] == ["system", "system"]


def test_subagents_in_progress_lines() -> None:
    """The same lines wrapped in `progress`, as later versions write them, tell the same."""
    session = lines("claude_code.jsonl")
    for place in AGENT_LINES:
        inner = {key: session[place][key] for key in ("type", "message", "uuid", "timestamp")}
        data = {"type": "agent_progress", "agentId": "de30ae5d", "prompt": "Find callers of total", "message": inner}
        session[place] = {"type": "progress", "data": data, "parentToolUseID": "toolu_c", "sessionId": SESSION, "uuid": f"p{place}"}
    assert story(session) == MAIN + SUBAGENT


def test_subagents_without_a_name() -> None:
    """The lines of an old subagent hang together by their parents."""
    session = lines("claude_code.jsonl")
    for place in AGENT_LINES:
        del session[place]["agentId"]
    assert story(session) == [*MAIN, f"# {SESSION}/s1", *SUBAGENT[1:]]


def test_repeated_lines_count_once() -> None:
    """A resumed session can repeat its lines; another message under the same `uuid` is another message."""
    session = lines("claude_code.jsonl")
    assert story([*session, *session[3:]]) == MAIN + SUBAGENT
    other = lines("claude_code.jsonl")[17]
    other["message"]["content"][0]["id"] = "toolu_e"
    other["message"]["id"] = "msg_09"
    assert len([line for line in story([*session, other]) if line.startswith("call")]) == 6


def test_a_damaged_line_is_named_and_the_rest_is_read() -> None:
    """A torn line leaves the others, and the transcript says that it is not whole."""
    from io import BytesIO

    from agentgate.files.transcript_reader import Source, read_stream
    from tests.files.imported import OTHERS

    data = (OTHERS / "claude_code.jsonl").read_bytes()
    damage, main, _ = read_stream(BytesIO(data[:-40]), Source("t"), {})
    assert told(damage) == ["damage 21: cut off: the writer was stopped in the midst of this line"]
    assert isinstance(main, Transcript)
    assert not main.intact
    assert told(main) == MAIN[:-1]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            {"type": "novelty", "sessionId": "s", "payload": [{"type": "tool_use"}]},
            "a line of the unknown type `novelty` that holds a call",
        ),
        ({"type": "assistant", "sessionId": "s"}, "a line without its `message`"),
        ({"type": "user", "sessionId": "s", "message": {"role": "boss"}}, "a message with the unknown role `boss`"),
        ([1], "not a line of a session"),
    ],
)
def test_a_line_that_could_be_a_call_spoils_the_session(line: Json, why: str) -> None:
    """It is named with its place, and nothing of the session is judged."""
    assert story([*lines("claude_code.jsonl"), line]) == [f"damage 22: {why}"]


def test_lines_about_the_session_do_not_matter() -> None:
    """Types that are not known and hold no call are passed over."""
    assert story([{"type": "ai-title", "title": "Checkout", "sessionId": SESSION}, *lines("claude_code.jsonl")]) == MAIN + SUBAGENT


def test_an_answer_that_was_cut_off() -> None:
    """What a live run would not have executed is not allowed in a replay either."""
    session = changed(lines("claude_code.jsonl"), 17, lambda line: line["message"].update(stop_reason="max_tokens"))
    main = read_values(session)[0]
    assert isinstance(main, Transcript)
    assert [item.finish_reason for item in main.items if isinstance(item, ModelReplied)][2] == "length"


def test_answers_that_are_all_named_alike() -> None:
    """Where a model does not name its answers apart, a call that came after somebody else's word or another request stays after it."""
    session = lines("claude_code.jsonl")
    for line in session:
        if line.get("type") == "assistant":
            line["message"]["id"], line["requestId"] = "msg_1", None
    interrupted = {**session[4], "uuid": "i", "message": {"role": "user", "content": "wait"}}
    told_again = story([*session[:10], interrupted, *session[10:]])
    assert told_again.index("reply 2 +user") > told_again.index("result toolu_b: export const total = …")
    for number, line in enumerate(session):
        line["requestId"] = f"req_{number}"
    calls = [line for line in story(session) if line.startswith(("call", "result"))]
    assert calls[:2] == [MAIN[2], MAIN[4]]


@pytest.mark.parametrize("timestamp", [None, 5, "yesterday", "0001-01-01T00:00:00+23:00"])
def test_times_that_are_none(timestamp: Json) -> None:
    """A time that cannot be read is unknown, and no reason to refuse the session."""
    main = read_values(changed(lines("claude_code.jsonl"), 17, lambda line: line.update(timestamp=timestamp)))[0]
    assert isinstance(main, Transcript)
    assert [item.at for item in main.items if isinstance(item, Proposed)][3] == EPOCH
