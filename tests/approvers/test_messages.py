"""What approvers outside are asked, and that only a clear answer to exactly this question is a yes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.approvers.messages import MAX_ANSWER, Request, Unclear, answer, request, sign
from agentgate.approvers.port import Answer
from agentgate.approvers.remote import Failed, RemoteApprover
from agentgate.core.arguments import parse_json
from agentgate.core.events import Scope
from tests.approvers.asking import ABOUT, NOW, QUESTION, SECRET, Clock, nonce


def asked(secret: bytes | None = None) -> Request:
    return request(QUESTION, ABOUT, now=NOW, seconds=300, random=nonce, secret=secret)


def reply(secret: bytes | None = None, **fields: Any) -> dict[str, Any]:
    """A fitting yes, with some fields changed; None takes one out."""
    question = asked().fields
    said = {name: question[name] for name in ("run_id", "call_id", "args_hash", "nonce")} | {"answer": "approve", "by": "anna"} | fields
    said = {name: value for name, value in said.items() if value is not None}
    return said if secret is None else {**said, "signature": sign(said, secret)}


def read(said: Any, secret: bytes | None = None, **now: Any) -> Answer:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    return answer(data, asked(secret), now=now.get("now", NOW), who="command:x", secret=secret)


def test_the_question_says_everything() -> None:
    """One JSON object, with all that somebody needs to decide and nothing else."""
    assert parse_json(asked().data) == {
        "version": 1,
        "run_id": "k3v9",
        "call_id": "call_1",
        "tool": "refund",
        "arguments": {"order_id": "A-1007", "amount": 249.0},
        "args_hash": QUESTION.args_hash,
        "rule": "refunds-big",
        "reason": "amount 249.0 is above 100",
        "role": "operator",
        "policy": {"name": "support", "sha256": "b" * 64},
        "task": "refunds",
        "asked_at": "2026-01-01T12:00:00Z",
        "expires_at": "2026-01-01T12:05:00Z",
        "nonce": "000102030405060708090a0b0c0d0e0f",
    }


def test_a_signed_question() -> None:
    """The signature covers everything else in it."""
    said = parse_json(asked(SECRET).data)
    signature = said.pop("signature")
    assert signature == sign(said, SECRET)
    assert signature != sign({**said, "tool": "other"}, SECRET)
    assert signature != sign(said, b"other")


@pytest.mark.parametrize("secret", [None, SECRET], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, Answer(approved=True, by="anna (command:x)")),
        ({"scope": "run"}, Answer(approved=True, by="anna (command:x)", scope=Scope.RUN)),
        ({"answer": "reject", "reason": "too much"}, Answer(approved=False, by="anna (command:x)", note="too much")),
        ({"answer": "reject", "scope": "run"}, Answer(approved=False, by="anna (command:x)")),
    ],
    ids=["yes", "for the run", "no", "a no stands for nothing"],
)
def test_clear_answers(secret: bytes | None, fields: dict[str, Any], wanted: Answer) -> None:
    """With and without a secret."""
    assert read(reply(secret, **fields), secret) == wanted


@pytest.mark.parametrize(
    "fields",
    [
        {"run_id": "other"}, {"call_id": "call_2"}, {"args_hash": "0" * 64}, {"nonce": "0" * 32}, {"answer": "yes"}, {"answer": "Approve"},
        {"answer": True}, {"scope": "retry"}, {"scope": "forever"}, {"by": ""}, {"by": "  "}, {"by": "x" * 201}, {"by": 7},
        {"reason": "x" * 501}, {"reason": ["x"]}, {"extra": 1}, {"approved": True}, {"signature": "00"},
        *({name: None} for name in ("run_id", "call_id", "args_hash", "nonce", "answer", "by")),
    ],
    ids=lambda fields: "-".join(f"{name}-{value}"[:20] for name, value in fields.items()),
)  # fmt: skip
@pytest.mark.parametrize("secret", [None, SECRET], ids=["unsigned", "signed"])
def test_anything_unclear_is_none(fields: dict[str, Any], secret: bytes | None) -> None:
    """Whatever else is right about it."""
    said = reply(None, **fields)
    if secret is not None:
        said["signature"] = sign(said, secret) if "signature" not in fields else fields["signature"]
    with pytest.raises(Unclear):
        read(said, secret)


@pytest.mark.parametrize(
    "data",
    [b"", b"yes", b"true", b"[]", b"{}", b"null", b'{"answer":"approve"}', b"\xff", b"{" * 1000, b"[" * 100_000, b" " * (MAX_ANSWER + 1)],
    ids=lambda data: ascii(data[:12]),
)
def test_what_is_no_answer_at_all(data: bytes) -> None:
    """Of whatever size."""
    with pytest.raises(Unclear):
        read(data)


def test_a_key_twice_is_unclear() -> None:
    """Some parsers take the first, some the last."""
    said = json.dumps(reply())
    with pytest.raises(Unclear, match="strict JSON"):
        read(said.replace('"answer"', '"answer": "reject", "answer"').encode())


def test_trailing_data_is_unclear() -> None:
    """Two answers are none."""
    with pytest.raises(Unclear, match="strict JSON"):
        read((json.dumps(reply()) * 2).encode())


@pytest.mark.parametrize(
    "change", [lambda said: said.pop("signature"), lambda said: said.update(signature="é"), lambda said: said.update(by="eve")]
)
def test_a_signature_must_be_right(change: Callable[[dict[str, Any]], Any]) -> None:
    """Missing, wrong, or that of another answer."""
    said = reply(SECRET)
    change(said)
    with pytest.raises(Unclear, match="sign"):
        read(said, SECRET)


def test_a_signature_of_another_secret() -> None:
    """Whoever does not know the secret cannot answer."""
    with pytest.raises(Unclear, match="signature is wrong"):
        read(reply(b"guessed"), SECRET)


def test_an_answer_to_an_earlier_question_is_none() -> None:
    """The nonce is another one each time."""
    earlier = request(QUESTION, ABOUT, now=NOW, seconds=300, random=lambda count: b"\x01" * count, secret=None)
    with pytest.raises(Unclear, match="nonce"):
        answer(json.dumps(reply()).encode(), earlier, now=NOW, who="x", secret=None)


def test_a_late_answer_is_none() -> None:
    """By the clock of whoever asked."""
    late = Clock()
    late.wait(300)
    assert read(reply(), now=late.now).approved
    late.wait(1)
    with pytest.raises(Unclear, match="too late"):
        read(reply(), now=late.now)


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.dictionaries(st.text(max_size=8), inner))
)
def test_no_yes_by_chance(said: Any) -> None:
    """Whatever comes."""
    with pytest.raises(Unclear):
        read(said)


class Line:
    """Says what it is told to."""

    def __init__(self, said: bytes | Exception) -> None:
        self.said = said
        self.closed = False

    def exchange(self, data: bytes, seconds: float) -> bytes:
        assert parse_json(data)["call_id"] == "call_1"
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def close(self) -> None:
        self.closed = True


def approver(line: Line, secret: bytes | None = None) -> RemoteApprover:
    return RemoteApprover(line, "x", ABOUT, secret=secret, clock=Clock(), random=nonce)


def test_an_approver_outside() -> None:
    """A clear yes is one; what failed or is unclear is a no that says why."""
    assert approver(Line(json.dumps(reply()).encode())).ask(QUESTION) == Answer(approved=True, by="anna (x)")
    failed = approver(Line(Failed("no answer in time"))).ask(QUESTION)
    assert failed == Answer(approved=False, by="x", note="no answer in time", unavailable=True)
    unclear = approver(Line(b"yes")).ask(QUESTION)
    assert unclear == Answer(approved=False, by="x", note="the answer is not strict JSON", unavailable=True)


def test_a_call_that_may_have_run_is_no_question_for_it() -> None:
    """An old script would take it for a fresh one."""
    from msgspec.structs import replace

    answer = approver(Line(json.dumps(reply()).encode())).ask(replace(QUESTION, may_have_run=True))
    assert (answer.approved, answer.unavailable) == (False, True)


def test_closing_reaches_the_line() -> None:
    """Ctrl-C."""
    line = Line(b"")
    approver(line).close()
    assert line.closed
