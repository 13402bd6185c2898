"""The list of runs fits the screen that there is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from agentgate.files.history import Run, Tally
from agentgate.history import sums
from agentgate.output.history_list import HistoryTable, Listing

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNS = [
    Run(
        run_id=f"run{number:05}",
        line=1,
        status="interrupted",
        started=AT,
        task="a-task-with-a-rather-long-name",
        policy="a-policy-with-a-long-name",
        policy_sha256="ab" * 32,
        role="operator",
        cost_usd=123.45,
        input_tokens=1_234_567,
        tallies=(Tally("a_tool_with_a_name_that_takes_some_room_表", "a-rule-with-a-rather-long-id", "block", 12_345, 0),),
        file=f"runs/run{number:05}.jsonl",
    )
    for number in range(3)
]


def lines(width: int | None, *, ascii: bool = False) -> list[str]:
    return list(HistoryTable(Listing(RUNS, sums(RUNS), folder="runs"), width=width, ascii=ascii).lines())


@pytest.mark.parametrize("width", [24, 40, 71, 77, 78, 79, 90, 99, 120, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    """Columns give way, then whole columns, then the rows are stacked; the run, its status and what was blocked are always there."""
    shown = lines(width)
    too_wide = [line for line in shown if cell_len(line) > width]
    assert width < 62 or too_wide == []
    text = "\n".join(shown)
    assert text.count("run0000") == 3
    assert text.count("interrupted") >= 3
    assert "12,345" in text


def test_in_a_pipe_nothing_is_cut() -> None:
    """Without a width, names stand there as they are."""
    text = "\n".join(lines(None))
    assert "a-task-with-a-rather-long-name" in text
    assert "a-policy-with-a-long-name@abababa" in text
    assert "…" not in text


def test_ascii() -> None:
    """Nothing beyond ASCII where the stream cannot carry it."""
    assert "\n".join(lines(100, ascii=True)).isascii()
