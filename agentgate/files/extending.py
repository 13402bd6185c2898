"""Follows `extends`: the files that a policy builds on, each of them read once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from agentgate.core.findings import Finding, Place
from agentgate.errors import FileError
from agentgate.files.errors import error
from agentgate.files.parts import Part
from agentgate.files.reading import STDIN, Source, read_source
from agentgate.files.words import tick

MAX_FILES = 64
"""How many files one policy may be made of."""
_ON_STDIN = "<stdin>"


class Extending:
    """Finds the files that policy files extend. The same file, by whatever way it is reached, counts once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        """The file itself → the name under which it was read first."""
        self._edges: dict[str, dict[str, Place]] = {}
        """Name → the names that it extends, and where it says so."""

    def given(self, source: Source) -> None:
        """Remembers a file that was named on the command line."""
        self._names.setdefault(_itself(source.name), source.name)

    def follow(self, part: Part) -> Iterator[Source | Finding]:
        """Reads what a file extends and nobody has read yet, and says what cannot be read.

        Relative paths start at the folder of the file, of standard input at the working directory.
        """
        for path, place in part.extends:
            problem = _refused(path, place)
            if problem is not None:
                yield problem
                continue
            name = path if part.file == _ON_STDIN else str(Path(part.file).parent / path)
            itself = _itself(name)
            known = self._names.get(itself)
            self._edges.setdefault(part.file, {})[known or name] = place
            if known is not None:
                continue
            if len(self._names) >= MAX_FILES:
                yield error("too-many-files", place, f"a policy is made of {MAX_FILES} files at most")
                return
            self._names[itself] = name
            yield _read(name, path, place)

    def circles(self) -> Iterator[Finding]:
        """A finding where files extend each other in a circle."""
        try:
            TopologicalSorter({name: list(others) for name, others in self._edges.items()}).prepare()
        except CycleError as cycle:
            circle: list[str] = cycle.args[1][::-1]
            place = self._edges[circle[0]][circle[1]]
            yield error("cycle", place, f"{tick(circle[0])} extends itself", f"the way round: {' → '.join(map(tick, circle))}")


def _itself(name: str) -> str:
    return name if name == _ON_STDIN else os.path.realpath(name)


def _refused(path: str, place: Place) -> Finding | None:
    if path == STDIN:
        return error("bad-value", place, "standard input cannot be extended", "name a file")
    if Path(path).is_absolute():
        return error("bad-value", place, f"{tick(path)} is an absolute path", "write it as it is found from the folder of this file")
    return None


def _read(name: str, path: str, place: Place) -> Source | Finding:
    help = "paths start at the folder of this file"
    if not os.path.isfile(name):  # noqa: PTH113 - a path that cannot be one is no file either
        reason = "it is not a file" if os.path.lexists(name) else "there is no such file"
        return error("missing-file", place, f"cannot read {tick(path)}: {reason}", help)
    try:
        return read_source(name)
    except FileError as problem:
        return error("missing-file", place, problem.message, help)
