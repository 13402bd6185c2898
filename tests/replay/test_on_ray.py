"""A replay on a Ray cluster comes to what one process comes to, says what is the matter, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate import __version__
from agentgate.divided import Counted, Task
from agentgate.errors import OutsideError, UsageError
from agentgate.files.transcript_lines import Source
from agentgate.on_ray import Told, _arrive, judge_on_ray
from tests.core.building import policy, rule

from .ray_work import dies, dies_once
from .test_divided import NEW, OLD, by_one, by_parts, files, shown

ROOT = Path(__file__).parents[2]
TASK = Task(NEW, OLD, rows=True)
with_ray = pytest.mark.usefixtures("ray_is_there")


@pytest.fixture(scope="module")
def ray_is_there() -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: pip install -e '.[ray]'")
    if subprocess.run([sys.executable, "-c", "import ray"], capture_output=True, check=False).returncode:
        pytest.skip("Ray is not installed: pip install -e '.[ray]'")


def reading(folder: Path) -> Path:
    """A folder with a run that reads the file `mark` beside it."""
    folder.mkdir()
    mark = folder.with_name(f"{folder.name}-mark")
    mark.touch()
    call = {"id": "c", "function": {"name": "read", "arguments": json.dumps({"file": str(mark)})}}
    (folder / "run.jsonl").write_text(json.dumps({"messages": [{"role": "assistant", "tool_calls": [call]}]}) + "\n")
    return folder


@with_ray
def test_a_cluster_comes_to_the_whole(tmp_path: Path) -> None:
    """Totals, flips and their order, rows and damage are those of one process, wherever files are cut, at paths and at URLs, and also
    where a worker dies; where all of them do, nobody tries for ever. One test, for starting a cluster takes seconds."""
    folder = tmp_path / "runs"
    folder.mkdir()
    files(folder, Random(7))
    paths = Task(policy(rule("allow", "read", when={"file": {"path": "/"}}, id="reads")))
    at_paths, at_urls, one_dies, all_die = on_a_cluster(
        tmp_path / "tasks",
        (TASK, str(folder)),
        (TASK, f"file://{folder}"),
        (replace(paths, resolve=dies_once), str(reading(tmp_path / "one"))),
        (replace(paths, resolve=dies), str(reading(tmp_path / "all"))),
    )
    same(at_paths, folder, scheme="")
    same(at_urls, folder, scheme="file://")
    assert not (tmp_path / "one-mark").exists()
    assert [(counted.calls, counted.rules) for counted in one_dies] == [(1, {"reads": 1})]
    assert all_die.startswith("the Ray cluster failed: ")


def on_a_cluster(file: Path, *tasks: tuple[Task, str]) -> list[Any]:
    """What a cluster makes of each task: its parts, or the words of an error."""
    file.write_bytes(pickle.dumps(tasks))
    subprocess.run([sys.executable, "-m", "tests.replay.ray_work", file], cwd=ROOT, check=True, timeout=300)
    done: list[Any] = pickle.loads(file.with_name(f"{file.name}.done").read_bytes())
    return done


def same(counted: list[Counted], folder: Path, *, scheme: str) -> None:
    """Compares with what one process makes of it; the names of the files begin with a scheme."""
    tally, rows = by_one(TASK, folder)
    found, written = by_parts(counted)
    assert len(counted) > 10
    assert written.replace(scheme, "") == rows
    assert [str(damage).replace(scheme, "") for damage in found.damaged] == [str(damage) for damage in tally.damaged]
    found.damaged = tally.damaged
    assert found.result(0) == tally.result(0)
    assert list(found.groups) == list(tally.groups)
    assert [line.replace(scheme, "") for line in shown(found, TASK)] == shown(tally, TASK)


@with_ray
def test_ctrl_c_ends_the_cluster_that_was_started(tmp_path: Path) -> None:
    """In the middle of the work; none of its processes stays behind."""
    files(tmp_path, Random(8))
    file = tmp_path / "tasks"
    file.write_bytes(pickle.dumps([(TASK, str(tmp_path))] * 50))
    command = [sys.executable, "-m", "tests.replay.ray_work", str(file), "--talk"]
    mark = f"AGENTGATE_MARK={tmp_path.name}-{os.getpid()}"
    environ = {**os.environ, **dict([mark.split("=")])}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        assert any(line.endswith("calls\n") for line in process.stderr)
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
    assert "KeyboardInterrupt" in rest
    assert not file.with_name("tasks.done").exists()
    assert marked(mark) == []


def marked(mark: str) -> list[str]:
    """The programs that run with a variable in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "cmdline").read_text())
        except OSError:
            continue  # it ended, or is somebody else's
    return found


@with_ray
def test_the_command_judges_on_a_cluster(tmp_path: Path) -> None:
    """Rows, damage and exit code are those without the option."""
    files(tmp_path, Random(9))
    (tmp_path / "p.yaml").write_text("version: 1\nrules: [{id: reads, allow: read}]\n")
    command = [sys.executable, "-m", "agentgate", "replay", "a-many.jsonl", "b-native-1.jsonl", "--policy", "p.yaml", "--format", "jsonl"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    one, other = (
        subprocess.run([*command, *engine], cwd=tmp_path, env=environ, capture_output=True, check=False)
        for engine in (["--jobs", "1"], ["--engine", "ray", "--jobs", "2"])
    )
    assert one.stdout
    assert (other.returncode, other.stdout, other.stderr) == (one.returncode, one.stdout, one.stderr)


@with_ray
def test_nobody_at_the_address_is_an_error() -> None:
    """At once: Ray itself would wait."""
    with pytest.raises(OutsideError, match=r"no Ray cluster at `127\.0\.0\.1:1`: connection refused"):
        list(judge_on_ray(TASK, [Source("runs.jsonl")], address="127.0.0.1:1"))


def test_without_ray_the_way_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is an extra."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="not installed") as raised:
        list(judge_on_ray(TASK, [Source("runs.jsonl")]))
    assert raised.value.help == "pip install -e '.[ray]'"


def test_standard_input_is_not_for_a_cluster() -> None:
    """Its workers have another one."""
    with pytest.raises(UsageError, match="standard input"):
        list(judge_on_ray(TASK, [Source("-")]))


def test_a_worker_without_the_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for a damaged transcript: the file is there, only elsewhere."""
    monkeypatch.chdir(tmp_path)
    told = Told("key", __version__, str(tmp_path), None)
    with pytest.raises(OutsideError, match=r"a worker of the cluster has no `runs.jsonl`"):
        _arrive(told, [Source("runs.jsonl")])
    _arrive(told, [Source("s3://bucket/runs.jsonl")])


def test_a_worker_of_another_version_is_an_error(tmp_path: Path) -> None:
    """It might judge otherwise."""
    with pytest.raises(OutsideError, match=r"has agentgate .*, and this is 0\.0\.0"):
        _arrive(Told("key", "0.0.0", str(tmp_path), None), [])


def test_without_the_option_nothing_of_ray_is_imported(tmp_path: Path) -> None:
    """Nor of fsspec: both take their time."""
    (tmp_path / "p.yaml").write_text("version: 1\nrules: [{id: reads, allow: read}]\n")
    files(tmp_path, Random(9))
    code = "import sys\nfrom agentgate.cli.main import main\ntry: main()\nexcept SystemExit: print({'ray', 'fsspec'} & set(sys.modules))"
    command = [sys.executable, "-c", code, "replay", str(tmp_path), "--policy", str(tmp_path / "p.yaml"), "--jobs", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("set()\n"), done.stderr
