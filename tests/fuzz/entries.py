"""The seven places where bytes come in, each as a function that takes any bytes. What leaves it is a bug."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from agentgate.core.arguments import InvalidJson, parse_arguments
from agentgate.core.events import Code, Effect, ToolCall
from agentgate.core.lint import lint
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.errors import FileError
from agentgate.files import policy_file, task_file
from agentgate.files.reading import Source
from agentgate.files.transcript import Damage
from agentgate.files.transcript_reader import find_transcripts, read_sources
from agentgate.files.transcript_verify import verify
from agentgate.gateway import chat, responses
from agentgate.gateway.chat_stream import ChatStream
from agentgate.gateway.envelope import BadRequest
from agentgate.gateway.http.bodies import Chunks
from agentgate.gateway.http.messages import Unreadable
from agentgate.gateway.http.parsing import END, read_answer, read_request
from agentgate.gateway.shapes import Broken
from agentgate.replay import Replay, Tally
from agentgate.session import Session, prepare

_PIECE = 4096
"""Bytes that a stream comes in."""
_BODY = 16 * 1024 * 1024
_POLICY = prepare(
    Policy(
        "fuzz",
        rules=(
            Rule("reads", Effect.ALLOW, ("*",), when=(Condition("action", (("equals", "read"),)),)),
            Rule("words", Effect.BLOCK, ("*",), when=(Condition("*", (("search", r"(?i)\bdrop\b"),)),)),
            Rule("urls", Effect.BLOCK, ("*",), unless=(Condition("url", (("url", {"hosts": ["example.com"]}),), optional=True),)),
            Rule("paths", Effect.ASK, ("*",), unless=(Condition("path", (("path", ["src"]),), optional=True),)),
            Rule("mails", Effect.ASK, ("*",), unless=(Condition("to", (("email", ["example.com"]),), optional=True),)),
            Rule("programs", Effect.ASK, ("*",), unless=(Condition("command", (("command", ["ls **"]),), optional=True),)),
        ),
    )
)


def _text(data: bytes) -> str:
    """Bytes as a text that Python can hold, lone surrogates among it."""
    return data.decode("utf-8", "surrogateescape")


def arguments(data: bytes) -> None:
    """A model's arguments: parsed, and judged by a session, which never raises and never has to give up."""
    with suppress(InvalidJson):
        parse_arguments(_text(data))
    decision = Session(_POLICY).propose(ToolCall("call_1", "customer_db", _text(data)))
    assert decision.code is not Code.INTERNAL_ERROR, decision.reason


def policy(data: bytes) -> None:
    """A policy file: what is wrong with it is findings; one that loads can be linted."""
    reading = policy_file.understand([Source("policy.yaml", data, sha256(data).hexdigest())])
    assert (reading.policy is None) == any(finding.severity == "error" for finding in reading.findings)
    if reading.policy is not None:
        lint(reading.policy)


def task(data: bytes) -> None:
    """A task file: what is wrong with it is findings."""
    reading = task_file.understand(Source("task.yaml", data, sha256(data).hexdigest()))
    assert reading.task is not None or reading.findings


def transcript(data: bytes) -> None:
    """A transcript, ours or of others: replayed and audited; damage is told, not raised."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.jsonl")
        file.write_bytes(data)
        replay, tally = Replay(_POLICY.policy), Tally()
        with suppress(FileError):
            for found in read_sources(find_transcripts([file])):
                if not isinstance(found, Damage):
                    replay.count(found, tally)
        with suppress(FileError):
            verify(file)


def stream(data: bytes) -> None:
    """A model's streamed answer, of both kinds, held back and not; a broken one is told so."""
    for made in (ChatStream(), ChatStream(hold=True), responses.open_stream(_REQUEST, hold=False)):
        with suppress(Broken):
            for start in range(0, len(data), _PIECE):
                made.feed(data[start : start + _PIECE])
            made.end()
            made.released()


def body(data: bytes) -> None:
    """A request, and an answer that is not streamed, of both kinds."""
    for read in (chat.read_request, responses.read_request):
        with suppress(BadRequest):
            read(data, _BODY)
    for answer in (chat.read_answer, responses.read_answer):
        with suppress(Broken):
            answer(data, _REQUEST).released()


def http(data: bytes) -> None:
    """What comes over a connection, of a client or of the upstream: a head, and a body in chunks."""
    head, _, rest = data.partition(END)
    for read in (read_request, read_answer):
        with suppress(Unreadable):
            read(head + END)  # nobody reads one before it is whole
    for coded in (data, rest):
        with suppress(Unreadable):
            Chunks().feed(coded)


_REQUEST = chat.read_request(b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}', _BODY)

ENTRIES: dict[str, Callable[[bytes], None]] = {
    "arguments": arguments,
    "policy": policy,
    "task": task,
    "transcript": transcript,
    "stream": stream,
    "body": body,
    "http": http,
}
