"""What is shown: every way of putting events and findings on a screen or into a pipe.

A format of a run is a file that offers `open_screen(stream, talk, view)`, and its name in `FORMATS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TextIO, cast

from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.output.port import Screen, View

FORMATS = ("table", "plain", "jsonl")
"""The ways to show a run, each a module of this package that is imported when it is wanted."""


def default_format(stream: TextIO) -> str:
    """`table` for a terminal, `plain` for everything else."""
    return "table" if stream.isatty() else "plain"


def open_screen(format: str | None, stream: TextIO, talk: TextIO, view: View) -> Screen:
    """A screen for one run.

    Args:
        format: one of `FORMATS`; None for what suits the stream.
        stream: where results go: standard output.
        talk: where formats that are read by programs put what is said about the run: standard error.
        view: how much to show. A quiet one shows only the final answer, in every format but `jsonl`.

    Raises:
        UsageError: there is no such format.
    """
    format = format or default_format(stream)
    if format not in FORMATS:
        raise UsageError(f"unknown format `{format}`", help=f"one of {', '.join(FORMATS)}")
    name = "quiet" if view.verbosity < 0 and format != "jsonl" else format
    return cast("Screen", import_module(f"agentgate.output.{name}").open_screen(stream, talk, view))
