"""The short way through arguments: most calls of most tools are one small flat object, of which types alone say that it is valid.

Whoever takes it gets the object that strict parsing would give, and one that JSON Schema finds valid; or nothing, and then has to take the
long way. That takes five times as long, and is what says what is allowed: here nothing is ever refused, nor anything let through that is
refused there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Required, TypeAlias, TypedDict, Union

import msgspec

from agentgate.core.events import Json

Short: TypeAlias = Callable[[str], "dict[str, Json] | None"]
"""The arguments in a text, where they can be had the short way; None where they may still be had the long way."""

_LONGEST = 308
"""Characters. A number with so many digits at most is one that a double holds."""
_SILENT = frozenset(("$comment", "$schema", "default", "deprecated", "description", "examples", "readOnly", "strict", "title", "writeOnly"))
"""Keywords that refuse nothing."""
_TYPES: Mapping[str, type | None] = {"string": str, "integer": int, "number": int, "boolean": bool, "null": None}
"""The types of JSON Schema whose values hold no others, without floats, which not everybody reads alike."""


def short_way(schema: Mapping[str, Json]) -> Short | None:
    """The short way for a valid schema; None where it asks for more than types, choices among texts, and which arguments there must be."""
    properties, required = schema.get("properties"), schema.get("required", ())
    asked = schema.keys() - _SILENT - {"type", "required"}
    if asked != {"properties", "additionalProperties"} or schema.get("type", "object") != "object":
        return None
    if schema["additionalProperties"] is not False or not isinstance(properties, Mapping) or not set(required) <= properties.keys():
        return None
    types = {name: found for name, below in properties.items() if (found := _type(below)) is not None}
    if not set(required) <= types.keys():
        return None
    named = {name: Required[found] if name in required else found for name, found in types.items()}
    return _reading(TypedDict("Arguments", named, total=False))  # type: ignore[operator] # a type that is made here


def _type(schema: Json) -> Any:
    """The type of the values that may be had the short way; None where there are none."""
    if not isinstance(schema, Mapping) or schema.keys() - _SILENT - {"type", "enum"}:
        return None
    named = schema.get("type", list(_TYPES))
    kinds = [_TYPES[name] for name in ([named] if isinstance(named, str) else named) if name in _TYPES]
    if "enum" not in schema:
        return Union[tuple(kinds)] if kinds else None  # noqa: UP007 # of however many there are
    # To be one of some texts is to be equal to it; for numbers there would be more to say.
    choices = schema["enum"]
    return Literal[tuple(choices)] if choices and str in kinds and all(type(choice) is str for choice in choices) else None


def _reading(wanted: Any) -> Short:
    decode = msgspec.json.Decoder(wanted).decode

    def read(text: str) -> dict[str, Json] | None:
        if len(text) > _LONGEST:
            return None
        try:
            value: dict[str, Json] = decode(text)
        except ValueError:
            return None
        # Each member of a flat object has a colon. With as many keys as colons, none comes twice, and none was passed over as unknown.
        return value if len(value) == text.count(":") or _has_all_quotes(value, text) else None

    return read


def _has_all_quotes(value: dict[str, Json], text: str) -> bool:
    """The same told by quotation marks, for values with colons in them: two at each key, two at each value that is a text."""
    return "\\" not in text and text.count('"') == 2 * (len(value) + list(map(type, value.values())).count(str))
