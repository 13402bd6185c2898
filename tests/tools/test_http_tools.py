"""HTTP tools: what an argument can do to a request, and what a server can do to a run. Both is very little."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from agentgate.errors import FileError
from tests.tools.raw_server import RawServer, reply
from tests.tools.running import DATA, Run
from tests.tools.task_files import MINIMAL, Starter
from tests.tools.task_files import tools as tools

TOKEN = "s3cret-token-of-the-crm"
ENVIRON = {
    **MINIMAL,
    "CRM_TOKEN": TOKEN,
    "HTTP_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
}
HOSTILE = [
    "two words",
    "a/b",
    "%2f%2F",
    "?x=1&y=2",
    "#fragment",
    "@evil.example",
    ":8080//evil.example/",
    "http://evil.example/",
    "\\\\evil.example\\x",
    "a;b=c",
    "'\"`$(id)",
    "{v}",
    "grün \U0001f600 \u202e",
    "..a",
    "...",
    "x" * 10_000,
]
IDS = [str(number) for number in range(len(HOSTILE))]


def entry(server: RawServer, path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    """An HTTP tool of this server; `more` is what stands in `http`, or beside it."""
    beside: dict[str, Any] = {key: more.pop(key) for key in ("parameters", "timeout_seconds", "max_output_bytes", "effect") if key in more}
    return {"http": {"method": method, "url": server.url + path, **more}, "name": "t", **beside}


def result(run: Run, arguments: Mapping[str, Any] | None = None) -> Any:
    return run.result("t", arguments)


def test_a_request_and_its_answer(tools: Starter) -> None:
    """The method, the path, the query, the headers; and of the answer the status, some headers, and JSON that is read strictly."""
    answer = reply(b'{"name": "Anna"}', "Content-Type: application/json; charset=utf-8", "Set-Cookie: a=b", "X-Internal: x", 'ETag: "1"')
    with RawServer(answer) as server:
        query = {"expand": "{what}", "page": 1, "all": True}
        headers = {"Authorization": "Bearer ${CRM_TOKEN}", "X-Plain": "yes"}
        run = tools(entry(server, "/customers/{id}/orders", query=query, headers=headers), environ=ENVIRON)
        assert result(run, {"id": "101", "what": "a&b"}) == {
            "status": 200,
            "headers": {"content-type": "application/json; charset=utf-8", "etag": '"1"'},
            "body": {"name": "Anna"},
        }
        first, sent = server.head
    assert first == "GET /customers/101/orders?expand=a%26b&page=1&all=true HTTP/1.1"
    assert (sent["authorization"], sent["x-plain"], sent["host"]) == (f"Bearer {TOKEN}", "yes", server.url.removeprefix("http://"))
    assert sent["accept-encoding"] == "identity"
    assert sent["user-agent"].startswith("agentgate/")
    assert "cookie" not in sent


@pytest.mark.parametrize("value", HOSTILE, ids=IDS)
def test_a_value_stays_where_it_is(tools: Starter, value: str) -> None:
    """One segment of the path, one value of the query, one of a form: it changes nothing around it, and arrives as it was."""
    with RawServer(reply()) as server:
        run = tools(entry(server, "/a/{v}/z", "POST", query={"q": "{v}", "r": "x"}, body={"form": {"f": "{v}", "g": "y"}}))
        result(run, {"v": value})
        first, sent = server.head
        body = server.body
    method, target, version = first.split(" ")
    path, _, query = target.partition("?")
    assert (method, version, sent["host"]) == ("POST", "HTTP/1.1", server.url.removeprefix("http://"))
    assert [unquote(segment) for segment in path.split("/")] == ["", "a", value, "z"]
    assert parse_qsl(query, keep_blank_values=True) == [("q", value), ("r", "x")]
    assert parse_qsl(body.decode(), keep_blank_values=True) == [("f", value), ("g", "y")]
    assert "#" not in target


REFUSED = [
    "",
    ".",
    "..",
    "../x",
    "x/..",
    "a/../b",
    "..\\x",
    "%2e%2e",
    "%252e%252e/",
    "..%2fx",
    "x/..;/y",
    "a\nb",
    "a\r\nX: y",
    "\0",
    "x" * 70_000,
]


@pytest.mark.parametrize("value", REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_values_that_cannot_stand_in_a_path(tools: Starter, value: str) -> None:
    """Empty ones, steps upwards in every disguise, control characters; nothing is sent."""
    with RawServer() as server:
        outcome = tools(entry(server, "/a/{v}/z")).call("t", {"v": value})
        assert (outcome.ok, outcome.executed) == (False, False)
        assert "invalid arguments" in outcome.content
        assert server.requests == []


def test_a_step_made_of_two_values(tools: Starter) -> None:
    """The segment counts, not its parts."""
    with RawServer() as server:
        outcome = tools(entry(server, "/a/{v}{w}/z")).call("t", {"v": ".", "w": "."})
        assert not outcome.executed
        assert server.requests == []


def test_a_json_body(tools: Starter) -> None:
    """A placeholder that stands alone is the argument itself, and takes its key along; others are text."""
    properties = {"tier": {"type": "string"}, "tags": {"type": "array"}, "n": {"type": "integer"}, "note": {"type": "string"}}
    parameters = {"type": "object", "properties": properties, "required": ["tier", "n"]}
    body = {"json": {"tier": "{tier}", "deep": [{"tags": "{tags}"}, "n is {n}"], "note": "{note}", "fixed": [1, None, True, "{{x}}"]}}
    with RawServer(reply(), reply()) as server:
        run = tools(entry(server, "/", "PUT", body=body, parameters=parameters))
        result(run, {"tier": 'x", "admin": true, "y": "', "tags": ["a", {"b": None}], "n": 3, "note": "{tier}"})
        assert server.head[1]["content-type"] == "application/json"
        assert json.loads(server.body) == {
            "tier": 'x", "admin": true, "y": "',
            "deep": [{"tags": ["a", {"b": None}]}, "n is 3"],
            "note": "{tier}",
            "fixed": [1, None, True, "{x}"],
        }
        result(run, {"tier": "free", "n": 3})
        assert json.loads(server.body) == {"tier": "free", "deep": [{}, "n is 3"], "fixed": [1, None, True, "{x}"]}


def test_lists_in_a_query(tools: Starter) -> None:
    """The name is repeated; what is left out leaves its name out."""
    properties = {"ids": {"type": "array", "items": {"type": "integer"}}, "x": {"type": "string"}}
    with RawServer(reply()) as server:
        run = tools(entry(server, query={"id": "{ids...}", "x": "{x}"}, parameters={"type": "object", "properties": properties}))
        result(run, {"ids": [1, 2]})
        assert server.head[0] == "GET /?id=1&id=2 HTTP/1.1"


def test_the_idempotency_key(tools: Starter) -> None:
    """A header of requests that write, and of no others."""
    with RawServer(reply(), reply(), reply()) as server:
        run = tools(entry(server, "/", "POST"), {**entry(server, "/", "GET"), "name": "look"})
        run.result("t", key="k-1")
        assert server.head[1]["idempotency-key"] == "k-1"
        run.result("t")
        assert "idempotency-key" not in server.head[1]
        run.result("look", key="k-2")
        assert "idempotency-key" not in server.head[1]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirect_is_a_result(tools: Starter, status: str) -> None:
    """It is not followed, wherever it leads, and says so."""
    with RawServer(reply(b"moved", "Location: http://169.254.169.254/latest", status=status)) as server:
        said = result(tools(entry(server)))
        assert said["status"] == int(status[:3])
        assert said["headers"] == {"location": "http://169.254.169.254/latest"}
        assert said["note"] == "a redirect, which was not followed"
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content"])
def test_any_status_is_a_result(tools: Starter, status: str) -> None:
    """What it means is the model's business."""
    with RawServer(reply(status=status)) as server:
        assert result(tools(entry(server))) == {"status": int(status[:3]), "headers": {}, "body": ""}


@pytest.mark.parametrize(
    ("kind", "body", "read"),
    [
        ("application/json", b'{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        ("application/json", b'{"a": NaN}', '{"a": NaN}'),
        ("application/json", b"[" * 63 + b"]" * 63, "[" * 63 + "]" * 63),
        ("application/json", b"\xff", "\ufffd"),
        ("application/problem+json", b"[1]", [1]),
        ("text/json", b"[1]", "[1]"),
        ("text/plain", b"[1]", "[1]"),
        ("text/plain; charset=iso-8859-1", b"gr\xfcn", "grün"),
        ("text/plain; charset=rot13", b"abc", "abc"),
        ("text/plain", b"\xffx\x00", "\ufffdx\0"),
    ],
)
def test_bodies(tools: Starter, kind: str, body: bytes, read: Any) -> None:
    """JSON where the server says so and it is strict JSON; else text, whatever the bytes are."""
    with RawServer(reply(body, f"Content-Type: {kind}")) as server:
        assert result(tools(entry(server)))["body"] == read


def test_a_large_answer_is_cut(tools: Starter) -> None:
    """Half a JSON is text; the rest is not even read."""

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[")
        for _ in itertools.count():
            connection.sendall(b"1," * 50_000)

    with RawServer(flood) as server:
        outcome = tools(entry(server, max_output_bytes=5)).call("t")
        assert outcome.truncated
        said = json.loads(outcome.content)["result"]
        assert (said["body"], said["truncated"]) == ("[1,1,", True)
        assert server.left.wait(30)


def test_an_answer_that_grows_as_json(tools: Starter) -> None:
    """A million control characters are cut to what a model may get."""
    with RawServer(reply(b"\x01" * 1_000_000)) as server:
        outcome = tools(entry(server, max_output_bytes=1_000_000)).call("t")
    assert outcome.truncated
    assert len(outcome.content.encode()) <= 1024 * 1024


FAILING = {
    "gzip": (reply(gzip.compress(b"x" * 10_000_000), "Content-Encoding: gzip"), "the answer is compressed, which was not asked for"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "not valid HTTP"),
    "length and chunks": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab", "not valid HTTP"),
    "short": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", "not valid HTTP, or broke off"),
    "no http": (b"SSH-2.0-OpenSSH\r\n\r\n", "not valid HTTP"),
    "nothing": (b"", "not valid HTTP, or broke off"),
    "huge headers": (b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %01000d\r\n" % (n, 0) for n in range(1000)) + b"\r\n", "not valid HTTP"),
    "bad header": (b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n", "not valid HTTP"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_answers_that_are_none(tools: Starter, name: str) -> None:
    """The call fails in words, may have had its effect, and the next one works."""
    answer, said = FAILING[name]
    with RawServer(answer, reply(b"fine")) as server:
        run = tools(entry(server, headers={"Authorization": "Bearer ${CRM_TOKEN}"}), environ=ENVIRON)
        outcome = run.call("t")
        assert (outcome.ok, outcome.executed) == (False, True)
        assert said in json.loads(outcome.content)["error"]
        assert TOKEN not in outcome.content
        assert len(server.requests) == 1, "nothing that may have had its effect is tried again"
        assert result(run)["body"] == "fine"


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"], ids=["headers", "body"])
def test_a_server_that_drips(tools: Starter, first: bytes) -> None:
    """The time limit is about the whole exchange, however alive the connection looks."""
    going = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(first)
        for byte in itertools.cycle(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000 if not first else b"x"):
            connection.sendall(bytes([byte]))
            going.wait(0.01)

    with RawServer(drip, reply(b"fine")) as server:
        run = tools(entry(server, timeout_seconds=1))
        assert run.error("t") == "tool 't' failed: no answer within 1 s, may have run"
        assert server.left.wait(30)
        assert result(run)["body"] == "fine"


def test_nobody_listens(tools: Starter) -> None:
    """Certainly nothing was executed then."""
    with RawServer() as server:
        pass
    outcome = tools(entry(server)).call("t")
    assert (outcome.ok, outcome.executed) == (False, False)
    assert "no connection" in outcome.content


def test_certificates_are_verified(tools: Starter) -> None:
    """A server that nobody vouches for gets no request, and no header."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(DATA / "untrusted.pem")
    with RawServer(reply(), tls=tls) as server:
        outcome = tools(entry(server, headers={"Authorization": "Bearer ${CRM_TOKEN}"}), environ=ENVIRON).call("t")
        assert server.requests == []
    assert (outcome.ok, outcome.executed) == (False, False)
    assert "certificate verify failed" in outcome.content


def test_abandoned(tools: Starter) -> None:
    """`abandon` ends the request at once, and lets no later one start."""
    asked = threading.Event()

    def hang(connection: socket.socket) -> None:
        asked.set()
        while connection.recv(1):
            pass

    with RawServer(hang) as server:
        run = tools(entry(server, timeout_seconds=600))
        said: list[str] = []
        calling = threading.Thread(target=lambda: said.append(run.error("t")))
        calling.start()
        assert asked.wait(30)
        run.toolbox.abandon()
        calling.join(60)
        assert said == ["tool 't' failed: interrupted, may have run"]
        assert not run.call("t").executed


def test_secrets_do_not_come_back(tools: Starter) -> None:
    """A server that repeats what it was sent repeats it to nobody."""
    body = json.dumps({TOKEN: ["Bearer " + TOKEN], "n": 1}).encode()
    answer = reply(body, "Content-Type: application/json", f"X-Request-Id: {TOKEN}", f"Location: https://example.com/?t={TOKEN}")
    with RawServer(answer) as server:
        outcome = tools(entry(server, headers={"Authorization": "Bearer ${CRM_TOKEN}"}), environ=ENVIRON).call("t")
    assert TOKEN not in outcome.content
    assert json.loads(outcome.content)["result"]["body"] == {"[CRM_TOKEN]": ["Bearer [CRM_TOKEN]"], "n": 1}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "the environment variable `CRM_TOKEN` is not set"),
        ({"CRM_TOKEN": ""}, "the environment variable `CRM_TOKEN` is not set"),
        ({"CRM_TOKEN": "sk-the-models-key", "OPENAI_API_KEY": "sk-the-models-key"}, "the environment variable `CRM_TOKEN` is not set"),
        ({"CRM_TOKEN": "s3cret\nX: y"}, "the value of `CRM_TOKEN` cannot stand in a header"),
        ({"CRM_TOKEN": "s3crét"}, "the value of `CRM_TOKEN` cannot stand in a header"),
    ],
)
def test_variables_are_looked_up_when_the_task_is_opened(tools: Starter, environ: Mapping[str, str], said: str) -> None:
    """What is missing or impossible is said before anything starts, and no value is."""
    with RawServer() as server, pytest.raises(FileError) as caught:
        tools(entry(server, headers={"Authorization": "Bearer ${CRM_TOKEN}"}), environ={**MINIMAL, **environ})
    (finding,) = caught.value.findings
    assert (finding.code, finding.message) == ("tool-variable", f"tool `t`: {said}")
    assert "s3cr" not in str(finding)
