"""A Python function as a tool: its JSON Schema from type hints and docstring, and how JSON arguments become what it expects.

Runs in the worker process only, because pydantic takes its time to import.

Objects are closed: what a signature, a dataclass, a TypedDict or a model does not name is refused, unless a model says `extra="allow"`.
Arguments of plain JSON types (`str`, `int`, `float`, `bool`, `None`, lists, dictionaries, TypedDicts, Literals, unions of those) reach the
function as they were parsed. Others (dataclasses, models, dates, enums, sets, constrained types …) are converted by pydantic, strictly.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import docstring_parser
from msgspec import Struct
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaError

from agentgate.core.events import Json
from agentgate.tools.hints import is_plain, portable

if TYPE_CHECKING:
    from pydantic_core import core_schema

_NOT_PASSED_BY_NAME = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of arguments (`*`)",
}


class Unsupported(ValueError):
    """A function that cannot be a tool. The message says why, in lower case."""


class InvalidArgument(ValueError):
    """An argument that its type refuses."""


class Description(Struct, frozen=True):
    """What is known about a function."""

    summary: str
    """The first paragraph of its docstring."""
    parameters: dict[str, Json] | None
    """The JSON Schema; None where the task brings its own."""
    adapters: Mapping[str, TypeAdapter[Any]]
    """For parameters that want more than plain JSON."""

    def convert(self, arguments: Mapping[str, Json]) -> dict[str, object]:
        """The arguments as the function expects them.

        Raises:
            InvalidArgument: a value does not become what the parameter is annotated with.
        """
        return {name: self._converted(name, value) for name, value in arguments.items()}

    def _converted(self, name: str, value: Json) -> object:
        adapter = self.adapters.get(name)
        if adapter is None:
            return value
        try:
            return adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in (name, *first["loc"]))
            raise InvalidArgument(f"{where}: {first['msg']}") from None


def describe(function: Callable[..., object], given: Mapping[str, Json] | None = None) -> Description:
    """Looks at a function.

    Args:
        function: what the task names.
        given: the schema in the task, where it has one; then parameters need no annotations, and `**` may stand for further ones.

    Raises:
        Unsupported: it cannot be called with JSON arguments by name, or its types have no JSON Schema.
    """
    parameters = _parameters(function, given)
    hints = _hints(function)
    if given is not None:
        _check_given(parameters, given)
    elif bare := [name for name in parameters if name not in hints]:
        raise Unsupported(f"parameter `{bare[0]}` has no type annotation")
    named = {name: portable(hints[name]) for name in parameters if name in hints}
    adapters = {name: _adapter(name, hint) for name, hint in named.items() if given is None or not is_plain(hint)}
    summary, descriptions = _docstring(function)
    schema = None if given is not None else _schema(parameters, adapters, descriptions)
    return Description(summary, schema, {name: adapter for name, adapter in adapters.items() if not is_plain(named[name])})


def _parameters(function: Callable[..., object], given: Mapping[str, Json] | None) -> dict[str, inspect.Parameter]:
    if inspect.isclass(function):
        raise Unsupported("it is a class, not a function")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise Unsupported("its signature cannot be read") from None
    named = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind in _NOT_PASSED_BY_NAME:
            raise Unsupported(f"parameter `{name}` {_NOT_PASSED_BY_NAME[parameter.kind]}, and tools are called by name")
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            if given is None:
                raise Unsupported(f"parameter `{name}` takes any further arguments (`**`), which needs `parameters` in the task")
            continue
        if isinstance(parameter.default, FieldInfo):
            raise Unsupported(f"parameter `{name}` has `Field(…)` as its default; write `Annotated[…, Field(…)]`")
        named[name] = parameter
    return named


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(target, include_extras=True)
    except Exception as error:
        raise Unsupported(f"its type hints cannot be understood: {error}") from None


def _check_given(parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Json]) -> None:
    """Whether a schema that simply lists `properties` fits the signature. Schemas that combine others are not looked into."""
    properties = given.get("properties")
    if not isinstance(properties, Mapping):
        return
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in properties and not _combines(given):
            raise Unsupported(f"parameter `{name}` is missing in `parameters`")


def _combines(schema: Mapping[str, Json]) -> bool:
    return any(key in schema for key in ("$ref", "allOf", "anyOf", "oneOf", "if", "additionalProperties", "patternProperties"))


def _adapter(name: str, hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        raise Unsupported(f"parameter `{name}` has a type that JSON cannot carry: `{hint}`") from None
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError, RecursionError) as error:
        raise Unsupported(f"parameter `{name}` has a type that cannot be used: {_brief(error)}") from None


def _brief(error: BaseException) -> str:
    text = _one_line(str(error).split("For further information")[0]).rstrip(".")
    return text[:300] or type(error).__name__


def _docstring(function: Callable[..., object]) -> tuple[str, dict[str, str]]:
    """The summary, and what is said about the parameters in Google's, NumPy's or Sphinx' way."""
    text = inspect.getdoc(function) or ""
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return _one_line(text.split("\n\n")[0]), {}
    summary = parsed.short_description or ""
    if parsed.long_description and not parsed.blank_after_short_description:
        summary += f" {parsed.long_description.split(chr(10) * 2)[0]}"
    described = ((parameter.arg_name, _one_line(parameter.description or "")) for parameter in parsed.params)
    return _one_line(summary), {name: said for name, said in described if said}


def _one_line(text: str) -> str:
    return " ".join(text.split())


# The JSON Schema of a signature


class _Generator(GenerateJsonSchema):
    """JSON Schemas without what only forms need, and without patterns that RE2 cannot compile."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        number = self.float_schema(cast("core_schema.FloatSchema", {**schema, "type": "float"}))
        return {"anyOf": [number, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}]}


def _schema(
    parameters: Mapping[str, inspect.Parameter], adapters: Mapping[str, TypeAdapter[Any]], descriptions: Mapping[str, str]
) -> dict[str, Json]:
    try:
        made, shared = TypeAdapter.json_schemas(
            [(name, "validation", adapter) for name, adapter in adapters.items()], schema_generator=_Generator
        )
    except (PydanticUserError, TypeError, ValueError) as error:
        raise Unsupported(f"a parameter has no JSON Schema: {_brief(error)}") from None
    properties = {}
    for name, parameter in parameters.items():
        document = tidy(made[(name, "validation")])
        if name in descriptions:
            document.setdefault("description", descriptions[name])
        if parameter.default is not inspect.Parameter.empty:
            document |= _default(adapters[name], parameter.default)
        properties[name] = document
    schema: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [name for name, parameter in parameters.items() if parameter.default is inspect.Parameter.empty]
    if required:
        schema["required"] = required
    if definitions := shared.get("$defs"):
        schema["$defs"] = {name: tidy(document) for name, document in definitions.items()}
    return schema


def _default(adapter: TypeAdapter[Any], value: object) -> dict[str, Json]:
    """`default`, where the value can be said in JSON; it is only there to be read."""
    try:
        document = adapter.dump_python(value, mode="json", warnings=False)
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return {}
    return {"default": document}


_MAPS = ("properties", "$defs", "patternProperties", "dependentSchemas")
_INNER = ("items", "additionalProperties", "not", "contains", "propertyNames")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def tidy(document: Json) -> Json:
    """A JSON Schema of pydantic's without titles and other vocabularies, and closed wherever it lists properties and says nothing else."""
    if not isinstance(document, dict):
        return document
    made: dict[str, Json] = {}
    for key, value in document.items():
        if key in ("title", "discriminator"):
            continue
        if key in _MAPS:
            made[key] = {name: tidy(child) for name, child in value.items()}
        elif key in _INNER:
            made[key] = tidy(value)
        elif key in _LISTS:
            made[key] = [tidy(child) for child in value]
        else:
            made[key] = value
    if "properties" in made:
        made.setdefault("additionalProperties", False)
    return made
