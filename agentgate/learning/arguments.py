"""What recorded calls say about one argument: the condition that all of them satisfy, and the words for it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from agentgate.core.conditions.path import oddity
from agentgate.core.conditions.seen_in import PROMPT
from agentgate.core.events import Json
from agentgate.core.policy import Condition
from agentgate.learning.observing import Leaf, Sample, is_key
from agentgate.learning.sources import PROSE, cover, exposure, is_command, safely, words
from agentgate.learning.statements import is_sql

MOST_VALUES = 6
"""A list of more values than these is no small enumeration."""
_TIMES = 4
"""How often each value of an enumeration is used on average."""
_MANY = 10
"""From so many calls on, a range says something."""
GREATEST = 1e14
"""Numbers above this are no amounts, and not every reader of YAML takes them for the same."""
_LONG = 40
_EMAIL = re.compile(r"[^@\s]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_HOSTED = re.compile(r"https?://[^\s@\\]+", re.IGNORECASE)
_FORMS = {
    "a date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "a time": r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?",
    "a date and a time": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?",
}
"""Forms that say little, so that a value of one can do little harm."""
_CODES = {"a code of two capitals": r"[A-Z]{2}"}
"""The same, of what is too short to be looked for: states, countries."""
_MOMENTS = frozenset({"date", "day", "time"})
"""Words in the names of arguments that say when."""
_LEADING = frozenset({"address", "domain", "endpoint", "host", "link", "site", "uri", "url", "website"})
_OUTSIDE = re.compile(r"://|^www\.|@", re.IGNORECASE)
"""What addresses of the web and of mail have in them."""
_PATH = re.compile(r"(?:\./)?[\w.@-]+(?:/[\w.@ -]+)+/?")


class Shape(Struct, frozen=True):
    """What is said about an argument."""

    condition: Condition | None
    """None where any value will do."""
    words: str
    """What the recordings showed, for people."""
    steered: bool = True
    """Whether nobody but the user, the task's own tools or the recordings decides its value."""
    code: bool = False
    """Whether it is a command or a statement that may do anything, so that the name of its tool says nothing."""

    @property
    def prose(self) -> bool:
        """Whether it may be any text, but for links."""
        return self.condition is not None and self.condition.operators[0][0] == "links_seen_in"

    @property
    def anchored(self) -> bool:
        """Whether every call must name something that was named before, or that the recordings named."""
        if self.condition is None or self.condition.optional:
            return False
        return self.condition.operators[0][0] in ("seen_in", "in", "equals", "email", "url", "path", "command", "sql")


class Evidence(Struct, frozen=True):
    """What is known when an argument is looked at."""

    samples: Sequence[Sample]
    """The calls of the tool, or of one of its actions."""
    bad: Sequence[Sample]
    """Calls that shall be kept out."""
    pool: Mapping[str, Sequence[Leaf]]
    """Argument → its values in the calls of all tools that have one of this name."""
    properties: Mapping[str, Json]
    """Argument → its JSON Schema, as far as anybody says."""
    required: frozenset[str]
    alike: Mapping[str, frozenset[str]]
    """`TOOL#FIELD` → fields that hold values of the same kind."""
    enough: int
    """So many runs make a habit."""
    looks_up: bool = False
    """Whether the tool only looks: what it looks for may come from anywhere, as long as it does not lead out."""

    @property
    def runs(self) -> int:
        """How many runs the calls are from."""
        return len({sample.run for sample in self.samples})


def shape(evidence: Evidence, argument: str) -> Shape:
    """What the recordings say about an argument that some call had."""
    leaves = [leaf for sample in evidence.samples for leaf in sample.named(argument) if leaf.value is not None]
    absent = sum(not sample.named(argument) for sample in evidence.samples)
    optional = bool(absent) or (bool(evidence.properties) and argument not in evidence.required and "." not in argument)
    kinds = {_kind(leaf.value) for leaf in leaves}
    if not leaves:
        return unused(evidence, argument)
    if kinds == {"boolean"}:
        return Shape(None, "true or false")
    if kinds == {"number"}:
        return _of_numbers(evidence, argument, leaves, optional)
    if kinds != {"string"}:
        return Shape(None, "values of several types", steered=False)
    return _of_strings(evidence, argument, leaves, optional)


def unused(evidence: Evidence, argument: str) -> Shape:
    """An argument that the tool has and no call used: as in other tools, where they have one of that name; else not at all."""
    return _elsewhere(evidence, argument, optional=True) or _held(argument, "equals", None, True, "never used")


def untried(evidence: Evidence, argument: str) -> Shape:
    """An argument of a tool that no run called: as in other tools, else what the user named."""
    optional = argument not in evidence.required
    said = evidence.properties[argument]
    kind = said.get("type") if isinstance(said, Mapping) and "enum" not in said else None
    if kind in ("boolean", "integer", "number"):
        return Shape(None, "any")
    found = _elsewhere(evidence, argument, optional=optional)
    if found is None and _MOMENTS & set(words(argument)):
        return _held(argument, "matches", "|".join(_FORMS.values()), optional, "a date or a time")
    return found or _held(argument, "seen_in", PROMPT, optional, "from the prompt")


def _elsewhere(evidence: Evidence, argument: str, *, optional: bool) -> Shape | None:
    """What arguments of the same name are like in other tools; None where there are none, or nothing holds them."""
    pooled = [leaf for leaf in evidence.pool.get(argument, ()) if isinstance(leaf.value, str)]
    if not pooled:
        return None
    if _is_prose(argument, pooled):
        return _of_prose(argument, pooled, [], optional=optional)
    form = _of_simple_form(argument, {str(leaf.value) for leaf in pooled}, optional=optional)
    if form is not None:
        return form
    found = _cover(evidence, [leaf.sources for leaf in pooled], [])
    if found is None:
        return None
    return _held(argument, "seen_in", _one_or_many(found), optional, f"as elsewhere {_places(found)}")


def _of_strings(evidence: Evidence, argument: str, leaves: list[Leaf], optional: bool) -> Shape:
    values = Counter(str(leaf.value) for leaf in leaves)
    bad = _told_apart(leaves, [leaf for sample in evidence.bad for leaf in sample.named(argument)])
    listed = evidence.properties.get(argument)
    if isinstance(listed, Mapping) and "enum" in listed and len(values) <= 2 * MOST_VALUES:
        return _enumeration(argument, values, optional)
    form = _of_simple_form(argument, values, optional=optional)
    if form is not None:
        return form
    if is_command(evidence.samples[0].tool, argument) and not all(leaf.sources for leaf in leaves):
        return Shape(None, "any command", steered=False, code=True)
    if is_sql(values):
        return Shape(None, "any statement", steered=False, code=True)
    if _is_prose(argument, [*leaves, *evidence.pool.get(argument, ())]):
        return _of_prose(argument, leaves, bad, optional)
    needed = [leaf.sources for leaf in leaves]
    if evidence.runs < evidence.enough or not all(needed):
        needed = [leaf.sources for leaf in evidence.pool.get(argument, ()) if isinstance(leaf.value, str)]
    if not all(leaf.sources for leaf in leaves) and evidence.runs >= evidence.enough:
        folders = _in_folders(argument, values, optional)
        apart = not bad or any(_in_folders(argument, [*values, str(leaf.value)], optional) != folders for leaf in bad)
        if folders is not None and apart:
            return folders
    anywhere = evidence.looks_up and not leads_out(argument, values)
    found = _cover(evidence, needed, [leaf.sources for leaf in bad], anywhere=anywhere)
    if found is not None:
        return _seen(argument, values, found, optional)
    if len(values) <= MOST_VALUES and len(leaves) >= _TIMES * len(values) and evidence.runs >= evidence.enough:
        return _enumeration(argument, values, optional)
    form = _of_form(argument, values, optional)
    alone = _cover(evidence, needed, [], anywhere=anywhere) if bad and not form.steered else None
    # Where bad values leave nothing to hold good ones by, those count alone: bad runs did right things from the same places.
    return form if alone is None else _seen(argument, values, alone, optional)


def _seen(argument: str, values: Counter[str], found: tuple[str, ...], optional: bool) -> Shape:
    words = f"{_places(found)}" if len(values) > 1 else f"{_quoted(values)}, {_places(found)}"
    return _held(argument, "seen_in", _one_or_many(found), optional, words)


def _cover(
    evidence: Evidence, needed: list[frozenset[str]], against: list[frozenset[str]], *, anywhere: bool = False
) -> tuple[str, ...] | None:
    """Where the values come from, and fields of the same kind: closed sources alone where most values had one, unless `anywhere`."""
    found = cover(needed if anywhere else safely(needed, against), against)
    if found is None:
        return None
    kin = {other for source in found for other in evidence.alike.get(source, ()) if exposure(other) == 0}
    return (PROMPT, *sorted({*found[1:], *kin}))


def leads_out(argument: str, values: Iterable[str] = ()) -> bool:
    """Whether an argument says where in the world to look: whoever writes it learns that somebody looked, and may read what."""
    return bool(_LEADING & set(words(argument))) or any(_OUTSIDE.search(value) for value in values)


def _told_apart(good: Iterable[Leaf], bad: Iterable[Leaf]) -> list[Leaf]:
    """Bad values without those that a good call took from the same place: runs that went wrong did right things, too."""
    places: dict[Json, set[str]] = defaultdict(set)
    for leaf in good:
        places[leaf.value].update({PROMPT} if PROMPT in leaf.sources else leaf.sources)  # what the user named was taken from nowhere else
    return [
        leaf for leaf in bad if leaf.value not in places or not (places[leaf.value] & leaf.sources or places[leaf.value] == leaf.sources)
    ]


def _of_simple_form(argument: str, values: Iterable[str], *, optional: bool) -> Shape | None:
    """Values of a form that says little."""
    values = list(values)
    for form, pattern in (_FORMS | _CODES).items():
        if all(re.fullmatch(pattern, value, re.ASCII) for value in values):
            return _held(argument, "matches", pattern, optional, form)
    return None


def _enumeration(argument: str, values: Counter[str], optional: bool) -> Shape:
    return _held(argument, "in", sorted(values), optional, f"one of {_quoted(values)}")


def _of_prose(argument: str, leaves: list[Leaf], bad: list[Leaf], optional: bool) -> Shape:
    """A text that the model wrote: whatever it says, but no links from nowhere."""
    found = cover((link for leaf in leaves for link in leaf.links), [link for leaf in bad for link in leaf.links])
    if found is None:
        return Shape(None, "any text, with links from anywhere", steered=False)
    return _held(argument, "links_seen_in", _one_or_many(found), optional, f"any text; links {_places(found)}")


def _of_form(argument: str, values: Counter[str], optional: bool) -> Shape:
    """Values that nobody had named before, but that are alike."""
    domains = {match[1].lower() for match in map(_EMAIL.fullmatch, values) if match}
    if all(_EMAIL.fullmatch(value) for value in values) and len(domains) <= MOST_VALUES:
        return _held(argument, "email", sorted(domains), optional, f"an address at {', '.join(sorted(domains))}")
    if all(_HOSTED.fullmatch(value) for value in values):
        hosts = sorted({urlsplit(value).hostname or "" for value in values})
        schemes = sorted({urlsplit(value).scheme.lower() for value in values})
        if len(hosts) <= MOST_VALUES and all("." in host for host in hosts):
            operand = {"hosts": hosts, "schemes": schemes}
            return _held(argument, "url", operand, optional, f"an address at {', '.join(hosts)}")
    return _in_folders(argument, values, optional) or Shape(None, "any text", steered=False)


def _in_folders(argument: str, values: Iterable[str], optional: bool) -> Shape | None:
    """Paths in a few folders below the one where the run works."""
    values = list(values)
    if not all(_PATH.fullmatch(value) and ".." not in value for value in values):
        return None
    folders = sorted({value.removeprefix("./").split("/", 1)[0] for value in values})
    if any(oddity(path) is not None for path in (*values, *folders)):
        return None  # `path` would not judge it
    return _held(argument, "path", folders, optional, f"a path in {', '.join(folders)}") if len(folders) <= MOST_VALUES else None


def _of_numbers(evidence: Evidence, argument: str, leaves: list[Leaf], optional: bool) -> Shape:
    numbers = [leaf.value for leaf in leaves]
    low, high = min(numbers), max(numbers)
    words = f"{_plain(low)} … {_plain(high)}" if low != high else _plain(low)
    named = [leaf for leaf in leaves if leaf.sources]
    if is_key(argument) and len(named) == len(leaves):
        found = cover(leaf.sources for leaf in leaves)
        if found is not None:
            return _held(argument, "seen_in", _one_or_many(found), optional, f"{words}, {_places(found)}")
    if is_key(argument) or len(leaves) < _MANY or max(abs(low), abs(high)) > GREATEST:
        return Shape(None, words)
    bounds = [("min", _rounded(low, down=True)), ("max", _rounded(high, down=False))]
    return Shape(Condition(argument, tuple(bounds), optional=optional), words)


def _is_prose(argument: str, leaves: Sequence[Leaf]) -> bool:
    """Whether the model writes it rather than copies it: a long text, or a phrase of its own."""
    texts = [(leaf.value, leaf.sources) for leaf in leaves if isinstance(leaf.value, str)]
    if any("\n" in text or (len(text) > _LONG and " " in text) for text, _ in texts):
        return True
    own = any(not sources for _, sources in texts)
    return own and (bool(PROSE & set(words(argument))) or any(" " in text for text, sources in texts if not sources))


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else "other"


def _held(argument: str, key: str, operand: Json, optional: bool, words: str) -> Shape:
    return Shape(Condition(argument, ((key, operand),), optional=optional), words)


def _one_or_many(sources: tuple[str, ...]) -> Json:
    return sources[0] if len(sources) == 1 else list(sources)


def _places(sources: Sequence[str]) -> str:
    return "from the prompt" if len(sources) == 1 else f"from {', '.join(sources)}"


def _quoted(values: Counter[str]) -> str:
    return ", ".join(f'"{value}"' for value in sorted(values))


def _rounded(value: float, *, down: bool) -> float:
    """The next number of the kind 1, 2, 5, 10 … that leaves room."""
    if value == 0:
        return 0
    size = abs(value)
    power = 1
    while power * 10 <= size:
        power *= 10
    steps = [0, *(factor * power for factor in (1, 2, 5, 10, 20))]
    outward = down == (value < 0)
    found = next(step for step in steps if step >= size) if outward else max(step for step in steps if step <= size)
    return found if value > 0 else -found


def _plain(value: Json) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else f"{value}"
