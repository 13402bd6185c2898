"""The short way through arguments: most calls of most tools are one small flat object, and valid by the types of its values alone.

Whoever takes it gets the object that strict parsing would give, and one that JSON Schema finds valid; or nothing, and then has to take the
long way. That takes three times as long, and is what says what is allowed: here nothing is ever refused, nor anything let through that is
refused there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from agentgate.core.events import Json

Short: TypeAlias = Callable[[str], "dict[str, Json] | None"]
"""The arguments in a text, where they can be had the short way; None where they may still be had the long way."""

_LONGEST = 308
"""Characters. A number with so many digits at most is one that a double holds."""
_SILENT = frozenset(("$comment", "$schema", "default", "deprecated", "description", "examples", "readOnly", "strict", "title", "writeOnly"))
"""Keywords that refuse nothing."""
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int,),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (),
    "array": (),
}
"""What a type of JSON Schema is, if it is no float, and holds no values of its own."""

_decode = msgspec.json.Decoder().decode


def short_way(schema: Mapping[str, Json]) -> Short | None:
    """The short way for a valid schema; None where it asks for more than types, choices among texts, and which arguments there must be."""
    properties, required = schema.get("properties"), schema.get("required", [])
    asked = schema.keys() - _SILENT - {"type", "required"}
    if asked != {"properties", "additionalProperties"} or schema.get("type", "object") != "object":
        return None
    if schema["additionalProperties"] is not False or not isinstance(properties, Mapping) or not set(required) <= properties.keys():
        return None
    types: dict[str, tuple[type, ...]] = {}
    choices: list[tuple[str, frozenset[str]]] = []
    for name, below in properties.items():
        found = _types(below)
        if found is None:
            return None
        types[name] = found
        if "enum" in below:
            choices.append((name, frozenset(below["enum"])))
    return _reading(types, tuple(choices), frozenset(required))


def _types(schema: Json) -> tuple[type, ...] | None:
    """The types that a schema admits, of those that are looked at here; None where it asks for more than that."""
    if not isinstance(schema, Mapping) or schema.keys() - _SILENT - {"type", "enum"}:
        return None
    named = schema.get("type", list(_TYPES))
    found = tuple(kind for name in ([named] if isinstance(named, str) else named) for kind in _TYPES[name])
    if "enum" not in schema:
        return found
    # Among texts alone, to be one of them is to be equal to it.
    texts = isinstance(schema["enum"], list | tuple) and all(type(value) is str for value in schema["enum"])
    return (str,) if texts and str in found else None


def _reading(types: Mapping[str, tuple[type, ...]], choices: tuple[tuple[str, frozenset[str]], ...], required: frozenset[str]) -> Short:
    count = len(types)

    def read(text: str) -> dict[str, Json] | None:
        if len(text) > _LONGEST:
            return None
        try:
            value = _decode(text)
            # Every member of a flat object has a colon: as many as there are keys, and no key comes twice.
            if type(value) is not dict or len(value) != text.count(":"):
                return None
            for name, item in value.items():
                if type(item) not in types[name]:
                    return None
        except (msgspec.DecodeError, ValueError, KeyError):
            return None
        for name, choice in choices:
            if name in value and value[name] not in choice:
                return None
        return value if len(value) == count or required <= value.keys() else None

    return read
