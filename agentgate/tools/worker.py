"""The process in which a task's Python tools run.

It serves one request after the other: `open` (where things are), `load` (one tool of the task), `call`. Whatever a tool raises, `exit` and
Ctrl-C included, becomes an answer. What cannot become one (a crash, a hang) is the parent's business, see `process`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, NoReturn

from agentgate.core.events import Json
from agentgate.tools.port import IDEMPOTENCY_VARIABLE
from agentgate.tools.results import Unusable, error_text, sound, to_json
from agentgate.tools.serving import serve
from agentgate.tools.sources import Sources, import_error_text

if TYPE_CHECKING:
    from agentgate.tools.describe import Description


def main(requests: int, answers: int) -> NoReturn:
    """Serves requests until the other side closes the pipe.

    Args:
        requests: the descriptor to read from.
        answers: the descriptor to write to.
    """
    serve(requests, answers, Worker().answer)


class Worker:
    """The tools of one task, imported and ready."""

    def __init__(self) -> None:
        self._tools: dict[str, tuple[Callable[..., object], Description]] = {}
        self._sources: Sources

    def answer(self, message: dict[str, Json]) -> bytes:
        """Serves one request. Never raises for anything that a tool does."""
        try:
            match message.pop("do"):
                case "open":
                    return self._open(**message)
                case "load":
                    return self._load(**message)
                case _:
                    return self._call(**message)
        except BaseException as error:
            return _said({"ok": False, "error": error_text(error)})

    def _open(self, folder: str, paths: list[str], known: dict[str, str]) -> bytes:
        sys.path.extend(path for path in paths if path not in sys.path)
        self._sources = Sources(folder, known)
        return _said({"ok": True})

    def _load(self, name: str, file: str, function: str, parameters: dict[str, Json] | None) -> bytes:
        """Imports a tool and says what it looks like."""
        from agentgate.tools.describe import Unsupported, describe

        try:
            module = self._sources.load(file)
        except BaseException as error:
            return _said({"ok": False, "error": f"it cannot be imported: {import_error_text(error, self._sources.folder)}"})
        found = getattr(module, function, None)
        if found is None:
            return _said({"ok": False, "error": f"the file has no function `{function}`"})
        if not callable(found):
            return _said({"ok": False, "error": f"`{function}` is not a function"})
        try:
            description = describe(found, parameters)
        except Unsupported as error:
            return _said({"ok": False, "error": f"`{function}` cannot be a tool: {error}"})
        self._tools[name] = (found, description)
        described = {"description": description.summary, "parameters": description.parameters}
        return _said({"ok": True, "sources": self._sources.digests, **described})

    def _call(self, name: str, arguments: dict[str, Json], key: str | None) -> bytes:
        """Executes a tool, with the idempotency key of the call in its environment."""
        from agentgate.tools.describe import InvalidArgument

        os.environ.pop(IDEMPOTENCY_VARIABLE, None)
        if key is not None:
            os.environ[IDEMPOTENCY_VARIABLE] = key
        function, description = self._tools[name]
        try:
            converted = description.convert(arguments)
        except InvalidArgument as error:
            return _said({"ok": False, "reached": False, "error": f"invalid arguments: {sound(str(error))}"})
        result = function(**converted)
        if isawaitable(result):
            result = _awaited(result)
        try:
            text, cut = to_json(result)
        except Unusable as error:
            return _said({"ok": False, "error": str(error)})
        return b'{"ok": true, "truncated": %s, "result": %s}' % (b"true" if cut else b"false", text.encode())


def _awaited(result: object) -> object:
    import asyncio

    async def waiting() -> object:
        return await result  # type: ignore[misc]

    return asyncio.run(waiting())


def _said(answer: dict[str, Json]) -> bytes:
    return json.dumps(answer, allow_nan=False).encode()
