"""Tasks that load: models, tools, choices; and which files a task can reach."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from msgspec import UNSET

from agentgate.core.findings import Place
from agentgate.errors import FileError, UsageError
from agentgate.files.kinds import kind_of_file, understand
from agentgate.files.model_settings import split_model
from agentgate.files.policy_file import PolicyReading
from agentgate.files.reading import read_source
from agentgate.files.task_file import TaskReading, load_task, read_task
from agentgate.files.yaml import load
from agentgate.task import ModelSettings, Price, PythonFunction, Task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with tools in it, and one beside it with more."""
    for name in ("task/tools.py", "task/lib/more.py", "task/package/__init__.py", "outside/tools.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('nothing may import this')\n", encoding="utf-8")
    return tmp_path / "task"


def task(folder: Path, text: str, *, model: str = "model: recorded\n") -> Task:
    """The task with this text."""
    path = folder / "task.yaml"
    path.write_text("version: 1\nprompt: hello\n" + model + text, encoding="utf-8")
    return load_task(str(path))


def test_a_whole_task_loads(folder: Path) -> None:
    """Every key, as the documentation shows it."""
    text = """
name: upgrade
system: You are a support agent.
recording: upgrade.recorded.jsonl
tools:
  - python: tools.py:customer_db
  - python: lib/more.py:email_service
    name: mail
    description: Sends mail.
    parameters: {type: object, properties: {to: {type: string}}, required: [to]}
    timeout_seconds: 10
    mock: {status: queued, id: null}
    effect: read
tool_choice: {mode: auto, allowed_tools: [mail]}
max_steps: 6
"""
    loaded = task(folder, text, model="model: openai:ft:gpt-4.1-mini:org\n")
    assert (loaded.name, loaded.prompt, loaded.system, loaded.max_steps) == ("upgrade", "hello", "You are a support agent.", 6)
    assert loaded.model == ModelSettings("openai", "ft:gpt-4.1-mini:org")
    assert loaded.folder == str(folder)
    assert loaded.recording == str(folder / "upgrade.recorded.jsonl")
    assert loaded.tool_choice == {"mode": "auto", "allowed_tools": ["mail"]}
    first, second = loaded.tools
    assert first.runs == PythonFunction(str(folder / "tools.py"), "customer_db")
    assert (first.name, first.timeout_seconds, first.mock, first.effect) == ("customer_db", 30.0, UNSET, "write")
    assert second.runs == PythonFunction(str(folder / "lib" / "more.py"), "email_service")
    assert (second.name, second.timeout_seconds, second.effect) == ("mail", 10.0, "read")
    assert second.mock == {"status": "queued", "id": None}
    assert first.place == Place(str(folder / "task.yaml"), 9, 13, 20)
    assert loaded.digest.name == "upgrade"
    assert len(loaded.digest.sha256) == 64


def test_the_smallest_task(folder: Path) -> None:
    """A prompt and a model are enough; the name is the file's."""
    loaded = task(folder, "")
    assert (loaded.name, loaded.tools, loaded.tool_choice, loaded.max_steps) == ("task", (), "auto", None)


def test_a_recording_alone_is_the_model(folder: Path) -> None:
    """A task that only plays a recording need not name a model."""
    loaded = task(folder, "recording: ../outside/run.jsonl\n", model="")
    assert loaded.model == ModelSettings("recorded")
    assert loaded.recording == str(folder.parent / "outside" / "run.jsonl")


def test_a_model_as_a_mapping(folder: Path) -> None:
    """All settings of a model."""
    model = """model:
  provider: openai-responses
  name: gpt-4.1-mini
  base_url: http://localhost:11434/v1
  api_key_env: LOCAL_KEY
  temperature: 0
  max_output_tokens: 500
  price: {input: 0.4, cached_input: 0.1, output: 1.6}
"""
    assert task(folder, "", model=model).model == ModelSettings(
        provider="openai-responses",
        name="gpt-4.1-mini",
        base_url="http://localhost:11434/v1",
        api_key_env="LOCAL_KEY",
        temperature=0,
        max_output_tokens=500,
        price=Price(input=0.4, output=1.6, cached_input=0.1),
    )


def test_models_on_the_command_line() -> None:
    """`PROVIDER:NAME`, or `recorded` alone."""
    assert split_model("openai:ft:x:y") == ("openai", "ft:x:y")
    assert split_model("recorded") == ("recorded", "")
    with pytest.raises(UsageError) as caught:
        split_model("opnai:x")
    assert caught.value.help == "did you mean `openai`?"
    with pytest.raises(UsageError, match="has no name"):
        split_model("openai:")


@pytest.mark.parametrize("text", ["tools:run", "lib.more:run", "package:run", "./tools.py:run", "lib/../tools.py:run"])
def test_tools_in_the_folder_are_found(folder: Path, text: str) -> None:
    """As files and as modules."""
    (tool,) = task(folder, f"tools: [{{python: '{text}'}}]\n").tools
    assert isinstance(tool.runs, PythonFunction)
    assert Path(tool.runs.file).is_relative_to(folder)
    assert Path(tool.runs.file).is_file()


def test_links_out_of_the_folder_are_not_followed(folder: Path) -> None:
    """A link beside the task to a file elsewhere is that file elsewhere."""
    (folder / "linked.py").symlink_to(folder.parent / "outside" / "tools.py")
    (folder / "linked").symlink_to(folder.parent / "outside")
    for text in ("linked.py:run", "linked/tools.py:run", "linked.tools:run"):
        with pytest.raises(FileError) as caught:
            task(folder, f"tools: [{{python: '{text}'}}]\n")
        assert [finding.code for finding in caught.value.findings] == ["outside-folder"]


def test_links_within_the_folder_are_followed(folder: Path) -> None:
    """What counts is where the file is."""
    (folder / "linked.py").symlink_to(folder / "lib" / "more.py")
    (tool,) = task(folder, "tools: [{python: 'linked.py:run'}]\n").tools
    assert tool.runs == PythonFunction(str(folder / "lib" / "more.py"), "run")


def test_names_that_no_system_takes_are_not_found(folder: Path) -> None:
    """A very long name is a missing file, not a traceback."""
    with pytest.raises(FileError) as caught:
        task(folder, f"tools: [{{python: '{'x' * 900}.py:run'}}]\n")
    assert [finding.code for finding in caught.value.findings] == ["missing-file"]


@pytest.mark.parametrize(
    "choice",
    ["auto", "required", "none", "{mode: auto, allowed_tools: []}", "{mode: auto, allowed_tools: policy}", "{mode: none}",
     "{mode: required, allowed_tools: [run]}", "{mode: required, required_function_name: run}", "{mode: required, allowed_tools: policy}"],
)  # fmt: skip
def test_choices_that_are_possible(folder: Path, choice: str) -> None:
    """Each form of `tool_choice`."""
    text = f"tools: [{{python: 'tools.py:run'}}]\ntool_choice: {choice}\n"
    expected = load(f"a: {choice}".encode(), "x", max_bytes=100).value["a"]
    assert task(folder, text).tool_choice == expected


def test_nothing_is_taken_from_the_environment(folder: Path) -> None:
    """What looks like a variable stays as it is."""
    assert task(folder, "system: 'key ${HOME} $HOME'\n").system == "key ${HOME} $HOME"


def test_a_task_of_more_than_a_mebibyte_is_refused(folder: Path) -> None:
    """However it is read."""
    path = folder / "big.yaml"
    path.write_text("version: 1\nprompt: hello\nmodel: recorded\n" + "#" * 1024 * 1024, encoding="utf-8")
    for reading in (read_task(str(path)), understand(read_source(str(path)))):
        assert isinstance(reading, TaskReading)
        assert [finding.code for finding in reading.findings] == ["too-large"]


def test_a_missing_task_is_said_clearly(folder: Path) -> None:
    """A file that is not there is a file error."""
    with pytest.raises(FileError, match="no such file"):
        load_task(str(folder / "none.yaml"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("prompt: x", "task"),
        ("model: x\ntools: []", "task"),
        ("prompt: x\nrules: []", "task"),
        ("rules: []", "policy"),
        ("model: x\nrules: []", "policy"),
        ("policies: []", "policy"),
        ("version: 1", "policy"),
        ("- a", "policy"),
    ],
)
def test_kinds_are_told_apart_by_their_keys(text: str, kind: str) -> None:
    """A task has a prompt; what is neither counts as a policy."""
    assert kind_of_file(load(text.encode(), "f", max_bytes=1000)) == kind
    reading = understand(read_source("-", stdin=BytesIO(text.encode())))
    assert isinstance(reading, TaskReading if kind == "task" else PolicyReading)
