"""A task around tool files, and calls that were let through."""

from __future__ import annotations

import itertools
import json
import os
import select
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from agentgate.core.events import Code, Decision, Digest, Effect, ToolCall
from agentgate.core.findings import Place
from agentgate.task import ModelSettings, PythonFunction, Task, ToolSource
from agentgate.tools.port import Outcome
from agentgate.tools.toolbox import TaskToolbox

DATA = Path(__file__).parent.parent / "data" / "tools"


def make_task(folder: Path, *entries: str, **changes: Any) -> Task:
    """A task whose tools are `entries` like `file.py:function`; `changes` apply to every entry."""
    tools = tuple(
        ToolSource(
            runs=PythonFunction(str(folder / entry.split(":")[0]), entry.split(":")[1]),
            place=Place("task.yaml", line, 5),
            **{"name": entry.split(":")[1], **changes},
        )
        for line, entry in enumerate(entries, 7)
    )
    model = ModelSettings("openai", "gpt-4.1-mini", api_key_env="MY_KEY")
    return Task(name="t", prompt="p", model=model, digest=Digest("task.yaml", "0" * 64), folder=str(folder), tools=tools)


class Run:
    """A toolbox, and how to call it with decisions that let calls through."""

    def __init__(self, toolbox: TaskToolbox) -> None:
        self.toolbox = toolbox
        self._ids = itertools.count(1)

    def call(self, tool: str, arguments: Mapping[str, Any] | None = None, *, key: str | None = None) -> Outcome:
        text = json.dumps(arguments or {})
        decision = Decision(Effect.ALLOW, Code.RULE, "r", "", arguments=json.loads(text))
        return self.toolbox.execute(ToolCall(f"call_{next(self._ids)}", tool, text), decision, idempotency_key=key)

    def result(self, tool: str, arguments: Mapping[str, Any] | None = None, *, key: str | None = None) -> Any:
        outcome = self.call(tool, arguments, key=key)
        assert outcome.ok, outcome.content
        return json.loads(outcome.content)["result"]

    def error(self, tool: str, arguments: Mapping[str, Any] | None = None) -> str:
        outcome = self.call(tool, arguments)
        content = json.loads(outcome.content)
        assert not outcome.ok
        assert (content["ok"], content["code"]) == (False, "tool_error")
        said = content["error"]
        assert isinstance(said, str)
        return said


class Opener(Protocol):
    """Opens a toolbox with some entries; see the fixture `opened`."""

    def __call__(
        self,
        *entries: str,
        folder: Path = ...,
        environ: Mapping[str, str] = ...,
        clock: Callable[[], float] = ...,
        workdir: str | None = ...,
        **changes: Any,
    ) -> Run: ...


class Witness:
    """A named pipe that processes hold open for as long as they live."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def started(self, seconds: float = 30.0) -> bool:
        """Waits for the first byte."""
        return self._read(seconds) == b"!"

    def all_dead(self) -> bool:
        """Waits for the end of every process that holds the pipe. False where one lives on."""
        return self._read(30.0) == b""

    def _read(self, seconds: float) -> bytes | None:
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return None
        return os.read(self._descriptor, 1)

    def close(self) -> None:
        os.close(self._descriptor)
