"""How the worker imports a task's tool files.

Code beside the task is read from its source files only: no bytecode cache and no compiled module in the task's folder is ever executed, so
reading the `.py` files shows what runs. Every file is remembered by its SHA-256; a worker that takes the place of a killed one loads the
same bytes, or nothing.

The task's folder comes after the standard library and before installed packages, so siblings can import each other by name.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.abc import PathEntryFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path, PurePath
from types import CodeType, ModuleType
from typing import Any

from agentgate.tools.results import error_text


class Sources:
    """The source files of one task, as they were when they were first read."""

    def __init__(self, folder: str, known: Mapping[str, str]) -> None:
        """Makes the folder importable.

        Args:
            folder: the task's, absolute.
            known: path → SHA-256 of files as an earlier worker read them.
        """
        self.folder = folder
        self.digests = dict(known)
        self._files: dict[str, ModuleType] = {}
        sys.path.insert(installed_from(sys.path), folder)
        sys.path_hooks.insert(0, self._hook)
        for path in [path for path in sys.path_importer_cache if self._is_ours(path)]:
            del sys.path_importer_cache[path]

    def load(self, file: str) -> ModuleType:
        """The module of a tool file, imported once, under the name by which its siblings would import it.

        Raises:
            BaseException: whatever importing it raises.
        """
        module = self._files.get(file)
        if module is None:
            name = self._name(file)
            module = importlib.import_module(name) if name else self._load_alone(file)
            self._files[file] = module
        return module

    def _name(self, file: str) -> str | None:
        """The name that leads to this file, and to no other one: none for `email.py`, which the standard library has."""
        parts = PurePath(file).relative_to(self.folder).with_suffix("").parts
        name = ".".join(parts)
        if not all(part.isidentifier() for part in parts):
            return None
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        origin = Path(spec.origin) if spec is not None and spec.origin is not None else None
        return name if origin is not None and origin.exists() and origin.samefile(file) else None

    def _load_alone(self, file: str) -> ModuleType:
        name = f"agentgate_task_{len(self._files)}"
        spec = importlib.util.spec_from_file_location(name, file, loader=_SourceOnly(name, file, self._digest))
        if spec is None or spec.loader is None:
            raise ImportError(f"`{file}` is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    def _hook(self, path: str) -> PathEntryFinder:
        if not self._is_ours(path):
            raise ImportError("not below the task's folder")

        def loader(name: str, file: str) -> _SourceOnly:
            return _SourceOnly(name, file, self._digest)

        make: Any = loader  # any callable will do, though its declared type is a class
        return FileFinder(path, (make, SOURCE_SUFFIXES))

    def _is_ours(self, path: str) -> bool:
        """Within the task's folder, but not within another place for packages that lies in there, such as a virtual environment."""
        others = (other for other in sys.path if other != self.folder and _within(other, self.folder))
        return _within(path, self.folder) and not any(_within(path, other) for other in others)

    def _digest(self, path: str, data: bytes) -> None:
        """Remembers what a file holds, or compares."""
        digest = sha256(data).hexdigest()
        if self.digests.setdefault(path, digest) != digest:
            raise ImportError(f"`{PurePath(path).name}` was changed since the run began")


class _SourceOnly(SourceFileLoader):
    """Loads a module from its source, whatever lies in `__pycache__`."""

    def __init__(self, name: str, path: str, seen: Callable[[str, bytes], None]) -> None:
        super().__init__(name, path)
        self._seen = seen

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        data = self.get_data(path)
        self._seen(path, data)
        code: CodeType = self.source_to_code(data, path)
        return code


def installed_from(paths: list[str]) -> int:
    """The index of the first place for installed packages in a module search path, its length where there is none."""
    return next((index for index, path in enumerate(paths) if path.endswith(("site-packages", "dist-packages"))), len(paths))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def import_error_text(error: BaseException, folder: str) -> str:
    """The last line of an exception's traceback, with the line of the task's own code that it came from."""
    text = error_text(error)
    if isinstance(error, SyntaxError) and error.filename:
        said = f"{type(error).__name__}: {error.msg}"
        return f"{said} ({PurePath(error.filename).name}:{error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _within(frame.filename, folder)]
    if not frames:
        return text
    return f"{text} ({PurePath(frames[-1].filename).name}:{frames[-1].lineno})"
