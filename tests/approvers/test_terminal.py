"""Asking a person: only a clear yes, typed after the question, is one; and no call can hide what is asked."""

from __future__ import annotations

import errno
import os
import pty
import select
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from agentgate.approvers.port import Answer, Question
from agentgate.approvers.terminal import TerminalApprover
from agentgate.core.events import Code, Decision, Effect, Json, Scope, ToolCall

QUESTION = b"no, and stop the run\r\n  > "
CALL = ToolCall("call_1", "refund", '{"order_id": "A-1007", "amount": 249.0}')
ASK = Decision(Effect.ASK, Code.RULE, "refunds-big", "amount 249.0 is above 100", arguments={"order_id": "A-1007", "amount": 249.0})


class Person:
    """Sits at the other end of a terminal."""

    def __init__(self) -> None:
        self.seen = b""
        self._keyboard, self.terminal = pty.openpty()
        self._open = True

    def approver(self, seconds: float = 60.0) -> TerminalApprover:
        return TerminalApprover(open_terminal=lambda: os.dup(self.terminal), seconds=seconds)

    def reads_until(self, text: bytes) -> None:
        """Waits for something to appear."""
        while text not in self.seen:
            assert select.select([self._keyboard], [], [], 30)[0], self.seen
            self.seen += os.read(self._keyboard, 65536)

    def types(self, keys: bytes) -> None:
        os.write(self._keyboard, keys)

    def leaves(self) -> None:
        """Closes the window."""
        if self._open:
            self._open = False
            os.close(self._keyboard)


@pytest.fixture
def person() -> Iterator[Person]:
    somebody = Person()
    yield somebody
    somebody.leaves()
    os.close(somebody.terminal)


class Asking:
    """A question that is asked in a thread of its own, as the loop does it."""

    def __init__(self, approver: TerminalApprover, call: ToolCall = CALL, decision: Decision = ASK, *, may_have_run: bool = False) -> None:
        self._answers: list[Answer] = []
        self._thread = threading.Thread(
            target=lambda: self._answers.append(approver.ask(Question(call, decision, "", may_have_run))), daemon=True
        )
        self._thread.start()

    def answer(self) -> Answer:
        self._thread.join(30)
        (answer,) = self._answers
        return answer


def answered(person: Person, *keys: bytes) -> Answer:
    """What comes of typing this after the question is there."""
    asking = Asking(person.approver())
    person.reads_until(QUESTION)
    for some in keys:
        person.types(some)
    return asking.answer()


@pytest.mark.parametrize("keys", [b"y\n", b"Y\n", b"yes\n", b"  yes \n", b"YES\r", b"no\x15y\n", b"yx\x7f\n"])
def test_a_clear_yes(person: Person, keys: bytes) -> None:
    """In any letter case, and after corrections on the line."""
    assert answered(person, keys) == Answer(approved=True, by="terminal")


@pytest.mark.parametrize(
    "keys",
    [
        b"\n", b"n\n", b"no\n", b"yy\n", b"yes!\n", b"y y\n", b"ja\n", b"1\n", b"ok\n", b"true\n", b"\xff\xfe\n", b"y\x00\n", b"\x1b[Ay\n",
        "ｙ\n".encode(), "у\n".encode(), b"y" * 3000 + b"\n",
    ],
)  # fmt: skip
def test_anything_else_is_a_no(person: Person, keys: bytes) -> None:
    """Also what only looks like a yes, and what is no text."""
    assert answered(person, keys) == Answer(approved=False, by="terminal")


def test_x_stops_the_run(person: Person) -> None:
    """And is a no."""
    assert answered(person, b"x\n") == Answer(approved=False, by="terminal", stop=True)


def test_s_is_a_yes_for_the_rest_of_the_run(person: Person) -> None:
    """For exactly this call."""
    assert answered(person, b"s\n") == Answer(approved=True, by="terminal", scope=Scope.RUN)
    assert b"s  yes, for the rest of this run, with exactly these arguments" in person.seen


@pytest.mark.parametrize(
    ("keys", "note"),
    [(b"wrong order\n", "wrong order"), (b"  \n", None), (b"\n", None), (b"y\n", "y"), (b"a\x07b\xff\n", "ab\ufffd"), (b"\x04", None)],
)
def test_r_is_a_no_with_a_reason(person: Person, keys: bytes, note: str | None) -> None:
    """A line for the model, of what can be printed; without one it is a no all the same."""
    asking = Asking(person.approver())
    person.reads_until(QUESTION)
    person.types(b"r\n")
    person.reads_until(b"Reason for the model: ")
    person.types(keys)
    assert asking.answer() == Answer(approved=False, by="terminal", note=note)


def test_a_long_reason_is_cut(person: Person) -> None:
    """At 500 characters."""
    asking = Asking(person.approver())
    person.reads_until(QUESTION)
    person.types(b"r\n")
    person.reads_until(b"Reason for the model: ")
    person.types(b"x" * 900 + b"\n")
    assert asking.answer().note == "x" * 500


def test_a_call_that_may_have_run_is_another_question(person: Person) -> None:
    """It says so, and cannot be answered for the rest of the run."""
    asking = Asking(person.approver(), may_have_run=True)
    person.reads_until(QUESTION)
    assert b"was let through before the run broke off, and may have run" in person.seen
    assert b"Run this call, perhaps for the second time?" in person.seen
    assert b"for the rest of this run" not in person.seen
    person.types(b"s\n")
    assert asking.answer() == Answer(approved=False, by="terminal")


def test_the_end_of_input_is_a_no(person: Person) -> None:
    """Ctrl-D."""
    answer = answered(person, b"\x04")
    assert (answer.approved, answer.unavailable, answer.note) == (False, True, "the terminal was closed")


def test_a_word_that_is_not_finished_is_a_no(person: Person) -> None:
    """`y` and Ctrl-D twice, without Return."""
    assert answered(person, b"y\x04", b"\x04").unavailable


def test_a_terminal_that_goes_away_is_a_no(person: Person) -> None:
    """The window was closed."""
    asking = Asking(person.approver())
    person.reads_until(QUESTION)
    person.leaves()
    answer = asking.answer()
    assert (answer.approved, answer.unavailable) == (False, True)


def test_no_answer_in_time_is_a_no(person: Person) -> None:
    """Whatever is typed later."""
    answer = person.approver(seconds=0).ask(Question(CALL, ASK, ""))
    assert answer == Answer(approved=False, by="nobody", note="no answer in time", unavailable=True)


def test_a_question_can_be_cut_short(person: Person) -> None:
    """Ctrl-C while it waits."""
    approver = person.approver()
    asking = Asking(approver)
    person.reads_until(QUESTION)
    approver.close()
    os.write(person.terminal, b"what is shown next\n")
    assert asking.answer() == Answer(approved=False, by="nobody", note="interrupted", unavailable=True)
    person.reads_until(b"next\r\n")
    assert person.seen.endswith(b"  > \r\nwhat is shown next\r\n"), "it has a line of its own"


@pytest.mark.parametrize("ahead", [b"y\n", b"y\ny\nyes\n", b"y", b"yes"])
def test_what_was_typed_ahead_is_no_answer(person: Person, ahead: bytes) -> None:
    """Neither whole lines nor the beginning of one: only Return, after the question, says nothing and so no."""
    person.types(ahead)
    person.reads_until(ahead.split()[-1])  # the echo: it has arrived
    person.seen = b""
    asking = Asking(person.approver())
    person.reads_until(QUESTION)
    person.types(b"\n")
    assert asking.answer() == Answer(approved=False, by="terminal")


@pytest.mark.parametrize("failure", [errno.ENXIO, errno.EACCES, errno.ENOENT, errno.EMFILE])
def test_without_a_terminal_nobody_is_asked(failure: int) -> None:
    """A no, that says so."""

    def opening() -> int:
        raise OSError(failure, os.strerror(failure))

    answer = TerminalApprover(open_terminal=opening).ask(Question(CALL, ASK, ""))
    assert answer == Answer(approved=False, by="nobody", note="there is no terminal to ask on", unavailable=True)


def test_a_pipe_cannot_answer() -> None:
    """Only a terminal can: what was written into a pipe may come from anybody."""
    ours, theirs = os.pipe()
    os.write(theirs, b"y\n")
    try:
        answer = TerminalApprover(open_terminal=lambda: os.dup(ours), seconds=60).ask(Question(CALL, ASK, ""))
    finally:
        os.close(ours)
        os.close(theirs)
    assert (answer.approved, answer.unavailable) == (False, True)


def test_every_question_gives_its_terminal_back(person: Person) -> None:
    """Nothing stays open, however it ends."""
    opened: list[int] = []

    def opening() -> int:
        opened.append(os.dup(person.terminal))
        return opened[-1]

    TerminalApprover(open_terminal=opening, seconds=0).ask(Question(CALL, ASK, ""))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_the_whole_call_is_shown(person: Person) -> None:
    """The call with all its arguments, the reason, the rule, and last of all the question."""
    long = {"path": "/srv/" + "x" * 5000 + "/end", **{f"key_{number}": number for number in range(100)}}
    call = ToolCall("call_1", "remove", "")
    asking = Asking(person.approver(), call, Decision(Effect.ASK, Code.RULE, "ask-remove", "careful", arguments=long))
    person.reads_until(QUESTION)
    person.types(b"n\n")
    asking.answer()
    assert b"x" * 5000 + b"/end" in person.seen
    assert all(f"key_{number}={number}".encode() in person.seen for number in range(100))
    assert b"careful (ask-remove)" in person.seen
    assert person.seen.index(b"careful") < person.seen.index(b"Approve this call?   (no answer in 1:00 = no)")


def test_the_question_fits_into_a_narrow_terminal(person: Person) -> None:
    """No line of it is broken at 66 columns, which would tear a letter from what it means."""
    asking = Asking(person.approver())
    person.reads_until(QUESTION)
    person.types(b"n\n")
    asking.answer()
    question = person.seen.decode().partition("  Approve this call?")[2].split("\r\n")
    assert [line.split()[0] for line in question[1:6]] == ["y", "s", "n", "r", "x"]
    assert max(map(len, question)) <= 66


HOSTILE: list[Json] = [
    "\x1b[2J\x1b[H\x1b[8m", "\r\x1b[A\x1b[K", "\x1b]52;c;eQo=\x07", "\x9b2J",
    "a\nstop the run\r\n  > y\n", "\x08" * 80, "\x1bc", "\u202egnihton\u2066",
    {"\x1b[2J": ["\x00\x07\x0b\x0c", {"\r\n": "\u2028\u2029\x85"}]}, "\x1b[?1049h", "\x1bP$q\x1b\\", "\u200b\u2060\ufeff",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_call_can_hide_the_question(person: Person, text: Json) -> None:
    """Nothing in it moves the cursor, changes colours, or begins a line of its own."""
    call = ToolCall("call_1", "write", "")
    decision = Decision(Effect.ASK, Code.RULE, None, f"about {text}", arguments={"text": text, str(text): 1})
    asking = Asking(person.approver(), call, decision)
    person.reads_until(QUESTION)
    shown = person.seen.decode()
    person.types(b"n\n")
    asking.answer()
    assert all(character.isprintable() or character in "\r\n" for character in shown)
    assert "\r" not in shown.replace("\r\n", "")
    lines = shown.split("\r\n")
    assert len(lines) == 11
    assert lines[1].startswith("  write(")
    assert lines[2].startswith("  about ")
    assert lines[4].startswith("  Approve this call?")


def test_a_terminal_in_another_mode_is_understood(person: Person) -> None:
    """One that gives every key at once, and Return as it is."""
    mode = termios.tcgetattr(person.terminal)
    mode[0] &= ~termios.ICRNL
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(person.terminal, termios.TCSANOW, mode)
    assert answered(person, b"y", b"e", b"s", b"\r").approved


def test_a_line_without_end_is_a_no(person: Person) -> None:
    """Nobody types that."""
    mode = termios.tcgetattr(person.terminal)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(person.terminal, termios.TCSANOW, mode)
    asking = Asking(person.approver())
    person.reads_until(QUESTION)
    with suppress(OSError):
        person.types(b"y" + b" " * 2000)
        person.types(b" " * 2000)
        person.types(b" " * 2000)
    assert asking.answer() == Answer(approved=False, by="terminal")
