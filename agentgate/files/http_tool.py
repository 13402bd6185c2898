"""HTTP tools in a task: one request to a server that the task names, with arguments in its path, query and body."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET

from agentgate.core.conditions.test import Unjudgeable
from agentgate.core.conditions.url import parse
from agentgate.core.events import Json
from agentgate.files.templates import BadTemplate, check_parameters, parameters_for, placeholders, template
from agentgate.files.words import tick
from agentgate.task import HttpRequest, Template, ToolEffect

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_SAFE = ("GET", "HEAD")
_URL = re.compile(r"(https?://)([^/?#\\]*)((?:/[^?#]*)?)((?:[?#].*)?)", re.DOTALL)
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_DOTS = re.compile(r"(?:\.|%2[eE]){1,2}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OURS = frozenset((
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect", "accept-encoding",
    "proxy-authorization", "proxy-connection", "idempotency-key",
))  # fmt: skip
"""Headers that decide how a request is read, or that agentgate sets."""


def http_tool(entry: Mapping[str, Any]) -> tuple[HttpRequest, dict[str, Any], ToolEffect]:
    """The request of an entry that follows the schema, the JSON Schema of its arguments, and what it does if the task does not say.

    Raises:
        BadTemplate: what is no fixed server, or could mean something else than it seems to.
    """
    http = entry["http"]
    method = http["method"]
    origin, path = _address(http["url"])
    query = tuple((name, _scalar(value)) for name, value in http.get("query", {}).items())
    body = http.get("body", {})
    if body and method in _SAFE:
        raise BadTemplate(f"a {method} request has no body", "give the values in `query`, or choose another `method`")
    json = _templates(body["json"]) if "json" in body else UNSET
    form = tuple((name, _scalar(value)) for name, value in body["form"].items()) if "form" in body else None
    request = HttpRequest(
        method=method,
        origin=origin,
        path=path,
        query=query,
        headers=tuple(_header(name, value) for name, value in http.get("headers", {}).items()),
        json=json,
        form=form,
        **({"max_output_bytes": entry["max_output_bytes"]} if "max_output_bytes" in entry else {}),
    )
    schema = _schema(request, entry.get("parameters"))
    return request, schema, ToolEffect.READ if method in _SAFE else ToolEffect.WRITE


def _address(url: str) -> tuple[str, tuple[Template, ...]]:
    """The fixed server, and the segments of the path."""
    match = _URL.fullmatch(url)
    if match is None:
        raise BadTemplate(f"{tick(url)} is not a URL", "write `https://host/path/{argument}`")
    scheme, host, path, rest = match.groups()
    if "{" in host or "}" in host:
        raise BadTemplate("the server itself cannot be an argument", "write one tool for each server")
    if "@" in host:
        raise BadTemplate("a URL with a user in it", "send the secret as a header: `Authorization: Basic ${NAME}`")
    try:
        parse(scheme + host)
    except Unjudgeable as problem:
        raise BadTemplate(f"the URL {problem}") from None
    if rest:
        raise BadTemplate("a URL with a query or fragment", "write parameters under `query`: `query: {page: 1}`")
    segments = tuple(template(segment) for segment in path.split("/")[1:])
    for segment in segments:
        _check_segment(segment)
    return scheme + host.lower(), segments


def _check_segment(segment: Template) -> None:
    if any(one.spread for one in placeholders([segment])):
        raise BadTemplate("a list in a path", "name each part by itself")
    for text in (part for part in segment if isinstance(part, str)):
        if _SEGMENT.fullmatch(text) is None:
            raise BadTemplate(f"{tick(text)} cannot stand in a path as it is", "write it with `%…` escapes")
    if not placeholders([segment]) and _DOTS.fullmatch(str(segment[0])):
        raise BadTemplate("a path with `.` or `..` in it", "write where it leads")


def _scalar(value: Json) -> Template:
    if isinstance(value, str):
        return template(value)
    return (str(value).lower() if isinstance(value, bool) else str(value),)


def _templates(value: Json) -> Json:
    """A body with every text in it read as a template, a tuple. Keys stay as they are."""
    if isinstance(value, str):
        return template(value)
    if isinstance(value, list):
        return [_templates(item) for item in value]
    if isinstance(value, dict):
        return {key: _templates(item) for key, item in value.items()}
    return value


def _header(name: str, value: str) -> tuple[str, str]:
    if _HEADER.fullmatch(name) is None:
        raise BadTemplate(f"{tick(name)} is not the name of a header")
    if name.lower() in _OURS:
        raise BadTemplate(f"the header {tick(name)} is set by agentgate", "leave it out")
    rest = VARIABLE.sub("", value)
    if "${" in rest:
        raise BadTemplate(f"the header {tick(name)} has `${{` without the name of a variable", "write `${NAME}`")
    if "{" in rest or "}" in rest:
        raise BadTemplate(
            f"the header {tick(name)} has a placeholder", "arguments stand in the path, the query and the body; `${NAME}` is a variable"
        )
    if _VALUE.fullmatch(value) is None:
        raise BadTemplate(f"the header {tick(name)} has a line break, or a character outside of ASCII")
    return name, value


def _schema(request: HttpRequest, given: dict[str, Any] | None) -> dict[str, Any]:
    entries = [template for _, template in (*request.query, *(request.form or ()))]
    body = list(_in_body(request.json))
    if any(one.spread for one in placeholders(text for text, _ in body)):
        raise BadTemplate("a list with dots in a JSON body", "write `{names}`: there it is the list itself")
    found = placeholders([*request.path, *entries, *(text for text, _ in body)])
    schema = given or parameters_for(found)
    fixed = {one.name for one in placeholders([*request.path, *(text for text, removable in body if not removable)])}
    as_text = {one.name for one in placeholders([*request.path, *entries, *(text for text, _ in body if len(text) > 1)])}
    names = {one.name for one in found}
    check_parameters(found, names - fixed, schema, anything=names - as_text)
    return schema


def _in_body(value: Json, *, removable: bool = False) -> Iterator[tuple[Template, bool]]:
    """The texts of a JSON body, each with whether its key goes with it where its argument is left out."""
    if isinstance(value, tuple):
        yield value, removable and len(value) == 1
    elif isinstance(value, dict):
        for item in value.values():
            yield from _in_body(item, removable=True)
    elif isinstance(value, list):
        for item in value:
            yield from _in_body(item)
