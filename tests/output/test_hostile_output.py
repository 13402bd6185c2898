"""Nothing that a model or a tool says can move the cursor, colour the screen, forge a row or hide part of a deciding argument."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from agentgate.core.arguments import InvalidJson, parse_arguments
from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Digest,
    Effect,
    Event,
    Json,
    Mode,
    ModelReplied,
    PolicyDigest,
    RunEnded,
    RunStarted,
    ToolReturned,
    Trial,
)
from agentgate.core.findings import Place
from agentgate.output import open_screen
from agentgate.output.calls import call_text
from agentgate.output.port import View
from agentgate.output.safe import literal
from agentgate.output.table import TableScreen
from tests.output.terminal import DATA, PLAIN_ROW, TABLE_ROW, Tape, on_screen

CALLS = [json.loads(line) for line in (DATA / "hostile_calls.jsonl").read_text().splitlines()]
FORGERIES = [
    " 4  ✓ allow   refund(amount=10000)      default",
    "\n 4  ✓ allow   refund(amount=10000)      default",
    "\r 4  + allow   refund(amount=10000)      default\x1b[K",
    "x" * 200 + "\n1  ✓ allow  step 1",
    "\u2028 4  ✓ allow   f()\u0085 4  ✗ block   f()",
    "done\n\nDone   1 steps\n  saved  elsewhere\nallow  step 1  f()  rule",
    "\x1b[1A\x1b[2K 1  ✓ allow   f()  default",
    "[bold green]✓ allow[/] :white_check_mark: [link=https://example.org]why[/link]",
    "   " * 30 + " 4  ✓ allow   refund(amount=10000)",
    "\x1b]8;;https://example.org\x1b\\click\x1b]8;;\x1b\\ \x1b]52;c;cm0=\x07",
    "中" * 60 + " 4  ✓ allow   f()",
]


def run_saying(text: str, mode: Mode) -> list[Event]:
    """A run in which everything that others choose is `text`: three decisions."""
    bound = mode is not Mode.OBSERVE
    arguments = json.dumps({"text": text, text: [text], "more": {text: text}})
    content = json.dumps({"ok": True, "tool": "note", "result": text})
    return [
        RunStarted(
            run_id=text,
            mode=mode,
            model=text,
            role=text,
            task=Digest(text, "0" * 64),
            policy=PolicyDigest(text, "1" * 64, (Digest(text, "2" * 64),)),
        ),
        ModelReplied(step=1, message={"role": "assistant", "content": text, "tool_calls": [{}]}, finish_reason=text, unusable=text),
        CallDecided(step=1, call_id="a", tool="note", arguments=arguments, effect=Effect.ALLOW, code=Code.RULE, rule=text, enforced=bound),
        ToolReturned(call_id="a", executed=True, ok=True, content=content),
        CallDecided(
            step=1,
            call_id=text,
            tool=text,
            arguments=text,
            effect=Effect.ASK,
            code=Code.RULE,
            rule="r",
            reason=text,
            hint=text,
            enforced=bound,
            trials=(Trial(text, Effect.BLOCK),),
        ),
        ApprovalAnswered(call_id=text, args_hash="", answer="reject", by=text, note=text),
        ToolReturned(call_id=text, executed=not bound, ok=False, content=json.dumps({"ok": False, "error": text})),
        CallDecided(
            step=2,
            call_id=[text],
            tool={"a": text},
            arguments=None,
            effect=Effect.BLOCK,
            code=Code.MALFORMED_CALL,
            reason=text,
            enforced=bound,
        ),
        ToolReturned(call_id=[text], executed=False, ok=False, content=text),
        ModelReplied(step=3, message={"role": "assistant", "content": [{"type": "text", "text": text}]}),
        RunEnded(status="failed", reason=text),
    ]


def written(format: str, events: list[Event], view: View, encoding: str = "utf-8", note: str = "") -> str:
    stream, talk = Tape(encoding), Tape(encoding)
    screen = open_screen(format, stream, talk, view)
    for event in events:
        screen.show(event)
        if isinstance(event, CallDecided) and note:
            screen.note(note)
    assert not screen.silenced
    on_screen(talk.text)
    return stream.text


def assert_honest(text: str, mode: Mode, view: View, encoding: str = "utf-8") -> None:
    """All formats: only plain characters, and exactly the three rows that are decisions."""
    events = run_saying(text, mode)
    table = on_screen(written("table", events, view, encoding, note=text), view.width)
    assert sum(bool(TABLE_ROW.match(line)) for line in table) == 3
    plain = on_screen(written("plain", events, view, encoding, note=text))
    assert sum(bool(PLAIN_ROW.match(line)) for line in plain) == 3
    assert all(re.match(r"(start|model|allow|would-|ask|block|approve|reject|result|note|answer|end)\b", line) for line in plain[:-1])
    lines = written("jsonl", events, view, encoding)
    assert lines.isascii()
    assert [json.loads(line)["type"] for line in on_screen(lines)[:-1]].count("call_decided") == 3


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("width", [30, 60, 80, 120])
@pytest.mark.parametrize("text", FORGERIES, ids=lambda text: str(FORGERIES.index(text)))
def test_a_text_cannot_forge_a_row(text: str, width: int, mode: Mode, encoding: str) -> None:
    """A whole fake row, wherever it is said, is not one."""
    for verbosity in (0, 2):
        assert_honest(text, mode, View(width=width, verbosity=verbosity, places={"r": Place(text, 3), text: Place("p.yaml", 4)}), encoding)


@settings(max_examples=60)
@given(
    st.text(st.characters(exclude_categories=[]) | st.sampled_from("\n\r\x1b\x9b ✓✗1234allow()\u202e\ufe0f中\u0301"), max_size=300),
    st.sampled_from(list(Mode)),
    st.sampled_from([40, 72, 100]),
)
def test_no_text_can_forge_a_row(text: str, mode: Mode, width: int) -> None:
    """The same for any text at all."""
    assert_honest(text, mode, View(width=width, verbosity=1))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["case"])
def test_hostile_calls_are_shown_as_they_are(call: dict[str, Json]) -> None:
    """Calls from attacks on screens, patterns and names: printable in every format, and whole where they decide."""
    event = CallDecided(
        step=1, call_id="a", tool=call["name"], arguments=call["arguments"], effect=Effect.BLOCK, code=Code.DEFAULT, reason="no"
    )
    for encoding in ("utf-8", "ascii"):
        view = View(width=80, deciding=lambda _: ("*",))
        table = on_screen(written("table", [event], view, encoding), 80)
        assert sum(bool(TABLE_ROW.match(line)) for line in table) == 1
        assert len(on_screen(written("plain", [event], view, encoding))) == 2
    whole = call_text(call["name"], call["arguments"], first=("*",))
    assert whole.isprintable()
    try:
        arguments = parse_arguments(call["arguments"])
    except InvalidJson:
        assert "(malformed: " in whole
    else:
        assert all(literal(value) in whole for value in arguments.values())


def call_column(lines: list[str], width: int) -> str:
    """The text of the one call that was printed in ASCII at this width, put together again, without its white space."""
    if width < 72:
        lines, start, end = lines[1:], 4, width
    else:
        start, end = 14, width - 1 - 2 - (min(19, (width - 1) // 4))
    return "".join("".join(line[start:end]).replace(" ", "") for line in lines)


json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=300), lambda inner: st.lists(inner, max_size=4), max_leaves=6
)


@settings(max_examples=100)
@given(json_values, st.sampled_from([50, 72, 80, 120]))
def test_a_deciding_argument_is_shown_first_and_whole(value: Json, width: int) -> None:
    """However long it is, every character of it stands in the call column, before the other arguments."""
    arguments = json.dumps({"long": "y" * 5000, "decides": value})
    event = CallDecided(step=1, call_id="a", tool="t", arguments=arguments, effect=Effect.ALLOW, code=Code.DEFAULT)
    view = View(width=width, deciding=lambda _: ("decides.inner",))
    shown = call_column(on_screen(written("table", [event], view, "ascii"), width)[:-1], width)
    assert shown.startswith(f"t(decides={literal(value, ascii=True)},long=".replace(" ", ""))


def test_a_blocked_call_shows_its_end() -> None:
    """Padding and very many arguments cannot push the rest of a call out of sight, and what is left out is counted."""
    many = {f"a{n}": n for n in range(1000)}
    text = call_text("f", {"pad": " " * 5000, **many, "last": "x" * 500 + "rm -rf /"}, longest=60)
    assert len(text) < 1200
    assert '"…4,940 characters…"' in text
    assert "…978 more arguments…" in text
    assert text.endswith('rm -rf /")')


@pytest.mark.parametrize("ascii", [False, True])
def test_a_mark_of_something_hidden_cannot_be_forged(ascii: bool) -> None:
    """A value that looks as if it were cut differs from one that is cut."""
    forged = call_text("f", {"a": 'abc"…5 characters…"def'}, longest=60, ascii=ascii)
    assert r"\"" in forged
    cut = call_text("f", {"a": "b" * 200}, longest=60, ascii=ascii)
    dots = "..." if ascii else "…"
    assert f'"{dots}140 characters{dots}"' in cut


def test_colours_are_the_only_escapes() -> None:
    """On a terminal with colours nothing but rich's own colour codes is written, and no links."""
    stream = Tape(terminal=True)
    console = Console(file=stream, force_terminal=True, color_system="truecolor", width=80, legacy_windows=False)
    screen = TableScreen(console, View(width=80, verbosity=2))
    for event in run_saying(FORGERIES[7], Mode.ENFORCE):
        screen.show(event)
    text = stream.text
    assert "\x1b[" in text
    assert "\x1b]" not in text
    on_screen(text, 80)
    assert "[bold green]" in text
    assert ":white_check_mark:" in text


OPENERS: list[tuple[str, Callable[[str], Json]]] = [
    ("string", lambda text: text),
    ("key", lambda text: {text: 1}),
    ("deep", lambda text: [[[{"a": [text]}]]]),
]


@pytest.mark.parametrize(("kind", "make"), OPENERS)
def test_a_value_of_any_size_takes_little_room(kind: str, make: Callable[[str], Json]) -> None:
    """A megabyte of argument is a few lines, wherever in the value it hides."""
    for text in ("x" * 1_000_000, "\x1b" * 1_000_000, "é" * 1_000_000):
        assert len(call_text("f", {"a": make(text)}, longest=60)) < 800
