"""Recorded calls as tests: the written file loads, passes, and tells no more than is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentgate.cases import run_suite
from agentgate.core.events import Json
from agentgate.files.policy_file import load_policy
from agentgate.files.test_writer import file_text
from agentgate.files.transcript import Transcript
from agentgate.files.transcript_reader import find_transcripts, read_sources
from agentgate.recorded_tests import MOST_ALIKE, MOST_CASES, Collector
from agentgate.replay import Replay
from agentgate.suites import load_suites

ROOT = Path(__file__).parents[2]
POLICY = """version: 1
roles: {viewer: []}
rules:
  - {id: read, allow: db, when: {action: read}}
  - {id: pay-named, allow: pay, when: {to: {seen_in: prompt}}}
  - {id: pay-read, ask: pay, when: {to: {seen_in: inbox}}}
  - {id: inbox, allow: [inbox, other]}
  - {id: taint, block: send, after: inbox}
  - {id: send, allow: send}
  - {id: files, allow: open, when: {path: {path: [src]}}}
limits: {repeats: 2, tools: {other: {calls: 1}}}
"""


def message(number: int, tool: str, arguments: Json) -> list[Json]:
    """A call, and what it returned."""
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": f"call_{number}", "type": "function", "function": {"name": tool, "arguments": raw}}
    result = "pay X1234 or " + "x" * 50 if tool == "inbox" else "ok"
    return [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"], "content": result}]


def recorded(folder: Path, prompt: str, *calls: tuple[str, Json]) -> Path:
    """A conversation as others record it."""
    messages = [{"role": "user", "content": prompt}]
    for number, (tool, arguments) in enumerate(calls):
        messages += message(number, tool, arguments)
    file = folder / "recorded.jsonl"
    with file.open("a") as lines:
        lines.write(json.dumps({"messages": messages}) + "\n")
    return file


def collected(folder: Path, transcripts: Path, *, against: str | None = None, role: str | None = None) -> Collector:
    """What `replay --to-test` collects."""
    (folder / "p.yaml").write_text(POLICY)
    policy = load_policy(str(folder / "p.yaml"))
    other = None
    if against is not None:
        (folder / "old.yaml").write_text(against)
        other = load_policy(str(folder / "old.yaml"))
    replay, collector = Replay(policy, other, role=role), Collector(policy, role=role)
    for found in read_sources(find_transcripts([str(transcripts)])):
        assert isinstance(found, Transcript)
        for judged in replay.judge(found):
            collector.note(found, judged)
    return collector


def written(folder: Path, collector: Collector) -> str:
    """The file, after it has been run: all of it passes."""
    file = folder / "made.test.yaml"
    text = file_text(collector.tables(), policies=[str(folder / "p.yaml")], path=str(file), workdir=collector.workdir, about="made")
    file.write_text(text)
    (suite,) = load_suites([str(file)])
    result = run_suite(suite)
    assert (result.passed, result.failed) == (collector.cases, 0)
    return text.partition("tests:\n")[2]


def test_every_distinct_call_is_a_case(tmp_path: Path) -> None:
    """Calls that are decided alike are one table; the same call is there once."""
    calls: list[tuple[str, Json]] = [("db", {"action": "read", "id": 1}), ("db", {"action": "drop"}), ("db", {"action": "read", "id": 1})]
    transcripts = recorded(tmp_path, "hello", *calls, ("db", {"action": "read", "id": 2}))
    collector = collected(tmp_path, transcripts)
    assert written(tmp_path, collector) == (
        "  - name: db is allowed by read\n"
        "    when: {tool: db}\n"
        "    then: {effect: allow, rule: read}\n"
        "    cases:\n"
        "      - {arguments: {action: read, id: 1}}\n"
        "      - {arguments: {action: read, id: 2}}\n"
        "\n"
        "  - name: db is blocked by default\n"
        "    when: {tool: db}\n"
        "    then: {effect: block, code: default}\n"
        "    cases:\n"
        "      - {arguments: {action: drop}}\n"
        "\n"
    )
    assert (collector.flips, collector.left_out) == (False, 0)


def test_no_more_history_than_decides(tmp_path: Path) -> None:
    """The prompt only where the user named something, a result only where it was seen there, a tool only where it must have returned."""
    transcripts = recorded(
        tmp_path,
        "Pay Y9876, please",
        ("db", {"action": "read"}),
        ("inbox", {}),
        ("pay", {"to": "Y9876"}),
        ("pay", {"to": "X1234"}),
        ("send", {"text": "done"}),
    )
    text = written(tmp_path, collected(tmp_path, transcripts))
    result = "pay X1234 or " + "x" * 50
    assert '- {arguments: {to: Y9876}, prompt: "Pay Y9876, please"}\n' in text
    assert f"- {{arguments: {{to: X1234}}, given: [{{tool: inbox, result: {result}}}]}}\n" in text
    assert "- {arguments: {text: done}, given: [{tool: db}, {tool: inbox}, {tool: pay}]}\n" in text
    assert "- {arguments: {action: read}}\n" in text


def test_limits_are_told_by_what_was_used(tmp_path: Path) -> None:
    """A call that a limit stopped becomes a case with the calls that used it up."""
    transcripts = recorded(tmp_path, "hello", ("other", {"a": 1}), ("other", {"a": 2}))
    text = written(tmp_path, collected(tmp_path, transcripts))
    assert "then: {effect: block, rule: limits.tools.other}" in text
    assert "- {arguments: {a: 2}, given: [{tool: other}]}" in text


def test_text_that_is_no_json_stays_as_it_was(tmp_path: Path) -> None:
    """Malformed arguments are a text in the file, too."""
    text = written(tmp_path, collected(tmp_path, recorded(tmp_path, "hello", ("db", '{"action": "read"'))))
    assert "then: {effect: block, code: malformed_arguments}" in text
    assert '- {arguments: "{\\"action\\": \\"read\\""}' in text


def test_only_flips_where_something_flipped(tmp_path: Path) -> None:
    """Compared with another policy, calls that are decided as before are no news."""
    transcripts = recorded(tmp_path, "hello", ("db", {"action": "read"}), ("db", {"action": "drop"}))
    collector = collected(tmp_path, transcripts, against="version: 1\nrules: [{id: all, allow: db}]\n")
    assert collector.flips
    assert "read" not in written(tmp_path, collector)


def test_roles_are_told(tmp_path: Path) -> None:
    """What was judged in a role is tested in it."""
    text = written(tmp_path, collected(tmp_path, recorded(tmp_path, "hello", ("db", {"action": "read"})), role="viewer"))
    assert "name: db is allowed by read for viewer\n    role: viewer\n" in text


def test_a_few_of_a_kind_are_enough(tmp_path: Path) -> None:
    """Calls that differ in nothing but their arguments are cut off, and all in all there are a few hundred cases at most."""
    alike: list[tuple[str, Json]] = [("db", {"action": "read", "id": number}) for number in range(MOST_ALIKE + 5)]
    collector = collected(tmp_path, recorded(tmp_path, "hello", *alike))
    assert (collector.cases, collector.left_out) == (MOST_ALIKE, 5)
    written(tmp_path, collector)
    many: list[tuple[str, Json]] = [(f"tool_{number}", {}) for number in range(MOST_CASES + 5)]
    assert collected(tmp_path, recorded(tmp_path, "hello", *many)).cases == MOST_CASES


def test_tools_are_called_whatever_a_model_says(tmp_path: Path) -> None:
    """A long name is cut in the test's name alone; a name that no file can hold is left out, and the rest is written."""
    collector = collected(tmp_path, recorded(tmp_path, "hello", ("x" * 3000, {}), ("\ud800", {}), ("db", {"action": "read"})))
    assert (collector.cases, collector.left_out) == (2, 1)
    text = written(tmp_path, collector)
    assert f"name: {json.dumps('x' * 60 + '… is blocked by malformed_call', ensure_ascii=False)}\n" in text
    assert "x" * 3000 in text


def test_what_no_case_can_tell_is_left_out(tmp_path: Path) -> None:
    """A call that was refused because its id was used before has nothing in itself that a test could show: it is counted instead."""
    file = tmp_path / "recorded.jsonl"
    messages = [{"role": "user", "content": "hello"}, *message(0, "db", {"action": "read"}), *message(0, "db", {"action": "read", "id": 2})]
    file.write_text(json.dumps({"messages": messages}) + "\n")
    collector = collected(tmp_path, file)
    assert (collector.cases, collector.left_out) == (1, 1)
    written(tmp_path, collector)


@pytest.mark.parametrize("policy", ["strict", "support-roles", "observe-first", "banking"])
def test_the_shipped_recordings_become_tests(tmp_path: Path, policy: str) -> None:
    """Native transcripts too, by whatever policy."""
    path = ROOT / "policies" / f"{policy}.yaml"
    loaded = load_policy(str(path))
    replay, collector = Replay(loaded), Collector(loaded)
    for found in read_sources(find_transcripts([str(ROOT / "tasks")])):
        assert isinstance(found, Transcript)
        for judged in replay.judge(found):
            collector.note(found, judged)
    file = tmp_path / "made.test.yaml"
    file.write_text(file_text(collector.tables(), policies=[str(path)], path=str(file), workdir=collector.workdir, about="made"))
    (suite,) = load_suites([str(file)])
    assert collector.cases > 0
    assert run_suite(suite).failed == 0
