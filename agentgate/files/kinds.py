"""Tells policies, tasks and test files apart, for commands that take any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from agentgate.core.events import Json
from agentgate.files import policy_file
from agentgate.files.collector import collector_paused
from agentgate.files.policy_file import PolicyReading
from agentgate.files.reading import POLICY_BYTES, Source
from agentgate.files.yaml import Document, parse

if TYPE_CHECKING:
    from agentgate.files.task_file import TaskReading
    from agentgate.files.test_file import ReadingOfTests

_OF_TASKS = ("prompt", "model", "recording", "tool_choice", "max_steps", "system")
_OF_POLICIES = ("rules", "default", "limits", "policies", "roles", "groups")


def kind_of_file(document: Document) -> Literal["task", "policy", "tests"]:
    """What a document is meant to be, by its keys: a task has a `prompt`, a test file `tests`. What is none of them counts as a policy."""
    value: Json = document.value
    if not isinstance(value, Mapping):
        return "policy"
    if "prompt" in value:
        return "task"
    if "tests" in value:
        return "tests"
    tasklike = any(key in value for key in _OF_TASKS)
    return "task" if tasklike and not any(key in value for key in _OF_POLICIES) else "policy"


def understand(source: Source) -> PolicyReading | TaskReading | ReadingOfTests:
    """What a file says that was read already, as the kind that it is."""
    with collector_paused():
        parsed = parse(source.data, source.name, max_bytes=POLICY_BYTES)
        kind = "policy" if parsed.document is None else kind_of_file(parsed.document)
        if kind == "task":
            from agentgate.files import task_file

            return task_file.understand(source)
        if kind == "tests":
            from agentgate.files import test_file

            return test_file.understand(source)
        return policy_file.understand([source], {source.name: parsed})
