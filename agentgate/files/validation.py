"""Turns what a JSON Schema refuses into findings: with a place, other tools' words, and a way on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.files.errors import error
from agentgate.files.words import EFFECTS, NOT_YET, closest, key_help, plain_form, tick
from agentgate.files.yaml import Document

if TYPE_CHECKING:
    import jsonschema_rs

_MANY = 500
_PIECE = 100
_OURS = ("allow", "ask", "block")
_BAD_PATTERN = {
    "selector": "bad-tool-name",
    "tool": "bad-tool-name",
    "flat_selector": "bad-tool-name",
    "name": "bad-tool-name",
    "id": "bad-id",
}
"""Definition in which a `pattern` stands → the code of a text that does not match it; else `bad-name`."""
_RANGE = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties")

_TYPES = {
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "boolean": "`true` or `false`",
    "number": "a number",
    "integer": "a whole number",
}

Path = tuple[str | int, ...]


class Checked(Struct, frozen=True):
    """What a schema says about a file."""

    findings: list[Finding]
    bad: set[Path]
    """The paths of the values that it refuses."""
    complete: bool
    """False where there were too many findings to look at the rest."""


class Validator:
    """A JSON Schema document, ready to check files with."""

    def __init__(self, schema: dict[str, Json], scopes: tuple[tuple[tuple[str | None, ...], str], ...]) -> None:
        """Compiles it.

        Args:
            schema: the document.
            scopes: path in a file (None for any part) → the scope in `words.WORDS` of the keys there.
        """
        import jsonschema_rs

        self._schema = schema
        self._scopes = scopes
        self._validator: jsonschema_rs.Validator = jsonschema_rs.Draft7Validator(schema)

    def check(self, document: Document) -> Checked:
        """Everything that the schema refuses."""
        findings: list[Finding] = []
        bad: set[Path] = set()
        if self._validator.is_valid(document.value):
            return Checked(findings, bad, complete=True)
        for path, problem in self._errors(document.value):
            bad.add(path)
            findings.extend(islice(self._findings(document, path, problem), _MANY - len(findings)))
            if len(findings) == _MANY:
                return Checked(findings, bad, complete=False)
        if not findings:
            findings.append(error("bad-value", document.value_place(()), "the file does not follow its form"))
        return Checked(findings, bad, complete=True)

    def _errors(self, value: Json) -> Iterator[tuple[Path, Any]]:
        """The errors, with their paths. Long lists are taken piece by piece: all errors of a piece are made before one is seen."""
        long = [key for key, items in value.items() if isinstance(items, list) and len(items) > _PIECE]
        for problem in self._validator.iter_errors({key: [] if key in long else items for key, items in value.items()}):
            yield tuple(problem.instance_path), problem
        for key in long:
            for start in range(0, len(value[key]), _PIECE):
                for problem in self._validator.iter_errors({"version": 1, key: value[key][start : start + _PIECE]}):
                    path = tuple(problem.instance_path)
                    if len(path) > 1 and path[0] == key:
                        yield (key, start + int(path[1]), *path[2:]), problem

    def _findings(self, document: Document, path: Path, problem: Any) -> Iterator[Finding]:
        keyword = problem.schema_path[-1]
        if keyword == "additionalProperties":
            node = self._node(problem.schema_path[:-1])
            known = list(node.get("properties", ()))
            for key in problem.kind.unexpected:
                yield self._unknown_key(document, path, key, known, node)
        elif keyword == "required":
            yield from self._missing(document, path, problem.kind.property, self._node(problem.schema_path[:-1]).get("properties", {}))
        elif keyword in ("oneOf", "anyOf") and "required" in self._node((*problem.schema_path, 0)):
            yield from _alternatives(document, path, self._node(problem.schema_path[:-1]), str(keyword))
        else:
            yield self._about_value(document, path, str(keyword), problem)

    def _node(self, path: Iterable[str | int]) -> Any:
        node: Any = self._schema
        for part in path:
            node = node[part]
        return node

    def _scope(self, path: Path) -> str:
        for pattern, scope in self._scopes:
            if len(pattern) == len(path) and all(want is None or want == part for want, part in zip(pattern, path, strict=True)):
                return scope
        return ""

    def _unknown_key(self, document: Document, path: Path, key: str, known: list[str], node: Mapping[str, Json]) -> Finding:
        place, scope = document.key_place((*path, key)), self._scope(path)
        form = plain_form(key)[:100]
        if form in NOT_YET.get(scope, {}):
            verb = "supported" if scope == "tool" else "enforced"
            return error("not-yet", place, f"{tick(key)} is not {verb} yet", NOT_YET[scope][form] or None)
        if "patternProperties" in node and not known:
            return _bad_key(place, key, path)
        if scope == "rule" and form in EFFECTS:
            return error("unknown-effect", place, f"{tick(key)} is not an effect", f"agentgate says `{EFFECTS[form]}`")
        if scope == "operators":
            return error("unknown-operator", place, f"unknown operator {tick(key)}", key_help(scope, key, known))
        return error("unknown-key", place, f"unknown key {tick(key)}", key_help(scope, key, known))

    def _missing(self, document: Document, path: Path, key: str, known: Mapping[str, Json]) -> list[Finding]:
        if any(name not in known and closest(name, [key]) for name in islice(_value(document, path), _MANY)):
            return []  # the misspelt key is reported as unknown
        if not path and key == "version":
            return [error("version", document.value_place(()), "the key `version` is missing", "begin the file with `version: 1`")]
        return [error("missing-key", document.value_place(path), f"the key `{key}` is missing")]

    def _about_value(self, document: Document, path: Path, keyword: str, problem: Any) -> Finding:
        place, value = document.value_place(path), problem.instance
        node = self._node(problem.schema_path[:-1])
        wanted = _wanted(node)
        key = path[-1] if path else ""
        if keyword == "const" and key == "version":
            return _version(place, value)
        if keyword in ("enum", "const"):
            return _not_allowed(place, value, [node["const"]] if keyword == "const" else node["enum"], wanted)
        if keyword == "type":
            return error("wrong-type", place, f"{_described(value)} where {wanted} is expected", _type_help(value, wanted))
        if keyword == "pattern":
            definition = str(problem.schema_path[1]) if problem.schema_path[0] == "definitions" and "variable" not in wanted else ""
            return _mismatch(place, value, wanted, _BAD_PATTERN.get(definition, "bad-name"))
        if keyword == "minItems":
            return error("empty-list", place, "an empty list: this would be about nothing", "name something, or leave it out")
        if keyword == "minProperties" and value:
            return error("missing-key", place, "`optional` stands alone", "put an operator beside it: `{optional: true, equals: …}`")
        if keyword in _RANGE:
            return error("out-of-range", place, _range_message(keyword, value, node, wanted))
        return error("wrong-type", place, f"{_described(value)} where {wanted} is expected")


def _value(document: Document, path: Path) -> Json:
    value = document.value
    for part in path:
        value = value[part]
    return value


def _bad_key(place: Any, key: str, path: Path) -> Finding:
    section = path[-1] if path else ""
    if section == "tools":
        return error("bad-tool-name", place, f"{tick(key)} is not a tool name, a pattern with `*`, or a `@group`", _name_help(key))
    if section in ("when", "unless"):
        return error("bad-name", place, f"{tick(key)} cannot be an argument", "a name, dotted for nested objects, or `*`")
    return error("bad-name", place, f"{tick(key)} cannot be a name", "letters, digits, `_` and `-`")


def _wanted(node: Mapping[str, Json]) -> str:
    """What a schema expects, as a noun phrase."""
    if "title" in node:
        return str(node["title"])
    kind = node.get("type")
    return _TYPES.get(kind, "another value") if isinstance(kind, str) else "another value"


def _version(place: Any, value: Json) -> Finding:
    shown = f"'{value}'" if isinstance(value, str) else value
    return error("version", place, f"version {tick(shown)} is not known", "write `version: 1`")


def _mismatch(place: Any, value: str, wanted: str, code: str) -> Finding:
    if wanted == "text":
        return error("bad-value", place, "the text is blank" if not value.strip() else f"{tick(value)} with spaces in it")
    if wanted.startswith("a model"):
        help = None if ":" in value else f"write `openai:{value[:60]}`"
        return error("bad-value", place, f"{tick(value)} is not {wanted}", help)
    return error(code, place, f"{tick(value)} is not {wanted}", _name_help(value, dashes=code == "bad-id"))


def _not_allowed(place: Any, value: Json, allowed: list[Json], wanted: str) -> Finding:
    choices = ", ".join(f"`{item}`" for item in allowed)
    if wanted == "an effect":
        word = EFFECTS.get(plain_form(value)[:100]) if isinstance(value, str) else None
        near = f"agentgate says `{word}`" if word else _near(value, allowed, choices)
        return error("unknown-effect", place, f"{tick(value)} is not an effect", near)
    message = f"{tick(value)} is not possible here" if wanted == "another value" else f"{tick(value)} is not {wanted}"
    return error("not-allowed-value", place, message, _near(value, allowed, choices))


def _near(value: Json, allowed: list[Json], choices: str) -> str:
    if not isinstance(value, str):
        return f"possible: {choices}"
    found = closest(value, [item for item in allowed if isinstance(item, str)])
    if not found and EFFECTS.get(plain_form(value)[:100]) in allowed:
        found = EFFECTS[plain_form(value)[:100]]
    return f"did you mean `{found}`?" if found else f"possible: {choices}"


def _alternatives(document: Document, path: Path, node: Mapping[str, Json], keyword: str) -> list[Finding]:
    """`oneOf` and `anyOf` are used for one thing: which of several keys must be there."""
    value, known = _value(document, path), node.get("properties", {})
    if not isinstance(value, Mapping):
        return []  # its type is reported
    keys = [item["required"][0] for item in node[keyword]]
    there = [key for key in keys if key in value]
    if len(there) > 1:
        names = " and ".join(f"`{key}`" for key in there)
        if "python" in keys:
            return [error("several-kinds", document.key_place((*path, there[1])), f"{names} in one tool", "make it two tools")]
        return [error("several-effects", document.key_place((*path, there[1])), f"{names} in one rule", "make it two rules")]
    unknown = [key for key in islice(value, _MANY) if key not in known]
    if any(plain_form(key)[:100] in EFFECTS or closest(key, keys) for key in unknown):
        return []  # that key is reported as unknown
    names = ", ".join(f"`{key}`" for key in keys)
    return [error("missing-key", document.value_place(path), f"one of {names} is missing")]


def _described(value: Json) -> str:
    if value is None:
        return "`null`"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"the text {tick(value)}" if isinstance(value, str) else tick(value)


def _type_help(value: Json, wanted: str) -> str | None:
    if value is None:
        return "write `{equals: null}` where the argument must be null" if wanted.startswith("a value") else "leave it out"
    if isinstance(value, str) and "number" in wanted:
        return "numbers stand without quotes"
    if isinstance(value, int | float | bool) and ("text" in wanted or "name" in wanted):
        return f"put it in quotes: `'{str(value).lower()}'`"
    if isinstance(value, str) and "a program" in wanted:
        return f"write a list: `[{', '.join(value[:40].split())}]`"
    if isinstance(value, str) and "a list" in wanted:
        return f"write a list: `[{value[:40]}]`"
    return None


def _name_help(value: str, *, dashes: bool = False) -> str | None:
    if not value:
        return "an empty text names nothing"
    if not value.isascii():
        odd = next(character for character in value if not character.isascii())
        return f"{tick(odd)} (U+{ord(odd):04X}) is not one of the letters that names are made of"
    if dashes and (suggestion := re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:60]):
        return f"for instance `{suggestion}`"
    if value != value.strip():
        return "remove the space around it"
    if "," in value or " " in value:
        return "several names are a list: `[one, two]`"
    if len(value) > 64:
        return "names have at most 64 characters"
    return None


def _range_message(keyword: str, value: Json, node: Mapping[str, Json], wanted: str) -> str:
    bound = node.get(keyword)
    match keyword:
        case "minLength":
            return "the text is empty"
        case "maxLength":
            return f"{len(value)} characters, at most {bound} are possible"
        case "minProperties":
            return "an empty mapping: this would say nothing"
        case "maxItems":
            return f"{len(value)} items, at most {bound} are possible"
    if "title" in node:
        return f"{tick(value)} where {wanted} is expected"
    return f"{tick(value)} is {'less' if keyword.lower().endswith('minimum') else 'more'} than {bound}"
