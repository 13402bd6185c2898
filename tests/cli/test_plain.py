"""Plain command lines are read as typer reads them, and everything else is left to it."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from agentgate.cli.command_line import command_line
from agentgate.cli.plain import COMMANDS, Plain, parameters, plain_command

OPTIONS = sorted({option for plain in COMMANDS.values() for option in (*plain.texts, *plain.lists, *plain.switches)})
OTHERS = ["--format", "-f", "--jobs", "--help", "-h", "--", "-", "--policy=a", "-pa", "--strict=1", "--no-strict", "-x", "--compare", ""]
LINES = st.lists(st.sampled_from([*OPTIONS, *OTHERS, "a.yaml", "b.jsonl", "json", "1", "ß"]), max_size=8)


def typers(name: str, line: list[str]) -> dict[str, object]:
    """What typer makes of the line, lists as lists."""
    group = typer.main.get_command(command_line(name))
    command = group.commands[name]  # type: ignore[attr-defined]
    read = command.make_context(name, list(line), resilient_parsing=False).params
    return {key: list(value) if isinstance(value, tuple) else value for key, value in read.items()}


@pytest.mark.parametrize("name", COMMANDS)
@given(line=LINES)
def test_as_typer_reads_it(name: str, line: list[str]) -> None:
    """Whatever is read here, typer reads alike; what is not given here has typer's default in both."""
    read = parameters(COMMANDS[name], line)
    if read is None:
        return
    expected = typers(name, line)
    defaults = typers(name, ["word"])
    assert read == {key: expected[key] for key in read}
    assert {key: value for key, value in expected.items() if key not in read} == {
        key: value for key, value in defaults.items() if key not in read
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_defaults(name: str) -> None:
    """What does the work has the defaults of the command line."""
    plain = COMMANDS[name]
    module, function = plain.does.split(":")
    taken = inspect.signature(getattr(import_module(module), function)).parameters
    defaults = typers(name, ["word"])
    given_always = {plain.words, *plain.lists.values()}
    assert taken.keys() == defaults.keys()
    assert {key: item.default for key, item in taken.items() if key not in given_always} == {
        key: value for key, value in defaults.items() if key not in given_always
    }


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (["a.yaml"], {"files": ["a.yaml"]}),
        (["--strict", "a.yaml", "-", "--task", "t.yaml"], {"files": ["a.yaml", "-"], "strict": True, "task": "t.yaml"}),
        ([], None),
        (["--strict"], None),
        (["a.yaml", "--strict", "--strict"], None),
        (["a.yaml", "--task"], None),
        (["a.yaml", "--task", "--strict"], None),
        (["a.yaml", "--task", "-"], None),
        (["a.yaml", "--help"], None),
        (["--", "a.yaml"], None),
        (["a.yaml", "--stric"], None),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_what_is_plain(line: list[str], read: dict[str, object] | None) -> None:
    """Words, options with a text, and switches, each given once."""
    assert parameters(COMMANDS["check"], line) == read


def test_variables_are_left_to_typer() -> None:
    """Where a variable stands in for an option, typer reads the line."""
    line = ["replay", "a.jsonl", "--policy", "p.yaml"]
    assert plain_command(line, environ={}) is not None
    assert plain_command(line, environ={"AGENTGATE_POLICY": "q.yaml"}) is None


def test_other_commands_are_left_to_typer() -> None:
    """No command, an unknown one, and those that are not in the list."""
    for line in ([], ["--version"], ["run", "task.yaml"], ["chek", "a.yaml"]):
        assert plain_command(line, environ={}) is None


def test_lists() -> None:
    """An option that may come several times keeps the order, and is there even if it was not given."""
    plain = Plain("module:function", "words", lists={"--policy": "policy", "-p": "policy", "--against": "against"})
    assert parameters(plain, ["x", "-p", "b", "--policy", "a"]) == {"words": ["x"], "policy": ["b", "a"], "against": []}
