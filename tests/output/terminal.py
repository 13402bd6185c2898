"""What the tests know of terminals: streams to write to, and a small strict one that refuses whatever could move the cursor."""

from __future__ import annotations

import io
import re
from pathlib import Path

import msgspec
from rich.cells import cell_len

from agentgate.core.events import Event

DATA = Path(__file__).parent.parent / "data" / "output"
RUNS = sorted(path.stem for path in (DATA / "runs").glob("*.jsonl"))
TRANSCRIPT = Path(".agentgate/runs/k3v9.jsonl")

_SGR = re.compile(r"\x1b\[[0-9;]*m")
_FOR_COPYING = re.compile(r"  (saved|why|decide|resume) ")
"""Paths and commands are never broken by us."""
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)

TABLE_ROW = re.compile(r" {0,3}\d+ +[✓✗?○+x!] (allow|ask|block|would ask|would block)\b")
"""How the table begins a decision, at the left edge."""
PLAIN_ROW = re.compile(r"(allow|ask|block|would-ask|would-block)  step \d+  ")


def run_events(name: str) -> list[Event]:
    """The events of a recorded run."""
    return [read_event(line) for line in (DATA / "runs" / f"{name}.jsonl").read_text().splitlines()]


def read_event(line: str) -> Event:
    """An event from a line of JSON."""
    return _DECODER.decode(line)


class Tape(io.TextIOWrapper):
    """A text stream that keeps its bytes."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = False) -> None:
        self.raw_bytes = io.BytesIO()
        self._terminal = terminal
        super().__init__(self.raw_bytes, encoding=encoding, newline="")

    def isatty(self) -> bool:
        return self._terminal

    @property
    def text(self) -> str:
        """All that was written."""
        self.flush()
        return self.raw_bytes.getvalue().decode(self.encoding)


def on_screen(written: str, width: int | None = None) -> list[str]:
    """The lines that a terminal shows.

    Fails on any control but a line feed, colours, and the taking back of the line that the cursor is in; and, given a width, on a
    line that is so long that a terminal would break it by itself.
    """
    lines = [""]
    for part in re.split(r"(\r\x1b\[2K|\n)", _SGR.sub("", written)):
        if part == "\n":
            lines.append("")
        elif part == "\r\x1b[2K":
            lines[-1] = ""
        else:
            assert part.isprintable(), f"a control character reached the terminal: {part!r}"
            lines[-1] += part
            assert width is None or _FOR_COPYING.match(lines[-1]) or cell_len(lines[-1].rstrip(" ")) <= width, (
                f"wider than {width} cells: {lines[-1]!r}"
            )
    return lines
