"""Printing styled lines: the few shapes of line that the table is made of.

Takes text that is safe to show; breaks it by cells; never lets rich interpret, wrap, crop or highlight it.
"""

from __future__ import annotations

from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from agentgate.output.columns import hang, pad, wrap, wrap_list
from agentgate.output.sink import Sink

Piece = tuple[str, str]
"""A text and its style."""

_SET_IN = 6
"""Cells by which what follows the first line of a paragraph is set in, so that no line of it can pass for a row."""


class Paper:
    """A console to print lines on, through a sink that survives whoever stops reading."""

    def __init__(self, console: Console, sink: Sink, width: int) -> None:
        """Takes the width of a line in cells."""
        self._console = console
        self._sink = sink
        self.width = width

    def line(self, *pieces: Piece) -> None:
        """Prints pieces side by side, as one line however long it is."""
        text = Text.assemble(*((piece, style) for piece, style in pieces if piece), no_wrap=True, overflow="ignore", end="\n")
        with self._console.capture() as captured:
            self._console.print(text, soft_wrap=True, markup=False, emoji=False, highlight=False)
        self._sink.write(captured.get())

    def paragraph(self, text: str, style: str = "") -> None:
        """Prints a text at the left edge, broken where it is longer than a line."""
        first, *rest = wrap(text, self.width)
        self.line((first, style))
        for line in wrap("".join(rest), self.width - _SET_IN) if rest else ():
            self.line((" " * _SET_IN + line, style))

    def inset(self, indent: int, text: str, style: str = "") -> None:
        """Prints a text with all of its lines set in, the first one less than the others."""
        for line in hang(text, self.width - indent):
            self.line((" " * indent, ""), (line, style))

    def listing(self, parts: list[str], separator: str, style: str = "", *, first_indent: int = 0) -> None:
        """Prints parts side by side, broken between them."""
        whole = separator.join(parts)
        lines = [whole] if cell_len(whole) <= self.width - first_indent else wrap_list(parts, separator, self.width - _SET_IN)
        for index, line in enumerate(lines):
            self.line((" " * (_SET_IN if index else first_indent), ""), (line, style))

    def quoted(self, bar: str, lines: list[str]) -> None:
        """Prints somebody else's lines, each behind a bar."""
        for whole in lines:
            for line in wrap(whole, self.width - cell_len(bar)):
                self.line((bar, "dim"), (line, ""))

    def columns(self, lead: list[Piece], middle: list[Piece], width: int, right: list[Piece]) -> None:
        """Prints two columns of lines side by side, the first one after `lead`, the others under each other.

        Args:
            lead: what stands to the left of the first line, padded already.
            middle: lines of the first column.
            width: cells from the start of the first column to that of the second.
            right: lines of the second column.
        """
        indent = sum(cell_len(text) for text, _ in lead)
        for (text, style), (beside, beside_style) in zip_longest(middle, right, fillvalue=("", "")):
            self.line(*lead, (pad(text, width) if beside else text, style), (beside, beside_style))
            lead = [(" " * indent, "")]
