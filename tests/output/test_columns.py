"""Lines are broken by cells, and nothing gets lost in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from agentgate.output.columns import HANG, fit, hang, pad, wrap, wrap_list
from agentgate.output.safe import safe

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("   ab中\u0303"), max_size=120).map(safe)


@given(texts, st.integers(2, 40))
def test_wrapped_lines_are_the_text_again(text: str, width: int) -> None:
    """Joined, the lines are the text; none is wider than allowed, apart from one space that may hang over."""
    lines = wrap(text, width)
    assert "".join(lines) == text
    assert all(cell_len(line) <= width or (line.endswith(" ") and cell_len(line) == width + 1) for line in lines)


@given(texts, st.integers(6, 40))
def test_further_lines_are_set_in(text: str, width: int) -> None:
    """All lines but the first begin with spaces of ours."""
    first, *rest = hang(text, width)
    assert all(line.startswith(" " * HANG) for line in rest)
    assert "".join([first, *(line[HANG:] for line in rest)]) == text


def test_words_stay_whole_where_they_can() -> None:
    """A line ends after a space; a word that is longer than a line is broken, and so is one that would leave half a line empty."""
    assert wrap("one two three", 8) == ["one two ", "three"]
    assert wrap("a bcdefghijklm", 8) == ["a bcdefg", "hijklm"]
    assert wrap("中中中", 4) == ["中中", "中"]


@given(texts, st.integers(5, 40), st.booleans())
def test_a_fitted_text_fits(text: str, width: int, ascii: bool) -> None:
    """What is too long is cut with an ellipsis at its end."""
    cut = fit(text, width, ascii=ascii)
    assert cell_len(cut) <= width
    assert cut == text or cut.endswith("..." if ascii else "…")


def test_parts_are_broken_between_parts() -> None:
    """A list goes on in the next line where a part does not fit any more."""
    assert wrap_list(["one", "two", "three"], ", ", 9) == ["one, two", "three"]
    assert pad("中", 4) == "中  "
    assert pad("long", 2) == "long"
