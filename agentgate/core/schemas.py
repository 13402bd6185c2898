"""JSON Schemas of tools and of the `schema` operator: compiled at load, judged exactly, never fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from agentgate.core.arguments import is_plain
from agentgate.core.events import Json
from agentgate.core.flat import Short, short_way

if TYPE_CHECKING:
    import jsonschema_rs

DIALECTS = {
    "https://json-schema.org/draft/2020-12/schema": 202012,
    "https://json-schema.org/draft/2019-09/schema": 201909,
    "http://json-schema.org/draft-07/schema": 7,
    "http://json-schema.org/draft-06/schema": 6,
}
"""The dialects that are understood, by `$schema` without a trailing `#`. The first is the default."""

_SCHEMA = ("additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
           "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SCHEMA_MAPS = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_PLAIN = ("$schema", "$id", "$anchor", "$ref", "$comment", "const", "default", "dependentRequired", "dependencies", "deprecated",
          "description", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains", "maxItems", "maxLength",
          "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern",
          "readOnly", "required", "title", "type", "uniqueItems", "writeOnly", "contentEncoding", "contentMediaType",
          "strict")  # fmt: skip
KEYWORDS = frozenset((*_SCHEMA, *_SCHEMA_LISTS, *_SCHEMA_MAPS, *_PLAIN))
"""Every keyword that is understood. One outside this list might have been meant to restrict something, so it is refused."""

_COMBINING = ("$ref", "allOf", "anyOf", "oneOf", "if", "not", "dependentSchemas", "dependencies")
_MAX_DEPTH = 64


class InvalidSchema(ValueError):
    """The schema cannot be used; the message says where and why."""


class Schema:
    """A compiled JSON Schema. Numbers are exact: 1.0 is not an integer, and 19.99 is a multiple of 0.01."""

    __slots__ = ("_compile", "_exact_validator", "_is_valid", "_validator", "document")

    def __init__(self, document: Json, *, strict_formats: bool = True) -> None:
        """Compiles `document`.

        Args:
            document: the schema, an object.
            strict_formats: refuse a `format` that is not checked, instead of passing over it.

        Raises:
            InvalidSchema: unknown keywords or dialects, remote or dangling references, patterns that could explode.
        """
        import jsonschema_rs

        check_keywords(document)
        self.document = document
        draft = _draft(document)
        assert draft is not None
        self._compile = partial(
            _validators(jsonschema_rs)[draft],
            validate_formats=True,
            ignore_unknown_formats=not strict_formats,
            pattern_options=jsonschema_rs.RegexOptions(),
            keywords={"x-exact": _WholeNumber},
            offline=True,
        )
        try:
            self._validator: jsonschema_rs.Validator = self._compile(document)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise InvalidSchema(str(error).split("\n")[0].strip().rstrip(".")) from None
        self._is_valid: Callable[[Json], bool] = self._validator.is_valid
        self._exact_validator: jsonschema_rs.Validator | None = None

    def is_valid(self, value: Json, *, plain: bool = False) -> bool:
        """Whether the value is valid; `plain` where it is known to be what `is_plain` says."""
        return self._is_valid(value) if plain or is_plain(value) else self._validator_for(value).is_valid(value)

    def first_error(self, value: Json) -> str | None:
        """Why the value is not valid, for people and for the model; None where it is."""
        for error in self._validator_for(value).iter_errors(value):
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path).lstrip(".")
            message = _short(error.message)
            return f"{where}: {message}" if where else message
        return None

    def _validator_for(self, value: Json) -> jsonschema_rs.Validator:
        """JSON Schema takes 1.0 for an integer; a tool that was promised an `int` must not get a `float`. Seldom needed, so made late."""
        if not _has_whole_float(value):
            return self._validator
        if self._exact_validator is None:
            self._exact_validator = self._compile(_exact(self.document))
        return self._exact_validator


def _draft(document: Mapping[str, Json]) -> int | None:
    """The draft that a schema is written in; None where nobody knows its dialect."""
    return DIALECTS.get(str(document.get("$schema", next(iter(DIALECTS)))).rstrip("#"))


def _validators(module: object) -> dict[int, Callable[..., Json]]:
    return {
        202012: module.Draft202012Validator,  # type: ignore[attr-defined]
        201909: module.Draft201909Validator,  # type: ignore[attr-defined]
        7: module.Draft7Validator,  # type: ignore[attr-defined]
        6: module.Draft6Validator,  # type: ignore[attr-defined]
    }


class _WholeNumber:
    """Keyword `x-exact`: refuses a float where the schema's `type` admits integers and no other numbers."""

    def __init__(self, parent_schema: dict[str, Json], value: Json, schema_path: list[str | int]) -> None:
        pass

    def validate(self, instance: Json) -> None:
        if type(instance) is float:
            raise ValueError(f"{instance} is not an integer")


def _exact(document: Json) -> Json:
    """The schema with `x-exact` beside every `type` that admits integers but not all numbers."""
    if isinstance(document, list):
        return [_exact(item) for item in document]
    if not isinstance(document, Mapping):
        return document
    made = {key: value if key in ("const", "enum", "default", "examples") else _exact(value) for key, value in document.items()}
    kinds = document.get("type")
    if kinds == "integer" or (isinstance(kinds, list) and "integer" in kinds and "number" not in kinds):
        made["x-exact"] = True
    return made


def _has_whole_float(value: Json) -> bool:
    pending = [value if type(value) is list or type(value) is dict else [value]]
    for item in pending:
        for child in item.values() if type(item) is dict else item:
            kind = type(child)
            if kind is dict or kind is list:
                pending.append(child)
            elif kind is float and child.is_integer():
                return True
    return False


def _short(message: str, limit: int = 300) -> str:
    return message if len(message) <= limit else message[: limit - 1] + "…"


def check_keywords(document: Json, where: str = "", depth: int = 0, *, inside: bool = False) -> None:
    """Refuses what this module would not understand exactly.

    Raises:
        InvalidSchema: with a path to the place.
    """
    if inside and isinstance(document, bool):
        return
    if not isinstance(document, Mapping):
        raise InvalidSchema(f"{where or 'the schema'} is not an object")
    if depth > _MAX_DEPTH:
        raise InvalidSchema("nested too deeply")
    if _draft(document) is None:
        raise InvalidSchema(f"unknown dialect `{document['$schema']}`")
    reference = document.get("$ref")
    if reference is not None and not (isinstance(reference, str) and reference.startswith("#")):
        raise InvalidSchema(f"`$ref` to `{reference}`: only references within the schema itself are followed")
    for key, value in document.items():
        if key not in KEYWORDS:
            raise InvalidSchema(f"unknown keyword `{key}`{f' in {where}' if where else ''}")
        place = f"{where}.{key}" if where else str(key)
        if key in _SCHEMA_MAPS:
            if not isinstance(value, Mapping):
                raise InvalidSchema(f"{place} is not an object")
            for name, child in value.items():
                check_keywords(child, f"{place}.{name}", depth + 1, inside=True)
        elif key in _SCHEMA_LISTS and isinstance(value, list):
            for index, child in enumerate(value):
                check_keywords(child, f"{place}[{index}]", depth + 1, inside=True)
        elif key in _SCHEMA:
            check_keywords(value, place, depth + 1, inside=True)


def closed(document: Json) -> Json:
    """The schema with unknown arguments refused, wherever it does not itself say otherwise.

    Closes the top, and below it every object whose properties are listed: by itself, behind a reference, or in alternatives. Parts of
    `allOf` and the like see only a part of an object, so there the whole is closed, with `unevaluatedProperties`.
    """
    if not isinstance(document, Mapping):
        return document
    return _close(document, document, top=True)


def _close(schema: Json, root: Mapping[str, Json], *, top: bool = False, part: bool = False) -> Json:
    """A schema with what it describes closed.

    Args:
        schema: any schema.
        root: the document that references start from.
        top: whether it describes the arguments themselves.
        part: whether it may describe only a part of an object, so that it must stay open itself.
    """
    if not isinstance(schema, Mapping):
        return schema
    made = dict(schema)
    for key in ("properties", "patternProperties"):
        if isinstance(made.get(key), Mapping):
            made[key] = {name: _close(child, root) for name, child in made[key].items()}
    for key in ("$defs", "definitions"):
        if isinstance(made.get(key), Mapping):
            made[key] = {name: _close(child, root, part=not _old(root)) for name, child in made[key].items()}
    for key in ("items", "additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems"):
        if isinstance(made.get(key), Mapping):
            made[key] = _close(made[key], root)
    for key in ("prefixItems", "items"):
        if isinstance(made.get(key), list):
            made[key] = [_close(child, root) for child in made[key]]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(made.get(key), list):
            whole = key != "allOf" and not top and not part and "properties" not in made
            made[key] = [_close(child, root, part=not whole) for child in made[key]]
    if part or "additionalProperties" in made or "unevaluatedProperties" in made or not (top or _lists_properties(made, root)):
        return made
    if any(key in made for key in _COMBINING) and not _old(root):
        made["unevaluatedProperties"] = False
    else:
        made["additionalProperties"] = False
    return made


def _old(root: Mapping[str, Json]) -> bool:
    """Whether the dialect has no `unevaluatedProperties`, and passes over what stands beside a `$ref`."""
    draft = _draft(root)
    return draft is not None and draft < 201909


def _lists_properties(schema: Json, root: Mapping[str, Json], depth: int = 0) -> bool:
    """Whether a schema says which properties an object has: itself, behind a reference, or in all its parts."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return False
    if "properties" in schema or "patternProperties" in schema:
        return True
    if "$ref" in schema and not _old(root) and _lists_properties(_target(schema["$ref"], root), root, depth + 1):
        return True
    return any(_lists_properties(part, root, depth + 1) for part in schema.get("allOf", ()) if isinstance(schema.get("allOf"), list))


def _target(reference: Json, root: Mapping[str, Json]) -> Json:
    """What a reference within the document points to; None where it leads nowhere."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return root if reference == "#" else None
    found: Json = root
    for part in reference[2:].split("/"):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part.replace("~1", "/").replace("~0", "~"))
    return found


class ToolSet:
    """The tools that a run offers, by name, with their schemas compiled when first needed."""

    __slots__ = ("_schemas", "definitions", "names", "short")

    def __init__(self, definitions: Sequence[Mapping[str, Json]]) -> None:
        """Takes tools in Chat Completions form.

        Raises:
            InvalidSchema: a definition without a name, or two with the same one.
        """
        self.definitions = tuple(definitions)
        self.names: dict[str, Json] = {}
        for definition in self.definitions:
            function = definition.get("function")
            name = function.get("name") if isinstance(function, Mapping) else None
            if not isinstance(function, Mapping) or not isinstance(name, str):
                raise InvalidSchema("a tool without a name")
            if name in self.names:
                raise InvalidSchema(f"two tools are called `{name}`")
            parameters = function.get("parameters")
            self.names[name] = {"type": "object", "properties": {}} if parameters is None else parameters
        self._schemas: dict[str, Schema] = {}
        self.short: dict[str, Short | None] = {}
        """The short way to the arguments of a tool, where its schema is compiled and has one."""

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ToolSet) and self.definitions == other.definitions

    __hash__ = None  # type: ignore[assignment]

    def schema(self, name: str) -> Schema:
        """The compiled schema of one tool's arguments, closed.

        Raises:
            InvalidSchema: it cannot be compiled.
            KeyError: there is no such tool.
        """
        found = self._schemas.get(name)
        if found is None:
            found = self._schemas[name] = Schema(closed(self.names[name]), strict_formats=False)
            self.short[name] = short_way(found.document)
        return found


_MOST_TOOL_SETS = 64
_tool_sets: dict[bytes, ToolSet] = {}
_same: dict[int, tuple[Sequence[Mapping[str, Json]], ToolSet]] = {}
"""The sets of definitions that are not only equal but the very same tuple."""


def tool_set(definitions: Sequence[Mapping[str, Json]]) -> ToolSet:
    """The ToolSet of these definitions; the same one for equal definitions, so that a replay compiles each schema once.

    Raises:
        InvalidSchema: as ToolSet does.
    """
    same = _same.get(id(definitions))
    if same is not None and same[0] is definitions:
        return same[1]
    key = msgspec.json.encode(definitions)
    found = _tool_sets.get(key)
    if found is None:
        if len(_tool_sets) >= _MOST_TOOL_SETS:
            _tool_sets.clear()
        found = _tool_sets[key] = ToolSet(definitions)
        definitions = found.definitions
    if type(definitions) is tuple:
        if len(_same) >= _MOST_TOOL_SETS:
            _same.clear()
        _same[id(definitions)] = (definitions, found)
    return found
