"""What a tool's result says under a name: the values of a key in JSON or YAML, or of the lines `name: value` in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json
from agentgate.core.late import late

_NUMBER = late(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?", re.ASCII)
LONGEST = 1024 * 1024
"""Characters of a result that are looked through; a longer one says nothing under any name."""
_LINE = late(r"[ \t]*(?:[-*][ \t]+)?([^\s:=#](?:[^:=\r\n]*[^\s:=])?)[ \t]*[:=][ \t]+([^\r\n]*)")


def field_values(result: str, field: str) -> frozenset[str | Decimal]:
    """The strings and numbers that stand under a name in a result, at whatever depth.

    A result that is JSON, or a YAML list or mapping, has keys; only of another one are the lines looked at. So a text within a
    structured result cannot pretend to be one of its fields.
    """
    return _named(result).get(field, frozenset())


@lru_cache(maxsize=64)
def structure(result: str) -> Json:
    """What a result is: the object or list, or the text itself. The envelope in which results are given to the model is taken off."""
    value = _parsed(result)
    if isinstance(value, Mapping) and "ok" in value and "result" in value:
        value = value["result"]
        if isinstance(value, str):
            value = _parsed(value)
    return value


def _parsed(text: str) -> Json:
    try:
        value = parse_json(text, limit=LONGEST) if text.lstrip()[:1] in ("{", "[") else _yaml(text)
    except InvalidJson:
        value = None
    return value if isinstance(value, Mapping | list) else text


def _yaml(text: str) -> Json:
    """A YAML list or mapping with every scalar as it is written; None for whatever else, aliases and tags included."""
    import yaml

    try:
        # Aliases first: a few of them can stand for more than any machine holds.
        if any(isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) for event in yaml.parse(text, Loader=_loader())):
            return None
        return yaml.load(text, Loader=_loader())  # noqa: S506 - this loader makes nothing but strings, lists and mappings
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _loader() -> type:
    import yaml

    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def fields_of(result: str, value: Json) -> frozenset[str]:
    """The names under which a string or a number stands in a result."""
    wanted = value if isinstance(value, str) else Decimal(repr(value))
    return frozenset(name for name, found in _named(result).items() if wanted in found)


def named_values(result: str) -> Mapping[str, frozenset[str | Decimal]]:
    """Every name in a result, and the strings and numbers that stand under it."""
    return _named(result)


@lru_cache(maxsize=64)
def _named(result: str) -> dict[str, frozenset[str | Decimal]]:
    """Every name in a result, and what stands under it."""
    if len(result) > LONGEST:
        return {}
    found: dict[str, set[str | Decimal]] = {}
    for name, value in _pairs(structure(result)):
        found.setdefault(name, set()).update(_scalar(value))
    return {name: frozenset(values) for name, values in found.items()}


def _pairs(value: Json) -> Iterator[tuple[str, Json]]:
    """Names with what stands under them; the items of a list one by one."""
    if isinstance(value, str):
        yield from ((match[1], match[2].strip()) for match in map(_LINE.fullmatch, value.splitlines()) if match is not None)
        return
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            for name, held in item.items():
                yield from ((name, leaf) for leaf in (held if isinstance(held, list) else (held,)))
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _scalar(value: Json) -> Iterator[str | Decimal]:
    """A string as it is written, and as the number that it writes; a number as a number."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return
    text = value if isinstance(value, str) else repr(value)
    if _NUMBER.fullmatch(text):
        yield Decimal(text)
