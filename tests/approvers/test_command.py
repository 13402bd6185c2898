"""Programs that approve: asked on standard input, answered on standard output, killed with all that they started."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from agentgate.approvers import open_approver
from agentgate.approvers.command import CommandLine
from agentgate.approvers.remote import Failed
from agentgate.errors import UsageError
from tests.approvers.asking import ABOUT, QUESTION

YES = """
import json, sys
asked = json.load(sys.stdin)
said = {name: asked[name] for name in ("run_id", "call_id", "args_hash", "nonce")}
print(json.dumps({**said, "answer": "approve" if asked["arguments"]["amount"] < 1000 else "reject", "by": "script"}))
"""


def line(program: str, **environ: str) -> CommandLine:
    return CommandLine([sys.executable, "-c", program], environ)


def test_a_program_answers(tmp_path: Path) -> None:
    """From the question alone."""
    script = tmp_path / "my approver.py"
    script.write_text(YES)
    name = f"command:{sys.executable} '{script}'"
    answer = open_approver(name, ABOUT, secret=None, seconds=60, environ={}).ask(QUESTION)
    assert (answer.approved, answer.by) == (True, f"script (command:{sys.executable})")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise SystemExit(1)", "exit code 1"),
        (f"{YES}\nraise SystemExit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "exit code -15"),
        ("import sys; sys.stdout.write('x' * 100_000)", "longer than 65536 bytes"),
        ("", "not strict JSON"),
        ("print('yes')", "not strict JSON"),
    ],
)
def test_what_goes_wrong_is_a_no(program: str, why: str) -> None:
    """With its cause."""
    from agentgate.approvers.remote import RemoteApprover

    answer = RemoteApprover(line(program), "x", ABOUT, seconds=60).ask(QUESTION)
    assert not answer.approved
    assert answer.unavailable
    assert why in str(answer.note)


def test_a_program_that_is_not_there() -> None:
    """Or is none."""
    for words in (["./no-such-program"], ["/"], ["a\0b"]):
        with pytest.raises(Failed, match="cannot be started"):
            CommandLine(words, {}).exchange(b"{}", 60)


def test_the_environment_is_what_it_is_given() -> None:
    """And nothing of this process's."""
    said = line("import os; print(sorted(name for name in os.environ if name != 'LC_CTYPE'))", GIVEN="1").exchange(b"", 60)
    assert said == b"['GIVEN']\n"


def test_a_program_that_does_not_read() -> None:
    """A long question does not keep it from answering."""
    assert line("print('said')").exchange(b"x" * 1_000_000, 60) == b"said\n"


def test_no_answer_in_time() -> None:
    """It is not waited for."""
    with pytest.raises(Failed, match="no answer in time"):
        line("import signal; signal.pause()").exchange(b"", 0.2)


def test_a_question_can_be_cut_short(tmp_path: Path) -> None:
    """Ctrl-C while the program thinks about it: it is killed with all that it started."""
    os.mkfifo(tmp_path / "up")
    program = (
        f"import signal, subprocess, sys; up = open({str(tmp_path / 'up')!r}, 'w'); pause = 'import signal; signal.pause()'\n"
        "subprocess.Popen([sys.executable, '-c', pause], pass_fds=[up.fileno()], start_new_session=False)\n"
        "up.write('up'); up.flush(); signal.pause()"
    )
    thinking = line(program)
    failures: list[str] = []

    def asking() -> None:
        try:
            thinking.exchange(b"", 600)
        except Failed as failure:
            failures.append(str(failure))

    thread = threading.Thread(target=asking)
    thread.start()
    with (tmp_path / "up").open() as up:
        assert up.read(2) == "up"
        thinking.close()
        assert up.read() == ""  # ends when nobody has the other end any more
    thread.join(30)
    assert failures == ["interrupted"]


@pytest.mark.parametrize(
    "name", ["", "./script", "command:", "command:  ", "command:'", "ftp://x", "prompt", "HTTP://x", "command:./no-such-program"]
)
def test_names_of_no_approver(name: str) -> None:
    """They are refused before anything starts."""
    with pytest.raises(UsageError):
        open_approver(name, ABOUT, secret=None, seconds=60, environ={})


def test_a_signed_question_can_be_checked(tmp_path: Path) -> None:
    """By a program in a few lines, as the documentation shows."""
    documented = (Path(__file__).parents[2] / "tasks" / "README.md").read_text()
    program = documented.partition("```python\n")[2].partition("```")[0]
    script = tmp_path / "approve.py"
    script.write_text(program)
    name = f"command:{sys.executable} {script}"
    environ = {"APPROVER_SECRET": "shared"}
    asked = open_approver(name, ABOUT, secret=b"shared", seconds=60, environ=environ).ask(QUESTION)
    assert (asked.approved, asked.note) == (True, None)
    wrong = open_approver(name, ABOUT, secret=b"another", seconds=60, environ=environ).ask(QUESTION)
    assert not wrong.approved
    assert json.dumps(wrong.note) == '"the approver ended with exit code 1"'
