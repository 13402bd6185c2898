"""What holds for every importer: any value is a run or is refused in words, and a session can take it in."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.cli.replay import _FORMS as REPLAY_FORMS
from agentgate.core.events import Json, ToolReturned
from agentgate.errors import UsageError
from agentgate.files.importers import FILE_IMPORTERS, FORMS, IMPORTERS, file_importer_of, importer_of, known_form
from agentgate.files.transcript import InvalidTranscript, Proposed, Transcript
from agentgate.files.transcript_reader import Source, read_stream
from tests.files.imported import OTHERS, read, take_in, told

FILES = {
    "anthropic.jsonl": "anthropic",
    "claude_code.jsonl": "claude-code",
    "codex.jsonl": "codex",
    "inspect.json": "inspect",
    "otlp.jsonl": "otlp",
    "otlp_events.jsonl": "otlp",
}
KEYS = """messages role content type text name id input tool_use_id is_error system tools input_schema function arguments tool_calls
    function_call items output input call_id eval samples epoch events event choices message attachments error parse_error status sessionId
    uuid parentUuid isSidechain agentId timestamp cwd data usage stop_reason input_tokens output_tokens payload instructions
    resourceSpans scopeSpans spans resourceLogs scopeLogs logRecords traceId spanId attributes key value stringValue arrayValue kvlistValue
    values parts response finish_reason startTimeUnixNano eventName body result tool_call_id parameters"""
WORDS = """user assistant system tool text tool_use tool_result server_tool_use thinking function function_call message reasoning model
    custom session_meta response_item turn_context event_msg progress summary gen_ai.input.messages gen_ai.output.messages gen_ai.choice
    gen_ai.tool.definitions gen_ai.operation.name execute_tool chat gen_ai.user.message tool_call tool_call_response gen_ai.prompt [] [{}]
    attachment://0123456789abcdef0123456789abcdef 2026-01-01T00:00:00Z 9999-12-31T23:59:59-23:00 1767225600000000000 99999999999999999999"""
keys = st.sampled_from(KEYS.split())
words = st.sampled_from(WORDS.split())
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words | st.text(max_size=3)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=25)


def paths(value: Json, path: tuple[Json, ...] = ()) -> list[tuple[Json, ...]]:
    """Where something stands in a value."""
    found = [path]
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += paths(item, (*path, key))
    return found


def with_value(value: Json, path: tuple[Json, ...], new: Json) -> Json:
    """The value with something else in one place."""
    if not path:
        return new
    made = dict(value) if isinstance(value, dict) else list(value)
    made[path[0]] = with_value(value[path[0]], path[1:], new)
    return made


@pytest.mark.parametrize(("file", "form"), FILES.items())
def test_forms_are_told_by_content(file: str, form: str) -> None:
    """Saying what a file is changes nothing where its content says it, and each form is recognised by one importer alone."""
    data = (OTHERS / file).read_bytes()
    assert [told(one) for one in read_stream(BytesIO(data), Source("t"), {}, form=form)] == [
        told(one) for one in read_stream(BytesIO(data), Source("t"), {})
    ]
    value = json.loads(data if file.endswith(".json") else data.splitlines()[0])
    if form in IMPORTERS:
        assert importer_of(value) is IMPORTERS[form]
        assert file_importer_of(value) is None
    else:
        assert [name for name, importer in FILE_IMPORTERS.items() if importer.recognises(value)] == [form]


@pytest.mark.parametrize("file", FILES)
def test_results_follow_their_calls(file: str) -> None:
    """No result stands before the call that it belongs to, and indices count the calls of a transcript."""
    for found in read(file):
        take_in(found)
        if not isinstance(found, Transcript):
            continue
        calls = [item for item in found.items if isinstance(item, Proposed)]
        assert [call.index for call in calls] == list(range(len(calls)))
        proposed = set()
        for item in found.items:
            if isinstance(item, Proposed):
                proposed.add(item.call.id)
            elif isinstance(item, ToolReturned):
                assert item.call_id in proposed


@pytest.mark.parametrize("name", IMPORTERS)
@given(value=values, tools=st.none() | values)
def test_any_value_is_a_run_or_is_refused(name: str, value: Json, tools: Json) -> None:
    """An importer that is given something else than it expects says so, and raises nothing else."""
    importer = IMPORTERS[name]
    importer.recognises(value)
    try:
        items = importer.read(value, "r", tools)
    except InvalidTranscript:
        return
    take_in(Transcript(id="r", items=items, file="t", imported=True))


@pytest.mark.parametrize("name", FILE_IMPORTERS)
@given(given=st.lists(values, max_size=4))
def test_any_lines_are_runs_or_damage(name: str, given: list[Json]) -> None:
    """The same for those that take a whole file."""
    importer = FILE_IMPORTERS[name]
    for value in given:
        importer.recognises(value)
    for found in importer.read_lines([(number, json.dumps(value).encode() + b"\n") for number, value in enumerate(given, 1)], "t"):
        take_in(found)


@pytest.mark.parametrize("file", FILES)
@settings(max_examples=150)
@given(data=st.data())
def test_any_value_in_any_place(file: str, data: st.DataObject) -> None:
    """A real file with something else in one place is read, or named; it never raises."""
    raw = (OTHERS / file).read_text()
    lines = [json.loads(raw)] if file.endswith(".json") else [json.loads(line) for line in raw.splitlines()]
    changed = with_value(lines, data.draw(st.sampled_from(paths(lines)[1:])), data.draw(values))
    stream = BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in changed))
    for found in read_stream(stream, Source("t"), {}, form=FILES[file]):
        take_in(found)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("data", [b"", b"\n", b"{", b"[]\n", b"null\n{}\n5\n", b'{"messages": []}\n', b"\xff\n", b"[" * 300])
def test_anything_under_any_name(form: str, data: bytes) -> None:
    """Saying that a file is what it is not gives damage, or nothing to judge."""
    for found in read_stream(BytesIO(data), Source("t"), {}, form=form):
        take_in(found)


def test_names_of_forms() -> None:
    """A name that is none is said to be none, with those that there are; the help of the command knows them too."""
    assert ", ".join(FORMS[:-1]) + f" or {FORMS[-1]}" == REPLAY_FORMS
    assert known_form("otlp") == "otlp"
    with pytest.raises(UsageError) as caught:
        known_form("telepathy")
    assert caught.value.message == "`telepathy` is not a form of transcripts"
    assert caught.value.help == "one of native, anthropic, chat, claude-code, codex, inspect, otlp, responses"
