"""What holds most calls of a tool that nothing holds in all of them: shell commands of a kind, queries, texts that the user had named."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from posixpath import splitext

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.conditions.command import Pattern, starts_another
from agentgate.core.conditions.seen_in import PROMPT
from agentgate.core.conditions.shell_words import words_of
from agentgate.core.conditions.test import InvalidOperand, Unjudgeable
from agentgate.core.policy import Condition
from agentgate.learning.arguments import Shape
from agentgate.learning.observing import Sample
from agentgate.learning.sources import MOSTLY, is_command
from agentgate.learning.statements import statement

_SUBCOMMAND = re.compile(r"[a-z][a-z-]*")
_CUT = re.compile(r".*[/_.=:-]", re.DOTALL)
"""As much of a word as other words can have in common: up to the end of one of its parts."""
_ENDING = re.compile(r"\.[A-Za-z0-9]+")
_NO_HOLD = re.compile(r"\.*/?[^/]*/?|/[^/]+/[^/]*|[A-Za-z][A-Za-z0-9+.-]*:/*[^/]*")
"""Beginnings that say too little of paths and addresses: a first folder from the root, a scheme, a part of a host."""
_SHORTEST = 3
_CLIMBING = r"\.\."


class Hold(Struct, frozen=True):
    """What most calls have in common in one argument."""

    argument: str
    shape: Shape
    covered: tuple[Sample, ...]
    """The calls that it holds."""
    unless: tuple[Condition, ...] = ()
    """What takes a call out again."""


def hold(samples: Sequence[Sample], shapes: Mapping[str, Shape], enough: int) -> Hold | None:
    """What holds calls of as many runs as make a habit; None where nothing does.

    Args:
        samples: the calls of a tool, or of one of its actions, for which a person would have to be asked.
        shapes: what is said about their arguments.
        enough: in so many runs something must have been seen.
    """
    free = [argument for argument, shape in sorted(shapes.items()) if not shape.steered]
    found = [kind(samples, argument, enough) for argument in free for kind in (_commands, _queries)]
    if all(shape.steered for shape in shapes.values()):
        found = [_named(samples, argument) for argument, shape in sorted(shapes.items()) if shape.prose]
        found += [_present(samples, argument, shape) for argument, shape in sorted(shapes.items())]
    held = [one for one in found if one is not None and len({sample.run for sample in one.covered}) >= enough]
    return max(held, key=lambda one: len(one.covered), default=None)


def _named(samples: Sequence[Sample], argument: str) -> Hold | None:
    """A text that the user had named in most calls."""
    covered = tuple(
        sample for sample in samples if sample.named(argument) and all(PROMPT in leaf.sources for leaf in sample.named(argument))
    )
    if len(covered) < MOSTLY * len(samples):
        return None
    return Hold(argument, Shape(Condition(argument, (("seen_in", PROMPT),)), "from the prompt"), covered)


def _present(samples: Sequence[Sample], argument: str, shape: Shape) -> Hold | None:
    """An argument that may be left out, and that anchors most calls because they have it."""
    if shape.condition is None or not shape.condition.optional:
        return None
    present = replace(shape, condition=replace(shape.condition, optional=False))
    covered = tuple(sample for sample in samples if any(leaf.value is not None for leaf in sample.named(argument)))
    return Hold(argument, present, covered) if present.anchored and len(covered) >= MOSTLY * len(samples) else None


def _commands(samples: Sequence[Sample], argument: str, enough: int) -> Hold | None:
    """Simple shell commands of the kinds that were usual."""
    if not is_command(samples[0].tool, argument):
        return None
    split: list[tuple[Sample, tuple[str, ...]]] = []
    for sample in samples:
        try:
            split += [(sample, words_of(leaf.value)) for leaf in sample.named(argument) if isinstance(leaf.value, str)]
        except Unjudgeable:
            continue
    texts = tuple(_patterns(split, enough))
    patterns = [Pattern(text) for text in texts]
    covered = tuple(sample for sample, command in split if any(pattern.covers(command) for pattern in patterns))
    if not covered:
        return None
    shape = Shape(Condition(argument, (("command", list(texts)),)), f"commands like {', '.join(f'`{text}`' for text in texts)}")
    return Hold(argument, shape, covered, (Condition(argument, (("search", _CLIMBING),)),))


def _queries(samples: Sequence[Sample], argument: str, enough: int) -> Hold | None:
    """Statements that only look, at the tables that were usual."""
    looking: list[tuple[Sample, frozenset[str]]] = []
    for sample in samples:
        said = [statement(leaf.value) for leaf in sample.named(argument) if isinstance(leaf.value, str)]
        looking += [(sample, one.tables) for one in said if one is not None and one.kinds == {"select"}]
    runs: dict[str, set[int]] = defaultdict(set)
    for sample, read in looking:
        for table in read:
            runs[table].add(sample.run)
    tables = sorted(table for table, seen in runs.items() if len(seen) >= enough)
    covered = tuple(sample for sample, read in looking if read <= set(tables))
    if not covered:
        return None
    shape = Shape(
        Condition(argument, (("sql", {"statements": ["select"], "tables": tables}),)), f"queries of {', '.join(tables) or 'no table'}"
    )
    return Hold(argument, shape, covered)


def _patterns(commands: Sequence[tuple[Sample, tuple[str, ...]]], enough: int) -> Iterator[str]:
    """A pattern for each kind of command that is a habit: one program, one subcommand, the same options in the same places."""
    kinds: dict[tuple[str, ...], list[tuple[Sample, tuple[str, ...]]]] = defaultdict(list)
    for sample, command in commands:
        fixed = (place == 0 or word.startswith("-") or (place == 1 and _SUBCOMMAND.fullmatch(word)) for place, word in enumerate(command))
        kinds[tuple(word if keep else "*" for word, keep in zip(command, fixed, strict=True))].append((sample, command))
    for kind in sorted(kinds):
        if len({sample.run for sample, _ in kinds[kind]}) < enough:
            continue
        alike = [command for _, command in kinds[kind]]
        columns = [_word(sorted(set(column))) for column in zip(*alike, strict=True)]
        if None in columns or (any("*" in str(word) for word in columns) and any(map(starts_another, alike))):
            continue
        text = " ".join(map(str, columns))
        try:
            covers = all(map(Pattern(text).covers, alike))
        except InvalidOperand:
            continue
        if covers:
            yield text


def _word(values: Sequence[str]) -> str | None:
    """One word of a pattern for these words; None where too little holds them together."""
    if len(values) == 1:
        return values[0]
    common = takewhile(lambda letters: len(set(letters)) == 1, zip(*values, strict=False))
    found = _CUT.match("".join(letters[0] for letters in common))
    if found is None or len(found[0]) < _SHORTEST or (_NO_HOLD.fullmatch(found[0]) and not _plain(found[0])):
        return None
    endings = {splitext(value)[1] for value in values}
    ending = next(iter(endings)) if len(endings) == 1 else ""
    return f"{found[0]}*{ending if _ENDING.fullmatch(ending) else ''}"


def _plain(beginning: str) -> bool:
    """Whether it is a folder below the one where the command runs, or the beginning of a name."""
    return beginning[0].isalnum() and ":" not in beginning
