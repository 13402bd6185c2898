"""`seen_in`: the argument was said before, by the user or by one of some tools."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.conditions.fields import field_values, structure
from agentgate.core.conditions.occurrences import MAX_DIGITS, numbers_in, stands_in
from agentgate.core.conditions.test import InvalidOperand, Operator, Test, Unjudgeable, World, kind_of
from agentgate.core.events import Json
from agentgate.core.late import late
from agentgate.core.patterns import PatternSet, glob_pattern
from agentgate.core.policy import split_sources
from agentgate.core.state import State

PROMPT = "prompt"
MAX_LENGTH = 1000
"""Characters of a value; longer ones are texts, not values that somebody named."""
MIN_LENGTH = 3
"""Characters of a value that is not a number; shorter ones occur everywhere."""
_ADDRESS = late(r"(https?://)[A-Za-z0-9.-]+\.[A-Za-z]{2,}(/?|/[^\s]*)")
_PLAIN = late(r"[!#-&(-\[\]-~]+", re.ASCII)
"""What YAML has but one way to write: no space, at which lines are folded, no quotes, nothing that is escaped."""
_ESCAPES = (("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ('\\"', '"'), ("\\/", "/"), ("\\\\", "\\"))


@lru_cache(maxsize=64)
def texts_of(result: str) -> tuple[str, ...]:
    """What a tool's result says: every string and number in it where it is JSON, also JSON within a string; otherwise the text itself.

    The envelope in which results are given to the model is not part of what the tool said.
    """
    value = _json(result)
    if value is None:
        plain = result
        for escape, meant in _ESCAPES:
            plain = plain.replace(escape, meant)
        return (result,) if plain == result else (result, plain)
    if isinstance(value, Mapping) and "ok" in value and "result" in value:
        value = value["result"]
    return tuple(_leaves(value, nested=True))


@lru_cache(maxsize=64)
def _yaml_texts(result: str) -> tuple[str, ...]:
    """Every string in a result that is a YAML list or mapping, as it was before its lines were folded and its quotes were doubled."""
    value = structure(result) if _json(result) is None else None
    return tuple(_leaves(value, nested=False)) if isinstance(value, Mapping | list) else ()


def _json(text: str) -> Json:
    """The object or list that a text is; None for any other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return parse_json(text, limit=16 * 1024 * 1024)
    except InvalidJson:
        return None


def _leaves(value: Json, *, nested: bool) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            inner = _json(item) if nested else None
            if inner is None:
                yield item
            else:
                yield from _leaves(inner, nested=False)
        elif isinstance(item, Mapping):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
        elif item is not None and not isinstance(item, bool):
            yield format(Decimal(repr(item)), "f") if abs(item) < 10**MAX_DIGITS else ""


@lru_cache(maxsize=256)
def _numbers(text: str) -> frozenset[Decimal]:
    return frozenset(numbers_in(text))


class Sources:
    """Where to look: the prompt, and the results of tools by name and pattern, whole or under the name of a field."""

    __slots__ = ("_fields", "_prompt", "_whole")

    def __init__(self, written: Iterable[str]) -> None:
        named = split_sources(written)
        self._prompt = (PROMPT, "") in named
        self._whole = Selection(tool for tool, field in named if not field and tool != PROMPT)
        self._fields = {mark[1:]: Selection(tool for tool, other in named if other == mark) for _, mark in named if mark}

    def texts(self, state: State) -> Iterator[str]:
        """Everything that was said there, so far."""
        if self._prompt:
            yield from state.prompt
        for result in self._whole.results(state):
            yield from texts_of(result)

    def folded(self, state: State) -> Iterator[str]:
        """What was said there in YAML that may be written in more than one way."""
        for result in self._whole.results(state):
            yield from _yaml_texts(result)

    def values(self, state: State) -> Iterator[frozenset[str | Decimal]]:
        """The strings and numbers that stood in the fields, so far."""
        for field, selection in self._fields.items():
            for result in selection.results(state):
                yield field_values(result, field)


class Selection:
    """Tools by name and pattern."""

    __slots__ = ("_names", "_patterns")

    def __init__(self, tools: Iterable[str]) -> None:
        self._names = frozenset(tools)
        globs = [glob_pattern(name) for name in sorted(self._names) if "*" in name]
        self._patterns = PatternSet(globs, "full") if globs else None

    def results(self, state: State) -> Iterator[str]:
        """What they returned, so far."""
        for tool, results in state.results.items():
            if tool in self._names or (self._patterns is not None and self._patterns.matches(tool)):
                yield from results


def _seen(value: Json, sources: Sources, state: State) -> bool:
    """Whether one value occurs. Raises Unjudgeable for what has no occurrence."""
    if type(value) is int or type(value) is float:
        if not abs(value) < 10**MAX_DIGITS:
            raise Unjudgeable("is not a number that somebody writes out")
    elif type(value) is not str:
        raise Unjudgeable(f"is {kind_of(value)}, which does not occur in a text")
    elif value != value.strip() or len(value) > MAX_LENGTH or (len(value) < MIN_LENGTH and not value.isdecimal()):
        raise Unjudgeable(f"is not between {MIN_LENGTH} and {MAX_LENGTH} characters, or has space around it")
    return occurs(value, sources, state)


def occurs(value: str | float, sources: Sources, state: State) -> bool:
    """Whether a string or a number occurs in one of the sources."""
    wanted = value if isinstance(value, str) else Decimal(repr(value))
    if any(wanted in found for found in sources.values(state)):
        return True
    if not isinstance(wanted, str):
        return any(wanted in _numbers(text) for text in sources.texts(state))
    spellings = _spellings(wanted)
    if any(stands_in(spelling, text) for text in sources.texts(state) for spelling in spellings):
        return True
    return _PLAIN.fullmatch(wanted) is None and any(stands_in(wanted, text) for text in sources.folded(state))


def _spellings(value: str) -> tuple[str, ...]:
    """How people write this value: a web address also without its scheme, and an address of a whole site without the last slash."""
    address = _ADDRESS.fullmatch(value)
    if address is None:
        return (value,)
    whole = value.removesuffix("/") if address[2] == "/" else value
    return tuple(dict.fromkeys((value, whole, whole[len(address[1]) :])))


def sources_of(written: Iterable[str]) -> Sources:
    """The sources that an operand names. Raises InvalidOperand for what names none."""
    for source in written:
        tool, mark, field = source.partition("#")
        if mark and (not field or tool == PROMPT):
            raise InvalidOperand(f"`{source}` is no source: write `TOOL#FIELD`, for a field in the results of a tool")
    return Sources(written)


def _compile(operand: Json) -> Test:
    written = [operand] if isinstance(operand, str) else list(operand)
    sources = sources_of(written)

    def holds(value: Json, world: World, state: State) -> bool:
        if not isinstance(value, list | tuple):
            return _seen(value, sources, state)
        outcomes = {_seen(item, sources, state) for item in value}
        if len(outcomes) != 1:
            raise Unjudgeable("is a list of which some items occur and some do not" if outcomes else "is an empty list")
        return outcomes.pop()

    return Test(holds=holds, wanted="a value that occurs in " + (" or ".join(written) or "nothing"), never=not written, asks_state=True)


OPERATOR = Operator(
    key="seen_in",
    summary="occurs in the `prompt`, or in a result of the listed tools, of this run",
    operand={
        "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}],
        "description": "`prompt` for what the user said; tool names, patterns with `*` and `@groups` for what they "
        "returned, and `TOOL#FIELD` for what stood in one field of it.",
    },
    compile=_compile,
    example=["prompt", "get_contacts"],
    names_tools=True,
    details="""A string occurs where it stands letter by letter, and by itself: white space, quotes, brackets, commas and the like around
it, a full stop or colon only at the end of a sentence, or `name=` or `name:` in front. `evil` does not occur in `devil`, nor
`a@b.com` in `xa@b.com` or `a@b.com.evil.org`. Inside a URL only the whole URL occurs. Nothing is normalised, not even letter
case; only that `http://` or `https://` in front of a web address, and the last slash of a whole site's, may be missing in the
text. A number occurs as a number: 1234.5 in `$1,234.50`; what could be read in two ways (`1.234`, `10-20`, dates) is no
number. Results that are JSON are looked through string by string, number by number, keys included, after decoding, also
where a string is JSON itself; in YAML lists and mappings a string occurs as it is written and as it is meant.

`TOOL#FIELD` looks only at what stands under the name FIELD: at keys, however deep, where the result is JSON or a YAML list or
mapping, and at lines `FIELD: value` where it is any other text. The value must be the whole of it. So
`seen_in: "get_transactions#sender"` is an account that has sent money, not one that somebody wrote into a subject.

Every item of a list must occur. Unjudgeable are objects, booleans, null, empty lists, lists of which only some items occur,
strings with space around them, strings of fewer than 3 characters that are not digits, and of more than 1,000. Whoever
writes the text that a tool returns decides what occurs in it: as an exception from a block rule, list only sources that
strangers do not write.""",
)
