"""Explanations and replays on the screen: no line is wider than it, nothing that a model said reaches it as it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentgate.core.events import RunStarted, ToolCall
from agentgate.explain import explain_call
from agentgate.output.explanation import ExplanationText
from agentgate.output.replay_table import ReplayTable
from agentgate.replay import Replay, Tally
from tests.core.building import policy, rule
from tests.output.terminal import on_screen
from tests.replay.writing import assistant, call, chat, decided, judge, native, read, started

WIDE = policy(
    rule("allow", "db", id="a-rule-whose-id-is-rather-long-for-a-column", when={"query": {"search": "x" * 60}}),
    rule("block", "db", id="b", when={"*": {"search": "(?i)drop"}}),
    *(rule("ask", f"tool_{number}", id=f"rule-number-{number}") for number in range(30)),
)
HOSTILE: list[tuple[Any, Any]] = [
    ("db", json.dumps({"query": "DROP " + "y" * 300, "other": "z" * 300})),
    ("db", json.dumps({"\x1b[2J": "\x1b]0;x\x07 drop", "query": "a\nb\u202ec" * 30})),
    ("db", '{"query": "\\ud800 drop'),
    ("\x1b[31mdb\n", "\r\r"),
    ("d" * 500, None),
    ({"a": ["\x07" * 50]}, [1, 2]),
    (None, {"x": "[link=evil]:bomb:[/]"}),
]


@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("width", [40, 79, 160])
@pytest.mark.parametrize(("name", "arguments"), HOSTILE, ids=range(len(HOSTILE)))
def test_an_explanation_fits(name: Any, arguments: Any, width: int, ascii: bool) -> None:
    """On a screen of any width, in any encoding."""
    explanation = explain_call(WIDE, ToolCall("c", name, arguments), RunStarted(run_id="x"))
    lines = list(ExplanationText(explanation, width=width, ascii=ascii).lines())
    assert on_screen("\n".join(lines), width) == lines
    assert not ascii or "".join(lines).isascii()


@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("width", [40, 79, 160])
def test_a_replay_fits(width: int, ascii: bool) -> None:
    """The same for the table of a replay, with every hostile call in it, in a transcript with a hostile id."""
    calls = [call(str(number), name, arguments) for number, (name, arguments) in enumerate(HOSTILE)]
    data = chat("hi", assistant(*calls), id="\x1b[2J\n" * 20)
    replay, tally = Replay(WIDE, policy(default="allow")), Tally()
    for found in read(data):
        for _ in tally.run(replay.judge(found)):  # type: ignore[arg-type]
            pass
    lines = list(ReplayTable(tally, replay, width=width, ascii=ascii).lines(0.1))
    assert on_screen("\n".join(lines), width) == lines
    assert not ascii or "".join(lines).isascii()
    assert any("NEWLY BLOCKED" in line for line in lines)
    assert any("Rules that decided nothing" in line for line in lines)


def test_a_hundred_rules_about_one_tool() -> None:
    """Those that match come first, and what is left out is said."""
    wanted = policy(
        *(rule("allow", "db", id=f"r{number}", when={"a": number}) for number in range(100)), rule("allow", "db", id="z", when={"a": "x"})
    )
    explanation = explain_call(wanted, ToolCall("c", "db", '{"a": "x"}'), RunStarted(run_id="x"))
    lines = list(ExplanationText(explanation).lines())
    assert lines[3] == "rules that name db"
    assert lines[4].startswith("  ✓ z ")
    assert "  and 61 more rules; `--format json` has all of them" in lines


def test_made_up_names_do_not_grow_the_tally() -> None:
    """A model can call any number of tools; what is remembered is bounded, and every flip is counted."""
    replay, tally = Replay(policy(), policy(default="allow")), Tally()
    for found in read(chat("hi", assistant(*(call(str(number), f"tool_{number}") for number in range(3000))))):
        for _ in tally.run(replay.judge(found)):  # type: ignore[arg-type]
            pass
    assert len(tally.groups) <= 1001
    assert sum(group.calls for group in tally.groups.values()) == tally.flips == 3000


def test_runs_are_counted_by_themselves() -> None:
    """Two runs with the same id are two runs."""
    replay, tally = Replay(policy()), Tally()
    for found in read(native(started(), decided("1", "read"), decided("2", "read"))) * 2:
        for _ in tally.run(replay.judge(found)):  # type: ignore[arg-type]
            pass
    (group,) = tally.groups.values()
    assert (group.calls, group.runs, tally.flipped_runs, tally.transcripts) == (4, 2, 2, 2)
    assert len(judge(replay, chat("x"))) == 0
