"""Hostile and damaged files: whatever the bytes, loading gives a value or a `FileError`, and says something useful."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentgate.core.compiled import compile
from agentgate.core.findings import Finding, Severity
from agentgate.errors import FileError
from agentgate.files.codes import CODES
from agentgate.files.kinds import understand as understand_either
from agentgate.files.policy_file import PolicyReading, load_policy
from agentgate.files.reading import Source, read_source
from agentgate.files.task_file import understand
from agentgate.files.yaml import load
from tests.files.cases import DATA, read_cases

SHARED = Path(__file__).parents[3] / "shared" / "hostile" / "yaml"
GOOD = sorted((DATA / "policies").glob("*/*.yaml"))
BAD = [case.text for path in (DATA / "policies" / "bad").glob("*.txt") for case in read_cases(path)]
TASKS = [case.text for case in read_cases(DATA / "tasks" / "bad.txt")]
SEEDS = [path.read_text(encoding="utf-8") for path in GOOD] + BAD + TASKS
FRAGMENTS = ["version: 1\n", "rules:\n", "  - id: a\n", "    allow: x\n", "    when: {y: ", "[", "]", "{", "}", "&a ", "*a", "!!str ",
             "null", "yes", "1e3", "'", '"', "\\", "\t", "\n", "#", ": ", "- ", "? ", "| ", "> ", "---\n", "...\n", "%TAG", "<<: ", "@g",
             "policies:", "prompt: x\n", "tools:\n", "limits: {", "\x00", "\u0085", "\ufeff", "é", "🙂", "(?i)", "optional: true",
             "matches: '('", "schema: {type: ", "default: ", "roles: {a: [b], b: [a]}"]  # fmt: skip


def expected() -> Iterator[tuple[str, str]]:
    """File and verdict of the hostile collection, where it is there."""
    if SHARED.is_dir():
        for line in (SHARED / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            yield entry["file"], entry["expected"]


def check(data: bytes) -> list[Finding]:
    """Reads bytes as policy or task; the findings, each of which must be fit to be shown."""
    _, findings, sources = understand_either(read_source("-", stdin=BytesIO(data)))
    for finding in findings:
        assert finding.code in CODES
        assert finding.message.isprintable()
        assert finding.help is None or finding.help.isprintable()
        lines = sources[finding.place.file]
        if lines:
            assert 1 <= finding.place.line <= len(lines)
            assert 1 <= finding.place.column <= len(lines[finding.place.line - 1]) + 1
    return findings


@pytest.mark.skipif(not SHARED.is_dir(), reason="the collection of hostile files is not beside the repository")
@pytest.mark.parametrize(("name", "verdict"), list(expected()))
def test_the_hostile_collection_is_refused(name: str, verdict: str) -> None:
    """Written for another vocabulary, so nothing in it is a policy here; each file gets findings, and never a traceback."""
    data = (SHARED / name).read_bytes()
    errors = [finding for finding in check(data) if finding.severity is Severity.ERROR]
    assert errors
    if verdict == "accept":
        load(data, name, max_bytes=10**6)  # as YAML it is fine


@given(st.binary(max_size=400))
@example(b"")
@example(b"\xff\xfe")
def test_random_bytes_raise_nothing_but_file_errors(data: bytes) -> None:
    """Bytes without any meaning."""
    check(data)
    with pytest.raises(FileError):
        load_policy("-", stdin=BytesIO(data))


@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=30))
def test_random_fragments_raise_nothing_but_file_errors(fragments: list[str]) -> None:
    """Pieces of YAML in any order."""
    check("".join(fragments).encode("utf-8", "surrogatepass"))


@given(st.data())
@settings(max_examples=300)
def test_mutated_files_load_or_are_refused(data: st.DataObject) -> None:
    """Good and bad files with pieces removed, doubled or replaced; what still loads can be compiled."""
    text = data.draw(st.sampled_from(SEEDS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(FRAGMENTS) | st.just(text[start:end] * 2) | st.just("")) + text[end:]
    raw = text.encode("utf-8", "surrogatepass")
    check(raw)
    reading = understand_either(read_source("-", stdin=BytesIO(raw)))
    if isinstance(reading, PolicyReading) and reading.policy is not None:
        compile(reading.policy)
    understand(Source("<stdin>", raw, ""))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "x*", "@g"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "id", "allow", "tool", "equals", "search"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["id", "allow", "ask", "block", "except", "roles", "when", "unless", "after", "message", "observe", "examples", "deny"]
)


@given(
    st.dictionaries(st.sampled_from(["version", "name", "roles", "groups", "default", "limits", "policies", "prompt", "model", "tools",
                                     "tool_choice", "max_steps", "recording"]), JSON, max_size=5),
    st.lists(st.dictionaries(KEYS, JSON, max_size=5), max_size=3),
)  # fmt: skip
def test_values_of_any_type_anywhere_are_refused_or_load(top: dict[str, object], rules: list[object]) -> None:
    """Every key with values of every type, written as JSON, which is YAML too."""
    for document in ({"version": 1, **top, "rules": rules}, {"version": 1, **top}, {**top, "policies": rules}, {**top, "tools": rules}):
        check(json.dumps(document).encode())
