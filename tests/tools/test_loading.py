"""Tool files are imported in the worker, from their source alone; what is wrong with them is said with the entry's place."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import sys
from pathlib import Path

import pytest

from agentgate.core.findings import Severity
from agentgate.errors import FileError, OutsideError
from agentgate.tools import open_toolbox
from agentgate.tools.toolbox import TaskToolbox
from tests.tools.running import Opener, Run, make_task

BROKEN = [
    ("def f(:\n    pass\n", "it cannot be imported: SyntaxError: invalid syntax (broken.py:1)"),
    ("import no_such_module\n", "it cannot be imported: ModuleNotFoundError: No module named 'no_such_module' (broken.py:1)"),
    ("x = 1\n\nraise ValueError('no database')\n", "it cannot be imported: ValueError: no database (broken.py:3)"),
    ("import sys\nsys.exit(2)\n", "it cannot be imported: SystemExit: 2 (broken.py:2)"),
    ("raise KeyboardInterrupt\n", "it cannot be imported: KeyboardInterrupt (broken.py:1)"),
    ("import os\nos._exit(2)\n", "it cannot be imported: its process ended with exit code 2"),
    ("x = '\0'\n", "it cannot be imported: "),
    ("def g() -> None: ...\n", "the file has no function `f`"),
    ("f = 3\n", "`f` is not a function"),
    ("class f: ...\n", "`f` cannot be a tool: it is a class, not a function"),
    ("def f(x): ...\n", "`f` cannot be a tool: parameter `x` has no type annotation"),
    ("def f(x: int, /): ...\n", "`f` cannot be a tool: parameter `x` is positional-only, and tools are called by name"),
    ("def f(*x: int): ...\n", "`f` cannot be a tool: parameter `x` takes any number of arguments (`*`), and tools are called by name"),
    (
        "def f(**x: int): ...\n",
        "`f` cannot be a tool: parameter `x` takes any further arguments (`**`), which needs `parameters` in the task",
    ),
    ("def f(x: Missing): ...\n", "it cannot be imported: NameError: name 'Missing' is not defined (broken.py:1)"),
    ("def f(x: 'Missing'): ...\n", "`f` cannot be a tool: its type hints cannot be understood: name 'Missing' is not defined"),
    (
        "import threading\ndef f(x: threading.Event): ...\n",
        "`f` cannot be a tool: parameter `x` has a type that JSON cannot carry: `<class 'threading.Event'>`",
    ),
    ("from typing import Callable\ndef f(x: Callable[[], int]): ...\n", "`f` cannot be a tool: a parameter has no JSON Schema: "),
    ("from pydantic import Field\ndef f(x: int = Field(3)): ...\n", "`f` cannot be a tool: parameter `x` has `Field(…)` as its default"),
    (
        "from typing import Annotated\nfrom pydantic import Field\ndef f(x: Annotated[str, Field(pattern='(?=a)b')]): ...\n",
        "`f` cannot be a tool: parameter `x` has a type that cannot be used: Error building",
    ),
]


@pytest.mark.parametrize(("code", "said"), BROKEN, ids=[code.split("\n")[0] for code, _ in BROKEN])
def test_broken_file(tmp_path: Path, code: str, said: str) -> None:
    """A tool that cannot be used is an error at its entry in the task."""
    (tmp_path / "broken.py").write_text(code)
    with pytest.raises(FileError) as caught:
        TaskToolbox(make_task(tmp_path, "broken.py:f"), environ=os.environ)
    (finding,) = caught.value.findings
    assert (str(finding.place), finding.severity) == ("task.yaml:7:5", Severity.ERROR)
    assert finding.message.startswith(f"tool `broken.py:f`: {said}")
    assert str(caught.value) == f"{finding.place}: {finding.message}"


def test_every_finding(tmp_path: Path) -> None:
    """All tools that cannot be used are named at once."""
    (tmp_path / "tools.py").write_text("def good() -> None: ...\ndef bad(x): ...\n")
    with pytest.raises(FileError, match="and 1 more") as caught:
        TaskToolbox(make_task(tmp_path, "tools.py:bad", "tools.py:good", "none.py:f"), environ=os.environ)
    assert [finding.place.line for finding in caught.value.findings] == [7, 9]


def test_import_time_limit(tmp_path: Path) -> None:
    """An import that hangs ends, too."""
    hanging = tmp_path / "hanging"
    (tmp_path / "tools.py").write_text(f"import os\nopen({str(hanging)!r}, 'w').close()\nos.read(os.pipe()[0], 1)\ndef f() -> None: ...\n")

    def clock() -> float:
        """Stands still until the import hangs; then the limit is over at once."""
        return 10.0 if hanging.exists() else 0.0

    with pytest.raises(FileError, match=r"it cannot be imported: no answer within 5 s"):
        TaskToolbox(make_task(tmp_path, "tools.py:f"), environ=os.environ, start_seconds=5.0, clock=clock)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "a b"}, "`a b` is not a tool name"),
        ({"name": ""}, "`` is not a tool name"),
        ({"name": "read\n"}, "is not a tool name"),
        ({"name": "x" * 65}, "is not a tool name"),
        ({"mock": {"price": float("nan")}}, "its `mock` is not JSON"),
        ({"mock": {1: "one"}}, "its `mock` is not JSON"),
        ({"mock": "\ud800"}, "its `mock` is not JSON"),
        ({"mock": {1, 2}}, "its `mock` is not JSON"),
        ({"parameters": {"type": "object", "properties": {"x": {"type": "number", "maximumm": 3}}}}, "unknown keyword `maximumm`"),
        ({"parameters": {"$ref": "https://example.com/schema"}}, "only references within the schema itself are followed"),
        ({"parameters": {"type": "object", "properties": {}}}, "parameter `x` is missing in `parameters`"),
    ],
    ids=str,
)
def test_unusable_entry(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    """What the task says about a tool is checked when it is loaded."""
    (tmp_path / "tools.py").write_text("def f(x): ...\n")
    with pytest.raises(FileError) as caught:
        TaskToolbox(make_task(tmp_path, "tools.py:f", **changes), environ=os.environ)
    assert said in caught.value.message


def test_same_name(tmp_path: Path) -> None:
    """Two tools of the same name are refused, and both places named."""
    (tmp_path / "tools.py").write_text("def f() -> None: ...\n")
    with pytest.raises(FileError, match="two tools are called `f`") as caught:
        TaskToolbox(make_task(tmp_path, "tools.py:f", "tools.py:f"), environ=os.environ)
    assert (caught.value.findings[0].place.line, caught.value.help) == (8, "the other one is at task.yaml:7:5; add `name`")


@pytest.mark.parametrize("link", [False, True], ids=["beside", "link"])
def test_file_outside(tmp_path: Path, link: bool) -> None:
    """Code outside the task's folder is not reached, through a link neither."""
    outside, folder = tmp_path / "outside.py", tmp_path / "task"
    folder.mkdir()
    outside.write_text("def f() -> None: ...\n")
    (folder / "inside.py").symlink_to(outside)
    with pytest.raises(FileError, match="outside the task's folder"):
        TaskToolbox(make_task(folder, "inside.py:f" if link else "../outside.py:f"), environ=os.environ)


def test_siblings(opened: Opener, tmp_path: Path) -> None:
    """Files beside and below the task import each other by name, and share one module."""
    (tmp_path / "store.py").write_text("DATA: list[str] = []\ndef put(x: str) -> list[str]:\n    DATA.append(x)\n    return DATA\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mail.py").write_text("import store\ndef send(x: str) -> list[str]:\n    return store.put(x)\n")
    run = opened("sub/mail.py:send", "store.py:put", folder=tmp_path)
    run.call("put", {"x": "a"})
    assert run.result("send", {"x": "b"}) == ["a", "b"]


def test_name_of_the_standard_library(opened: Opener, tmp_path: Path) -> None:
    """A tool file may be called like a module of the standard library; neither takes the other's place."""
    (tmp_path / "email.py").write_text("import email.message\ndef f() -> str:\n    return email.message.__name__\n")
    (tmp_path / "two words.py").write_text("def g() -> int:\n    return 2\n")
    run = opened("email.py:f", "two words.py:g", folder=tmp_path)
    assert (run.result("f"), run.result("g")) == ("email.message", 2)


def test_file_beats_installed_package(opened: Opener, tmp_path: Path) -> None:
    """A file beside the task comes before an installed package of the same name."""
    (tmp_path / "hypothesis.py").write_text("ANSWER = 42\n")
    (tmp_path / "tools.py").write_text("import hypothesis\ndef f() -> int:\n    return hypothesis.ANSWER\n")
    assert opened("tools.py:f", folder=tmp_path).result("f") == 42


def test_hidden_bytecode(opened: Opener, tmp_path: Path) -> None:
    """Bytecode beside a tool file is never executed, so that its source shows all that it does."""
    source = tmp_path / "tools.py"
    source.write_text("def f() -> str:\n    return 'source'\n")
    hidden = compile("def f() -> str:\n    return 'hidden'\n", str(source), "exec")
    cached = Path(importlib.util.cache_from_source(str(source)))
    cached.parent.mkdir()
    unchecked = (1).to_bytes(4, "little")
    cached.write_bytes(importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source.read_bytes()) + marshal.dumps(hidden))
    assert opened("tools.py:f", folder=tmp_path).result("f") == "source"
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == ["tools.py"]


def test_changed_source(opened: Opener, tmp_path: Path) -> None:
    """A worker that takes another's place runs the code that the run began with, or nothing."""
    (tmp_path / "sibling.py").write_text("X = 1\n")
    (tmp_path / "tools.py").write_text("import os, sibling\ndef f() -> None:\n    os._exit(0)\ndef g() -> int:\n    return sibling.X\n")
    run = opened("tools.py:f", "tools.py:g", folder=tmp_path)
    assert sorted(Path(path).name for path in run.toolbox.sources) == ["sibling.py", "tools.py"]
    run.call("f")
    assert run.result("g") == 1
    run.call("f")
    (tmp_path / "sibling.py").write_text("X = 2\n")
    outcome = run.call("g")
    assert not outcome.executed
    assert "`sibling.py` was changed since the run began" in outcome.content
    (tmp_path / "sibling.py").write_text("X = 1\n")
    assert run.result("g") == 1


def test_import_prints(opened: Opener, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a file prints while it is imported goes the way of all that tools print."""
    (tmp_path / "tools.py").write_text("print('hello')\ndef f() -> int:\n    return 1\n")
    run = opened("tools.py:f", folder=tmp_path)
    assert run.result("f") == 1
    assert run.toolbox.printed == "hello\n"
    assert capfd.readouterr() == ("", "")


def test_parent_imports_nothing(opened: Opener, tmp_path: Path) -> None:
    """A tool file is imported in the worker only."""
    (tmp_path / "only_in_the_worker.py").write_text("import os\ndef f() -> int:\n    return os.getpid()\n")
    run = opened("only_in_the_worker.py:f", folder=tmp_path)
    assert run.result("f") != os.getpid()
    assert "only_in_the_worker" not in sys.modules


def test_python_path(tmp_path: Path) -> None:
    """Modules that the operator names in PYTHONPATH can be imported; relative entries are passed over."""
    (tmp_path / "task").mkdir()
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "library_of_the_operator.py").write_text("X = 3\n")
    (tmp_path / "task" / "tools.py").write_text("import library_of_the_operator as l\ndef f() -> int:\n    return l.X\n")
    environ = {**os.environ, "PYTHONPATH": f".{os.pathsep}{tmp_path / 'libs'}"}
    with open_toolbox(make_task(tmp_path / "task", "tools.py:f"), environ=environ) as toolbox:
        assert Run(toolbox).result("f") == 3


def test_missing_working_directory(tmp_path: Path) -> None:
    """A process that cannot be started is said in one sentence."""
    (tmp_path / "tools.py").write_text("def f() -> None: ...\n")
    with pytest.raises(OutsideError, match=r"the process for the tools could not be started: .*nowhere"):
        open_toolbox(make_task(tmp_path, "tools.py:f"), environ=os.environ, workdir=str(tmp_path / "nowhere"))


def test_given_parameters(opened: Opener, tmp_path: Path) -> None:
    """`parameters` of the task win over type hints, are closed, and let a function do without them."""
    (tmp_path / "tools.py").write_text('def f(x, **more):\n    """Does it."""\n    return [x, more]\n')
    given = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}
    run = opened("tools.py:f", folder=tmp_path, parameters=given, description="Said by the task.", mock=[1], timeout_seconds=3.0)
    (tool,) = run.toolbox.tools
    wanted = {"name": "f", "description": "Said by the task.", "parameters": {**given, "additionalProperties": False}}
    assert tool.definition == {"type": "function", "function": wanted}
    assert (tool.mock, tool.timeout_seconds) == ([1], 3.0)
    assert run.result("f", {"x": 1, "y": "z"}) == [1, {"y": "z"}]
    assert json.dumps(tool.definition)
