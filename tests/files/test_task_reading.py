"""Reading a task file as a whole: what is said of it when, from where it comes, and that a broken part is complained about once."""

from __future__ import annotations

import os
from io import BytesIO

import pytest

from agentgate.core.findings import Place
from agentgate.errors import FileError
from agentgate.files.reading import TASK_BYTES, Source
from agentgate.files.task_file import load_task, read_task, understand
from tests.files.cases import described

GOOD = "version: 1\nprompt: hi\nmodel: openai:gpt-4\n"
NO_VERSION = "1:10+3 version: version `1.0` is not known (help: write `version: 1`)"
BESIDE = "tools come only from files beside the task, or in folders below it"
CHOSEN = "tool_choice: {mode: required, required_function_name: x}\n"


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (GOOD, []),
        (GOOD.replace("version: 1\n", "version: 1.0\n"), [NO_VERSION]),
        (
            GOOD.replace("version: 1\n", "version: 1.0\n").replace("hi", "5"),
            [NO_VERSION, "2:9+1 wrong-type: `5` where text is expected (help: put it in quotes: `'5'`)"],
        ),
        (GOOD.replace("version: 1\n", "version: x\n"), ["1:10+1 version: version `'x'` is not known (help: write `version: 1`)"]),
        (GOOD + "prompt: b\n", ["4:1+6 duplicate-key: the key `prompt` stands here twice (help: remove one of them) [2:1 first here]"]),
        (GOOD + "recording: 5\n", ["4:12+1 wrong-type: `5` where text is expected (help: put it in quotes: `'5'`)"]),
        (GOOD + "max_steps: 1.5\n", ["4:12+3 wrong-type: `1.5` where a whole number from 0 on is expected"]),
        (GOOD + "max_steps: -2.0\n", ["4:12+4 out-of-range: `-2.0` where a whole number from 0 on is expected"]),
        (GOOD + "max_steps: 2.0\n", ["4:12+3 wrong-type: `2.0` where a whole number is expected (help: write `2`)"]),
        (GOOD + "tools: 5\n" + CHOSEN, ["4:8+1 wrong-type: `5` where a list of tools is expected"]),
        (
            GOOD + "tools: [{python: nowhere.py:x}]\n" + CHOSEN,
            [f"4:18+12 missing-file: `nowhere.py:x`: there is no such file in the task's folder (help: {BESIDE}; looked for `nowhere.py`)"],
        ),
        (
            GOOD + "tools: [{name: y, command: [ls], timeout_seconds: x}]\n" + CHOSEN,
            ["4:51+1 wrong-type: the text `x` where a number of seconds above 0 is expected (help: numbers stand without quotes)"],
        ),
        (
            GOOD + CHOSEN,
            [
                "4:14+1 bad-value: a tool must be called, but the task has none",
                "4:55+1 unknown-tool: the task has no tool `x` (help: list it under `tools`)",
            ],
        ),
        ("[]", ["1:1+1 wrong-type: a task is a mapping with `version`, `prompt` and the like"]),
        ("", ["1:1+1 empty-file: the file is empty"]),
    ],
    ids=range(15),
)
def test_what_is_said_of_a_task(text: str, findings: list[str]) -> None:
    """Every finding once; there is a task only without any."""
    read = understand(Source("f.yaml", text.encode(), "0" * 64))
    assert list(described(read.findings)) == findings
    assert (read.task is None) is bool(findings)
    assert read.sources == {"f.yaml": tuple(text.split("\n"))}


def test_a_task_may_come_by_standard_input() -> None:
    """Its folder is the one in which the command runs."""
    for read in (load_task("-", stdin=BytesIO(GOOD.encode())), read_task("-", stdin=BytesIO(GOOD.encode())).task):
        assert read is not None
        assert (read.name, read.source, read.place) == ("stdin", "<stdin>", Place("<stdin>", 1, 1, 10))
        assert read.folder == os.path.realpath(".")


def test_a_task_that_does_not_load_says_why() -> None:
    """The exception carries the lines of the file."""
    with pytest.raises(FileError) as refused:
        load_task("-", stdin=BytesIO(b"version: 1\nmodel: recorded\n"))
    assert refused.value.sources == {"<stdin>": ("version: 1", "model: recorded", "")}
    assert refused.value.message.startswith("<stdin>:1:1: error[missing-key]: the key `prompt` is missing")


def test_a_task_has_a_greatest_length() -> None:
    """Of which one byte more is read, and no more."""
    stream = BytesIO(b"#" * (TASK_BYTES + 100))
    assert [finding.code for finding in read_task("-", stdin=stream).findings] == ["too-large"]
    assert stream.tell() == TASK_BYTES + 1
