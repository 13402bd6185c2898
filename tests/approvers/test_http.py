"""Servers that approve: one request, one answer with status 200 from that very address, in time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from agentgate.approvers import open_approver
from agentgate.approvers.http import HttpLine, check_url
from agentgate.approvers.messages import sign
from agentgate.approvers.remote import Failed
from agentgate.errors import UsageError
from tests.approvers.asking import ABOUT, QUESTION, SECRET

Answering = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@contextmanager
def server(answering: Answering) -> Iterator[str]:
    """A server on loopback that answers like this."""

    class Asked(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answering(self, json.loads(body))

        def log_message(self, *arguments: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}/approve"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def send(handler: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(data)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def yes(asked: dict[str, Any]) -> bytes:
    said = {name: asked[name] for name in ("run_id", "call_id", "args_hash", "nonce")} | {"answer": "approve", "by": "anna"}
    if "signature" in asked:
        said["signature"] = sign(said, SECRET)
    return json.dumps(said).encode()


def ask(url: str, secret: bytes | None = None, seconds: float = 30.0) -> Any:
    return open_approver(url, ABOUT, secret=secret, seconds=seconds, environ={}).ask(QUESTION)


@pytest.mark.parametrize("secret", [None, SECRET], ids=["unsigned", "signed"])
def test_a_server_answers(secret: bytes | None) -> None:
    """And is named in the record beside the person."""
    with server(lambda handler, asked: send(handler, yes(asked))) as url:
        answer = ask(url, secret)
        assert (answer.approved, answer.by) == (True, f"anna ({url.split('/')[2]})")


def test_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with server(lambda handler, asked: send(handler, yes(asked))) as url:
        assert ask(url).approved


@pytest.mark.parametrize("status", [201, 202, 204, 400, 401, 404, 500])
def test_any_other_status_is_a_no(status: int) -> None:
    """Also with a fitting yes in the body."""
    with server(lambda handler, asked: send(handler, b"" if status == 204 else yes(asked), status)) as url:
        answer = ask(url)
        assert (answer.approved, answer.unavailable, answer.note) == (False, True, f"the approver answered with status {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_no(status: int) -> None:
    """Nobody is asked but whom the operator named."""
    asked_there: list[Any] = []

    def elsewhere(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        asked_there.append(asked)
        send(handler, yes(asked))

    with server(elsewhere) as other, server(lambda handler, asked: send(handler, b"", status, Location=other)) as url:
        assert not ask(url).approved
    assert asked_there == []


def test_an_answer_that_is_too_long() -> None:
    """It is not read to its end."""
    with server(lambda handler, asked: send(handler, b" " * 10_000_000)) as url:
        assert "longer than 65536 bytes" in str(ask(url).note)


def test_a_compressed_answer_is_a_no() -> None:
    """Nobody asked for that, and it can become any size."""
    with server(lambda handler, asked: send(handler, yes(asked), Content_Encoding="gzip")) as url:
        assert ask(url).note == "the answer is compressed"


def test_nobody_there() -> None:
    """A port that nothing listens to."""
    with server(lambda handler, asked: None) as url:
        pass
    assert "cannot be asked" in str(ask(url).note)


def test_a_server_that_says_nothing() -> None:
    """Whoever waits longer first, the reason is the same: the time is over."""
    stop = threading.Event()

    def silent(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        stop.wait(30)

    with server(silent) as url:
        try:
            assert ask(url, seconds=1.0).note == "no answer in time"
        finally:
            stop.set()


def test_a_server_that_drips() -> None:
    """Every read brings something, and it never ends: the time for the whole answer is what counts."""
    stop = threading.Event()

    def dripping(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not stop.wait(0.05):
                handler.wfile.write(b" ")
        except OSError:
            pass

    with server(dripping) as url:
        try:
            assert ask(url, seconds=1.0).note == "no answer in time"
        finally:
            stop.set()


def test_a_question_can_be_cut_short() -> None:
    """Ctrl-C while the server thinks about it."""
    asked_there, go = threading.Event(), threading.Event()

    def thinking(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        asked_there.set()
        go.wait(30)

    failures: list[str] = []
    with server(thinking) as url:
        line = HttpLine(url)

        def asking() -> None:
            try:
                line.exchange(b"{}", 600)
            except Failed as failure:
                failures.append(str(failure))

        thread = threading.Thread(target=asking)
        thread.start()
        assert asked_there.wait(30)
        line.close()
        thread.join(30)
        go.set()
    assert failures == ["interrupted"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "http://10.0.0.1/", "http://localhost.example.com/", "http://127.0.0.1.example.com/", "http://[::2]/",
        "http://0.0.0.0/", "http://2130706433/", "https://user:pw@example.com/", "http://user@127.0.0.1/", "https:///x", "https://", "http://[/",
        "http://127.0.0.1:99999/", "https://example.com/#x",
    ],
)  # fmt: skip
def test_addresses_that_may_not_be_asked(url: str) -> None:
    """In the clear only on this machine, and without a name and password in it."""
    with pytest.raises(UsageError):
        check_url(url, signed=True)


def test_beyond_this_machine_a_secret_is_needed() -> None:
    """And https; on this machine neither."""
    with pytest.raises(UsageError, match="needs a shared secret"):
        check_url("https://approvals.example.com/x", signed=False)
    assert check_url("https://approvals.example.com:8443/x", signed=True) == "approvals.example.com:8443"
    for local in ("http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:9/", "http://127.8.8.8/"):
        check_url(local, signed=False)
