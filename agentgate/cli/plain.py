"""Reads plain command lines without typer, whose import takes longer than most commands run.

Plain are words, options followed by a text, and switches, each written out and given once. Whatever is anything else is left to typer,
which also complains; what both understand, they understand alike.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Plain:
    """A command of which the commonest options can be read here."""

    __slots__ = ("does", "ends", "lists", "switches", "texts", "variables", "words")

    def __init__(
        self,
        does: str,
        words: str,
        *,
        texts: Mapping[str, str] = {},
        lists: Mapping[str, str] = {},
        switches: Mapping[str, str] = {},
        variables: Sequence[str] = (),
        ends: bool = False,
    ) -> None:
        """Says how.

        Args:
            does: the module that does it, and its function, which gives the exit code.
            words: the parameter for what stands there without an option, of which there must be something.
            texts: options that take a text → their parameters.
            lists: options that may come several times → their parameters, which are always given.
            switches: options that take nothing → their parameters.
            variables: variables that stand in for options; where one is set, typer reads it.
            ends: whether the process may end as soon as it is done, without taking apart what it holds.
        """
        self.does, self.words = does, words
        self.texts, self.lists, self.switches, self.variables = texts, lists, switches, variables
        self.ends = ends


COMMANDS = {
    "check": Plain(
        "agentgate.cli.checks:check_and_show",
        "files",
        texts={"--task": "task"},
        switches={"--strict": "strict", "--fix": "fix"},
        ends=True,
    ),
    "replay": Plain(
        "agentgate.cli.replays:replay_and_show",
        "transcripts",
        texts={"--role": "role", "--from": "form", "--to-test": "to_test", "--report": "report"},
        lists={"--policy": "policy", "-p": "policy", "--against": "against"},
        switches={"--fail-on-flip": "fail_on_flip"},
        variables=("AGENTGATE_POLICY",),
    ),
}


def plain_command(line: Sequence[str], *, environ: Mapping[str, str] | None = None) -> Callable[[], int] | None:
    """What does a command with all that its line gives; None where the line is not plain.

    Args:
        line: the command and what follows it.
        environ: the process's environment by default.
    """
    plain = COMMANDS.get(line[0]) if line else None
    if plain is None or any(name in (os.environ if environ is None else environ) for name in plain.variables):
        return None
    given = parameters(plain, line[1:])
    if given is None:
        return None
    module, name = plain.does.split(":")

    def do() -> int:
        code = int(getattr(import_module(module), name)(**given))
        if plain.ends:
            _end(code)
        return code

    return do


def _end(code: int) -> None:
    """Ends the process, once all that it said is written; where that fails, the interpreter is left to say so."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(code)


def parameters(plain: Plain, line: Sequence[str]) -> dict[str, str | bool | list[str]] | None:
    """Parameter → value; None where something is not plain."""
    words: list[str] = []
    given: dict[str, str | bool | list[str]] = {plain.words: words}
    lists: dict[str, list[str]] = {name: [] for name in plain.lists.values()}
    given.update(lists)
    rest = iter(line)
    for word in rest:
        if word == "-" or not word.startswith("-"):
            words.append(word)
            continue
        name = plain.switches.get(word) or plain.texts.get(word)
        if name is not None and name not in given:
            value = True if word in plain.switches else _text(next(rest, None))
        elif word in plain.lists:
            name, value = plain.lists[word], _text(next(rest, None))
            if value is not None:
                lists[name].append(value)
                continue
        else:
            return None
        if value is None:
            return None
        given[name] = value
    return given if words else None


def _text(value: str | None) -> str | None:
    """The value of an option, unless it looks like an option itself."""
    return None if value is None or value.startswith("-") else value
