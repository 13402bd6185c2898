"""Command and HTTP tools in a task file: what they become, and what is refused because it could mean something else than it seems to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentgate.errors import FileError
from agentgate.files.task_file import load_task
from agentgate.task import CommandLine, HttpRequest, Placeholder, ToolEffect, ToolSource
from tests.tools.task_files import write_task

TEXT = {"type": "string"}


def load(folder: Path, *entries: dict[str, Any]) -> tuple[ToolSource, ...]:
    return load_task(write_task(folder, *entries)).tools


def codes(folder: Path, *entries: dict[str, Any]) -> list[str]:
    """What is found in a task that does not load."""
    with pytest.raises(FileError) as caught:
        load(folder, *entries)
    return [finding.code for finding in caught.value.findings]


def command(*argv: str, **more: Any) -> dict[str, Any]:
    return {"command": list(argv), "name": "t", **more}


def http(url: str = "https://api.example.com/", method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"http": {"method": method, "url": url, **more}, "name": "t"}


def parameters(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def test_a_command(tmp_path: Path) -> None:
    """Every key of it; placeholders are texts that are required where the entry has no schema."""
    entry = command(
        "git", "log", "--max-count={count}", "--", "{path}", "{{x}}", "{more...}", workdir="src/lib", env=["GIT_DIR"], effect="read"
    )
    (tool,) = load(tmp_path, {**entry, "max_output_bytes": 10, "timeout_seconds": 2})
    count, path, more = Placeholder("count"), Placeholder("path"), Placeholder("more", spread=True)
    argv = (("git",), ("log",), ("--max-count=", count), ("--",), (path,), ("{x}",), (more,))
    assert tool.runs == CommandLine(argv, "src/lib", ("GIT_DIR",), 10)
    assert (tool.name, tool.effect, tool.timeout_seconds) == ("t", ToolEffect.READ, 2.0)
    assert tool.parameters == {
        "type": "object",
        "properties": {"count": TEXT, "path": TEXT, "more": {"type": "array", "items": TEXT}},
        "required": ["count", "path", "more"],
        "additionalProperties": False,
    }


def test_an_http_request(tmp_path: Path) -> None:
    """The server is fixed, the path in segments, the texts of the body are templates."""
    more = {"query": {"n": 1, "b": True, "q": "{q}"}, "headers": {"X": "a ${NAME}"}, "body": {"json": {"a": ["x {p}"], "n": 1}}}
    (tool,) = load(tmp_path, http("https://API.example.com:8443/v1/{id}.json", "POST", **more))
    assert tool.runs == HttpRequest(
        method="POST",
        origin="https://api.example.com:8443",
        path=(("v1",), (Placeholder("id"), ".json")),
        query=(("n", ("1",)), ("b", ("true",)), ("q", (Placeholder("q"),))),
        headers=(("X", "a ${NAME}"),),
        json={"a": [("x ", Placeholder("p"))], "n": 1},
    )
    assert tool.parameters is not None
    assert tool.parameters["required"] == ["id", "q", "p"]


@pytest.mark.parametrize(
    ("entry", "effect"),
    [
        (command("ls"), "write"),
        (command("ls", effect="read"), "read"),
        (http(), "read"),
        (http(method="HEAD"), "read"),
        (http(method="DELETE"), "write"),
        ({**http(), "effect": "write"}, "write"),
    ],
)
def test_effects(tmp_path: Path, entry: dict[str, Any], effect: str) -> None:
    """What is not known to only read writes."""
    (tool,) = load(tmp_path, entry)
    assert tool.effect == effect


GOOD: dict[str, dict[str, Any]] = {
    "optional option": command("ls", "--x={x}", parameters=parameters(x=TEXT)),
    "optional list": command("ls", "{x...}", parameters=parameters(x={"type": "array"})),
    "number": command("ls", "{x}", parameters=parameters("x", x={"type": ["integer", "boolean"]})),
    "value for a script": command("sh", "-c", 'cat -- "$1"', "sh", "{x}"),
    "script file": command("python3", "tool.py", "{x}"),
    "unused argument": command("ls", parameters=parameters(x=TEXT)),
    "path without slash": http("https://api.example.com"),
    "address": http("http://127.0.0.1:8080/{x}"),
    "escape in a path": http("https://api.example.com/a%20b/~x/"),
    "optional query": http(query={"a": "{x}"}) | {"parameters": parameters(x=TEXT)},
    "optional key": http(method="POST", body={"json": {"a": "{x}"}}) | {"parameters": parameters(x={"type": "object"})},
    "whole body": http(method="POST", body={"json": "{x}"}) | {"parameters": parameters("x", x={"type": "object"})},
}


@pytest.mark.parametrize("name", GOOD)
def test_what_loads(tmp_path: Path, name: str) -> None:
    """Forms that mean what they seem to."""
    assert len(load(tmp_path, GOOD[name])) == 1


BAD_TEMPLATES: dict[str, dict[str, Any]] = {
    "lone brace": command("ls", "{x"),
    "brace with a space": command("ls", "{ x }"),
    "list in text": command("ls", "a{x...}"),
    "program as argument": command("{x}"),
    "part of a program": command("git-{x}"),
    "no program": command(""),
    "option as program": command("-x"),
    "model names the option": command("ls", "-{x}"),
    "model names the long option": command("ls", "--{x}=1"),
    "shell script": command("bash", "-c", "ls {x}"),
    "shell script with more options": command("/bin/sh", "-euc", "ls {x}"),
    "python code": command("python3", "-c", "print('{x}')"),
    "perl code": command("perl", "-ne", "print if /{x}/"),
    "absolute folder": command("ls", workdir="/"),
    "folder above": command("ls", workdir="a/../.."),
    "unlisted": command("ls", "{x}", parameters=parameters(y=TEXT)),
    "optional word": command("ls", "{x}", parameters=parameters(x=TEXT)),
    "optional part of a word": command("cp", "a/{x}", "b", parameters=parameters(x=TEXT)),
    "list for text": command("ls", "{x}", parameters=parameters("x", x={"type": "array"})),
    "null for text": command("ls", "{x}", parameters=parameters("x", x={"type": ["string", "null"]})),
    "text for list": command("ls", "{x...}", parameters=parameters("x", x=TEXT)),
    "server as argument": http("https://{x}/"),
    "part of a server": http("https://{x}.example.com/"),
    "port as argument": http("https://example.com:{x}/"),
    "scheme as argument": http("{x}://example.com/"),
    "other scheme": http("file:///etc/passwd"),
    "user": http("https://a:b@example.com/"),
    "user as argument": http("https://{x}@example.com/"),
    "no server": http("https:///x"),
    "decimal address": http("http://2130706433/"),
    "short address": http("http://127.1/"),
    "backslash": http("https://example.com\\@evil.example/"),
    "query in the URL": http("https://example.com/?a={x}"),
    "fragment": http("https://example.com/#{x}"),
    "steps": http("https://example.com/a/../b"),
    "escaped steps": http("https://example.com/%2e%2E/b"),
    "broken escape": http("https://example.com/%zz"),
    "space in a path": http("https://example.com/a b"),
    "list in a path": http("https://example.com/{x...}"),
    "optional segment": http("https://example.com/{x}") | {"parameters": parameters(x=TEXT)},
    "body of GET": http(body={"json": {}}),
    "placeholder in a header": http(headers={"X": "{x}"}),
    "line break in a header": http(headers={"X": "a\r\nY: b"}),
    "bad variable": http(headers={"X": "${a b}"}),
    "header name": http(headers={"X: y": "a"}),
    "host header": http(headers={"HOST": "evil.example"}),
    "length header": http(headers={"content-length": "0"}),
    "list in JSON": http(method="POST", body={"json": ["{x...}"]}),
    "object in text": http(method="POST", body={"json": {"a": "x {x}"}}) | {"parameters": parameters("x", x={"type": "object"})},
    "optional item": http(method="POST", body={"json": ["{x}"]}) | {"parameters": parameters(x=TEXT)},
}


@pytest.mark.parametrize("name", BAD_TEMPLATES)
def test_what_could_mean_something_else(tmp_path: Path, name: str) -> None:
    """It is refused when the file is read, with the place of the tool."""
    assert codes(tmp_path, BAD_TEMPLATES[name]) == ["bad-template"]


OTHERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "two kinds": ({"command": ["ls"], "python": "x.py:f", "name": "t"}, ["several-kinds"]),
    "no kind": ({"name": "t"}, ["missing-key"]),
    "no name": ({"command": ["ls"]}, ["missing-key"]),
    "a shell's text": ({"command": "ls -l", "name": "t"}, ["wrong-type"]),
    "no words": (command(), ["empty-list"]),
    "number in argv": ({"command": ["ls", 1], "name": "t"}, ["wrong-type"]),
    "env of http": ({**http(), "env": ["X"]}, ["unknown-key"]),
    "workdir of python": ({"python": "x.py:f", "workdir": "."}, ["unknown-key"]),
    "unknown key": (http(verify=False), ["unknown-key"]),
    "two bodies": (http(method="POST", body={"json": 1, "form": {}}), ["wrong-type"]),
    "unknown method": (http(method="get"), ["not-allowed-value"]),
    "unknown effect": (command("ls", effect="none"), ["not-allowed-value"]),
    "no variable": (command("ls", env=["A=B"]), ["bad-name"]),
    "the model's key": (command("ls", env=["OPENAI_API_KEY"]), ["bad-variable"]),
    "the model's key in a header": (http(headers={"X": "${OPENAI_API_KEY}"}), ["bad-variable"]),
    "agentgate's own": (command("ls", env=["AGENTGATE_EVENTS_KEY"]), ["bad-variable"]),
    "bad schema": (command("ls", parameters={"type": "object", "minimum": "x"}), ["bad-schema"]),
    "too much output": (command("ls", max_output_bytes=2_000_000), ["out-of-range"]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_is_wrong(tmp_path: Path, name: str) -> None:
    """Each with a code of its own."""
    entry, wanted = OTHERS[name]
    assert codes(tmp_path, entry) == wanted


def test_the_key_that_the_task_names(tmp_path: Path) -> None:
    """Whatever the variable with the model's key is called, no tool gets it."""
    path = tmp_path / "task.yaml"
    tools = "tools: [{command: [ls], name: t, env: [MY_KEY]}]"
    path.write_text(f"version: 1\nprompt: p\nmodel: {{provider: openai, name: x, api_key_env: MY_KEY}}\n{tools}\n")
    with pytest.raises(FileError) as caught:
        load_task(str(path))
    assert [finding.code for finding in caught.value.findings] == ["bad-variable"]


def test_the_same_name_twice(tmp_path: Path) -> None:
    """Of whatever kind they are."""
    assert codes(tmp_path, command("ls"), http()) == ["duplicate-tool"]
