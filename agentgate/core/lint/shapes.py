"""What a tool's JSON Schema says about one argument, as far as that is certain, and values that fit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentgate.core.events import Json

UNKNOWN: Json = object()
"""The schema leaves open whether there is such an argument."""
MISSING: Json = object()
"""There is certainly no such argument."""
_OPEN = ("allOf", "anyOf", "oneOf", "if", "not", "dependentSchemas", "dependencies", "patternProperties", "unevaluatedProperties")
_KINDS = frozenset(("string", "number", "boolean", "null", "object", "array"))


def argument(schema: Json, parts: tuple[str, ...]) -> Json:
    """The schema of the argument at a dotted path, UNKNOWN or MISSING."""
    root, here = schema, schema
    for part in parts:
        here = resolved(here, root)
        if not isinstance(here, Mapping):
            return UNKNOWN
        if kinds(here, root) == frozenset() or "object" not in kinds(here, root):
            return MISSING
        properties = here.get("properties")
        if isinstance(properties, Mapping) and part in properties:
            here = properties[part]
            continue
        if here.get("additionalProperties", False) is not False or any(key in here for key in _OPEN):
            return UNKNOWN
        if here is not root and not isinstance(properties, Mapping):
            return UNKNOWN
        return MISSING
    return resolved(here, root)


def resolved(schema: Json, root: Json) -> Json:
    """The schema behind a `$ref` within the same document."""
    for _ in range(8):
        if not (isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str) and schema["$ref"].startswith("#/")):
            return schema
        found: Json = root
        for part in schema["$ref"][2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        schema = found
    return UNKNOWN


def always_given(schema: Json, parts: tuple[str, ...]) -> bool:
    """Whether every valid call has this argument."""
    here = schema
    for part in parts:
        here = resolved(here, schema)
        if not isinstance(here, Mapping) or part not in here.get("required", ()):
            return False
        here = (here.get("properties") or {}).get(part)
    return True


def names(schema: Json) -> list[str]:
    """The arguments at the top, and one level below them, dotted."""
    found: list[str] = []
    for name, child in _properties(schema).items():
        found.append(name)
        found += [f"{name}.{inner}" for inner in _properties(resolved(child, schema))]
    return found


def _properties(schema: Json) -> Mapping[str, Json]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}


def kinds(schema: Json, root: Json) -> frozenset[str]:
    """The JSON types that the schema admits; all of them where it does not say. `integer` counts as `number`."""
    schema = resolved(schema, root)
    if not isinstance(schema, Mapping):
        return _KINDS
    values = listed(schema)
    if values is not None:
        return frozenset(kind(value) for value in values)
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return frozenset().union(*(kinds(child, root) for child in schema[key]))
    said = schema.get("type")
    if isinstance(said, str):
        said = [said]
    if not isinstance(said, list):
        return _KINDS
    return frozenset("number" if name == "integer" else name for name in said)


def kind(value: Json) -> str:
    """The JSON type of a value."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case None:
            return "null"
        case Mapping():
            return "object"
    return "array"


def listed(schema: Json) -> list[Json] | None:
    """The only values that the schema admits, where it lists them."""
    if not isinstance(schema, Mapping):
        return None
    if "const" in schema:
        return [schema["const"]]
    if isinstance(schema.get("enum"), list):
        return list(schema["enum"])
    return [False, True] if schema.get("type") == "boolean" else None


def examples(schema: Json, root: Json, depth: int = 0) -> Iterator[Json]:
    """A few values that probably fit a schema, the plainest first."""
    schema = resolved(schema, root)
    if not isinstance(schema, Mapping) or depth > 6:
        yield "x"
        return
    values = listed(schema)
    if values is not None:
        yield from values
        return
    if isinstance(schema.get("examples"), list):
        yield from schema["examples"]
    if schema.get("default") is not None:
        yield schema["default"]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list):
            for child in schema[key]:
                yield from examples(child, root, depth + 1)
    for name in ("string", "number", "boolean", "object", "array", "null"):
        if name in kinds(schema, root):
            yield from _of_kind(name, schema, root, depth)


_BY_FORMAT = {"email": "anna@example.com", "uri": "https://example.com/", "date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z",
              "uuid": "123e4567-e89b-12d3-a456-426614174000", "ipv4": "192.0.2.1"}  # fmt: skip


def _of_kind(name: str, schema: Mapping[str, Json], root: Json, depth: int) -> Iterator[Json]:
    match name:
        case "string":
            yield from _texts(schema)
        case "number":
            yield from _numbers(schema)
        case "boolean":
            yield from (False, True)
        case "null":
            yield None
        case "array":
            least = schema.get("minItems", 0)
            item = next(examples(schema.get("items", {}), root, depth + 1), "x")
            yield [item] * (least if isinstance(least, int) else 0)
            yield [item]
        case _:
            yield smallest(schema, root, depth + 1)


def _texts(schema: Mapping[str, Json]) -> Iterator[str]:
    from agentgate.core.lint.patterns import samples, text_of

    if schema.get("format") in _BY_FORMAT:
        yield _BY_FORMAT[str(schema["format"])]
    if isinstance(schema.get("pattern"), str):
        yield from (text_of(sample) for sample in samples(schema["pattern"]))
    least = schema.get("minLength", 1)
    yield "x" * (least if isinstance(least, int) and 1 <= least <= 1000 else 1)


def _numbers(schema: Mapping[str, Json]) -> Iterator[Json]:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
    yield from (bound for bound in (low, high) if isinstance(bound, int | float))
    yield from (low + 1 for _ in (0,) if isinstance(low, int | float))
    yield from (1, 0, 100, 0.5, -1)


def smallest(schema: Json, root: Json, depth: int = 0) -> dict[str, Json]:
    """An object with only what the schema requires."""
    properties = _properties(schema)
    required = schema.get("required", ()) if isinstance(schema, Mapping) else ()
    return {name: next(examples(properties.get(name, {}), root, depth + 1), "x") for name in required if isinstance(name, str)}
