"""What a replay makes of a transcript: state from the facts, judgement anew, flips against the record or another policy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate.core.events import Effect, ModelReplied, Offer, RunStarted, ToolCall, ToolReturned
from agentgate.core.policy import Limit, Policy
from agentgate.files.transcript import Damage, Item, Proposed, Transcript, Unanswered
from agentgate.replay import Replay, Tally
from tests.core.building import limit, policy, rule, tool

from .writing import ENDED, answered, assistant, call, chat, decided, judge, native, read, replied, result, returned, rows, started

TO = '{"to": "a@b.org"}'
ROLES = {"viewer": (), "operator": ("viewer",)}


def stories() -> dict[str, tuple[Policy, bytes, list[str]]]:
    """Name → policy, transcript, and the rows of its replay."""
    reads = rule("allow", "read", id="reads")
    return {
        "decisions that stay and decisions that change": (
            policy(reads, rule("ask", "send", id="mail")),
            native(started(), decided("1", "read", rule="old"), decided("2", "send"), decided("3", "read", effect="block"), ENDED),
            ["allow read reads was allow", "ask send mail was allow FLIP", "allow read reads was block FLIP (after)"],
        ),
        "another rule with the same effect is no flip": (
            policy(reads),
            native(started(), decided("1", "read", rule="another"), ENDED),
            ["allow read reads was allow"],
        ),
        "a recorded approval does not change `ask`": (
            policy(rule("ask", "send", id="mail")),
            native(started(), decided("1", "send", effect="ask", rule="mail"), answered("1", "approve"), returned("1"), ENDED),
            ["ask send mail was ask"],
        ),
        "what was approved counts against limits, what was rejected does not": (
            policy(rule("ask", "send", id="mail"), limit("tool_calls", 1)),
            native(
                started(),
                decided("1", "send", effect="ask"),
                answered("1", "reject"),
                decided("2", "send", effect="ask"),
                answered("2", "approve"),
                decided("3", "send", effect="block"),
                ENDED,
            ),
            ["ask send mail was ask", "ask send mail was ask", "block send limits.tool_calls was block"],
        ),
        "limits count what the new judgement lets through, not what was recorded": (
            policy(rule("allow", "read", when={"n": {"min": 2}}), limit("tool_calls", 1)),
            native(started(), *(decided(str(n), "read", f'{{"n": {n}}}') for n in (1, 2, 3)), ENDED),
            [
                "block read default was allow FLIP",
                "allow read allow-read was allow (after)",
                "block read limits.tool_calls was allow FLIP (after)",
            ],
        ),
        "what has returned is what the record says, whatever is decided now": (
            policy(rule("allow", "read", id="reads"), rule("allow", "send", id="mail", after=("fetch",))),
            native(started(), decided("1", "fetch"), returned("1"), decided("2", "send"), ENDED),
            ["block fetch default was allow FLIP", "allow send mail was allow (after)"],
        ),
        "what did not return, has not": (
            policy(rule("allow", "send", id="mail", after=("fetch",))),
            native(started(), decided("1", "fetch", effect="block"), returned("1", executed=False, ok=False), decided("2", "send"), ENDED),
            ["block fetch default was block", "block send default was allow FLIP"],
        ),
        "time is the recorded time": (
            policy(reads, limit("seconds", 60)),
            native(started(), decided("1", "read", seconds=59), decided("2", "read", effect="block", seconds=60), ENDED),
            ["allow read reads was allow", "block read limits.seconds was block"],
        ),
        "tokens are the recorded tokens": (
            policy(reads, limit("tokens", 20)),
            native(started(), replied(), decided("1", "read"), replied(2), decided("2", "read"), ENDED),
            ["allow read reads was allow", "block read limits.tokens was allow FLIP"],
        ),
        "observe mode: what was only recorded is compared all the same": (
            policy(reads),
            native(
                started(mode="observe"), decided("1", "send", "{}", "block", enforced=False), returned("1"), decided("2", "read"), ENDED
            ),
            ["block send default was block", "allow read reads was allow"],
        ),
        "dry run: what a mock answered has returned": (
            policy(reads, rule("ask", "send", id="mail", after=("read",))),
            native(started(mode="dry-run"), decided("1", "read"), returned("1", executed=False), decided("2", "send", effect="ask"), ENDED),
            ["allow read reads was allow", "ask send mail was ask"],
        ),
        "the role is the recorded one": (
            policy(rule("allow", "read", id="reads", roles=("operator",)), roles=ROLES),
            native(started(role="operator"), decided("1", "read"), ENDED),
            ["allow read reads was allow"],
        ),
        "a role that the policy does not know has no rights": (
            policy(rule("allow", "read", id="reads", roles=("operator",)), roles=ROLES),
            native(started(role="root"), decided("1", "read"), ENDED),
            ["block read default was allow FLIP"],
        ),
        "tools and what was offered of them come from the record": (
            policy(default="allow"),
            native(
                started(tools=(tool("read"), tool("send")), tool_choice={"mode": "auto", "allowed_tools": ["read"]}),
                decided("1", "send", effect="block"),
                decided("2", "write", effect="block"),
                decided("3", "read", '{"x": 1}', "block"),
                decided("4", "read"),
                ENDED,
            ),
            [
                "block send not_offered was block",
                "block write unknown_tool was block",
                "block read invalid_arguments was block",
                "allow read default was allow",
            ],
        ),
        "facts about paths are believed": (
            policy(rule("allow", "read", id="reads", when={"path": {"path": ["/srv"]}})),
            native(
                started(workdir="/home"),
                decided("1", "read", '{"path": "a"}', facts={"/home/a": "/srv/a", "/srv": "/srv"}),
                decided("2", "read", '{"path": "b"}', "block", facts={"/home/b": "", "/srv": "/srv"}),
                decided("3", "read", '{"path": "c"}', "block"),
                ENDED,
            ),
            ["allow read reads was allow", "block read default was block", "block read default was block"],
        ),
        "answers that were cut off release nothing": (
            policy(reads),
            native(started(), replied(finish_reason="length"), decided("1", "read", effect="block", code="malformed_call"), ENDED),
            ["block read malformed_call was block"],
        ),
        "a run without hashes": (
            policy(reads),
            native(started(), decided("1", "read"), ENDED, hashed=False),
            ["allow read reads was allow"],
        ),
        "a run that has no end": (policy(reads), native(started(), decided("1", "read")), ["allow read reads was allow"]),
        "a recording that is only meant to be played": (
            policy(reads),
            native(started(), replied(), hashed=False).replace(
                b'{"role": "assistant"}', json.dumps(assistant(call("1", "read"), call("2", "send"))).encode()
            ),
            ["allow read reads", "block send default"],
        ),
        "a chat transcript has no decisions to flip": (
            policy(reads),
            chat("please", assistant(call("1", "read"), call("2", "send")), result("1")),
            ["allow read reads", "block send default"],
        ),
        "a chat transcript without tools: the checks that need them are left out": (
            policy(default="allow"),
            chat("please", assistant(call("1", "read", '{"x": 1}'))),
            ["allow read default"],
        ),
        "a chat transcript with tools": (
            policy(default="allow"),
            chat("please", assistant(call("1", "read", '{"x": 1}'), call("2", "send"), call("3", "read")), tools=[tool("read")]),
            ["block read invalid_arguments", "block send unknown_tool", "allow read default"],
        ),
        "what the user said in between counts as prompt": (
            policy(rule("allow", "send", id="mail", when={"to": {"seen_in": "prompt"}})),
            chat("hello", assistant(call("1", "send", TO)), "write to a@b.org", assistant(call("2", "send", TO))),
            ["block send default", "allow send mail"],
        ),
        "items of the Responses API": (
            policy(reads, rule("ask", "send", id="mail", after=("read",))),
            json.dumps(
                {
                    "items": [
                        {"role": "user", "content": "please"},
                        {"type": "reasoning", "summary": []},
                        {"type": "function_call", "call_id": "1", "name": "read", "arguments": "{}"},
                        {"type": "function_call_output", "call_id": "1", "output": "{}"},
                        {"type": "function_call", "call_id": "2", "name": "send", "arguments": "{}"},
                    ]
                }
            ).encode(),
            ["allow read reads", "ask send mail"],
        ),
        "no limit of tokens is held against a record that never tells of tokens": (
            policy(reads, limit("tokens", 10)),
            chat("please", assistant(call("1", "read"))),
            ["allow read reads"],
        ),
        "a run without a call": (policy(reads), native(started(), ENDED), []),
        "a conversation without a call": (policy(reads), chat("hello", {"role": "assistant", "content": "hi"}), []),
    }


@pytest.mark.parametrize("name", stories())
def test_story(name: str) -> None:
    """Policy and transcript in, rows out."""
    wanted_policy, data, wanted = stories()[name]
    assert rows(judge(Replay(wanted_policy), data)) == wanted


def test_compared_with_another_policy() -> None:
    """Against another policy, its decisions count and the recorded ones do not; limits of both count their own calls."""
    reads, mail = rule("allow", "read", id="reads"), rule("ask", "send", id="mail")
    replay = Replay(policy(reads, limit("tool_calls", 1)), policy(reads, mail, limit("tool_calls", 2)))
    data = native(started(), *(decided(str(n), "read", effect="block") for n in range(3)), decided("4", "send"), ENDED)
    calls = judge(replay, data)
    assert rows(calls) == [
        "allow read reads was allow",
        "block read limits.tool_calls was allow FLIP",
        "block read limits.tool_calls was block (after)",
        "block send default was block (after)",
    ]
    assert [call.recorded and call.recorded.effect for call in calls] == ["block", "block", "block", "allow"]


def test_judged_in_another_role() -> None:
    """The role that is asked for replaces the recorded one, for both policies."""
    strict = policy(rule("allow", "read", id="reads", roles=("operator",)), roles=ROLES)
    data = native(started(role="viewer"), decided("1", "read", effect="block"), ENDED)
    assert rows(judge(Replay(strict, role="operator"), data)) == ["allow read reads was block FLIP"]
    assert rows(judge(Replay(strict, strict, role="operator"), data)) == ["allow read reads was allow"]
    assert rows(judge(Replay(strict), data)) == ["block read default was block"]


def test_paths_without_facts_are_looked_up() -> None:
    """In imported transcripts: from the folder that is handed in, by the function that is handed in."""
    places = {"/here/a": "/srv/a", "/srv": "/srv"}
    wanted = policy(rule("allow", "read", id="reads", when={"path": {"path": ["/srv"]}}))
    data = chat("please", assistant(call("1", "read", '{"path": "a"}')))
    assert rows(judge(Replay(wanted, resolve=places.__getitem__, workdir="/here"), data)) == ["allow read reads"]
    assert rows(judge(Replay(wanted), data)) == ["block read default"]


def test_transcripts_know_nothing_of_each_other() -> None:
    """What one run used up is not missing in the next."""
    data = chat("please", assistant(call("1", "read"))) * 3
    assert rows(judge(Replay(policy(rule("allow", "read"), limit("tool_calls", 1))), data)) == ["allow read allow-read"] * 3


def test_what_is_damaged_is_named_and_the_rest_is_judged() -> None:
    """One changed line of a run costs that line only; so does one bad line among foreign transcripts."""
    lines = native(started(), decided("1", "read"), decided("2", "read"), ENDED).splitlines(keepends=True)
    lines[1] = lines[1].replace(b"read", b"wipe")
    damage, run = read(b"".join(lines))
    assert isinstance(damage, Damage)
    assert str(damage) == "t.jsonl:2: changed after it was written: its hash is not that of the event"
    assert not isinstance(run, Damage)
    assert rows(Replay(policy(rule("allow", "read"))).judge(run)) == ["allow read allow-read was allow"]
    found = read(chat("a") + b"{broken\n" + chat("b", assistant(call("1", "read"))))
    assert [f"{one.file}:{one.line}" for one in found] == ["t.jsonl:1", "t.jsonl:2", "t.jsonl:3"]
    assert [isinstance(one, Damage) for one in found] == [False, True, False]


HOSTILE: list[tuple[Any, Any, Any]] = [
    (None, "read", "{}"), (7, ["read"], {"a": 1}), ("\ud800", "\udfff", "\ud800"), ("c", "read\x1b[2J\n", '{"a": "\x07"}'),
    ({"a": None}, None, None), ("", "", ""), ("c" * 300, "r" * 100, "x" * 1000), (True, 1.5, [[]]), ("c", "[link=x]y[/link]", ":bomb:"),
]  # fmt: skip


@pytest.mark.parametrize(("id", "name", "arguments"), HOSTILE, ids=lambda value: ascii(value)[:40])
def test_whatever_stands_where_a_call_belongs_is_a_row(id: Any, name: Any, arguments: Any) -> None:
    """Ids, names and arguments of any type come out as they went in, blocked, and as one line of ASCII that is JSON."""
    for data in (chat("x", assistant(call(id, name, arguments))), native(started(), decided(id, name, arguments, "block"), ENDED)):
        (judged,) = judge(Replay(policy(rule("allow", "read", when={"a": 1}))), data)
        text = json.dumps(judged.as_object())
        assert text.isascii()
        assert text.isprintable()
        back = json.loads(text)
        assert (back["call_id"], back["tool"], back["arguments"]) == (id, name, arguments)
        assert back["effect"] == "block"


def test_the_object_of_a_call() -> None:
    """Exactly these keys; `against` only where there is another policy."""
    data = native(started(), decided("1", "read", '{"a": 1}', rule="old"), ENDED)
    wanted = policy(rule("ask", "read", id="asks", message="really?"))
    (judged,) = judge(Replay(wanted), data)
    row = {
        "transcript": "run-1", "index": 0, "call_id": "1", "tool": "read", "arguments": '{"a": 1}', "effect": "ask", "code": "rule",
        "rule": "asks", "reason": "really?", "recorded": {"effect": "allow", "rule": "old"}, "flipped": True, "after_flip": False,
    }  # fmt: skip
    assert list(json.loads(json.dumps(judged.as_object())).items()) == list(row.items())
    (judged,) = judge(Replay(wanted, policy()), data)
    assert judged.as_object() == row | {"against": {"effect": "block", "rule": None}}


def test_limits_of_the_record_do_not_bind() -> None:
    """`max_steps` belongs to the task that ran; a replay judges calls."""
    data = native(started(max_steps=1), replied(), replied(2), decided("1", "read"), ENDED)
    assert rows(judge(Replay(policy(rule("allow", "read"))), data)) == ["allow read allow-read was allow"]


def test_usage_that_nobody_reported_is_not_zero() -> None:
    """A run of ours in which an answer came without its tokens is blocked by a limit of tokens, as it was live."""
    data = native(started(), replied(usage=None), decided("1", "read", effect="block"), ENDED)
    assert rows(judge(Replay(policy(rule("allow", "read"), Limit("tokens", 100, id="limits.tokens"))), data)) == [
        "block read limits.tokens was block"
    ]


ANSWER: dict[str, Any] = {"role": "assistant", "content": None}
SAID = RunStarted(run_id="r", imported=True)


@pytest.mark.parametrize(
    ("between", "alone"),
    [
        (ModelReplied(step=1, message=ANSWER), True),
        (ToolReturned(call_id="c0", executed=True, ok=True, content="x"), True),
        (Unanswered(({"role": "user", "content": "x"},)), True),
        (ModelReplied(step=1, message=ANSWER, finish_reason="length"), False),
        (ModelReplied(step=1, message=ANSWER, unusable="cut off"), False),
        (ModelReplied(step=1, message=ANSWER, offered=Offer((), "none")), False),
        (RunStarted(run_id="again", role="viewer"), False),
    ],
    ids=["an answer", "a result", "words", "cut off", "unusable", "another offer", "another beginning"],
)
def test_what_stands_between_calls_counts(between: Item, alone: bool) -> None:
    """Calls of others are judged at once only where nothing between them can matter; either way the count is that of the rows."""
    call = Proposed(ToolCall("c1", "read", "{}"), 0)
    run = Transcript("r", (SAID, between, call), "some.jsonl", imported=True)
    assert (run.calls_alone() == [call.call]) is alone
    assert replace(run, imported=False).calls_alone() is None
    for against in (None, policy(rule("ask", "read"))):
        replay = Replay(policy(rule("allow", "read")), against)
        counted, rows = Tally(), Tally()
        replay.count(run, counted)
        list(rows.run(replay.judge(run)))
        assert counted.result(0) == rows.result(0)
        assert counted.matrix == rows.matrix
        assert counted.effects[Effect.BLOCK] == (not alone and not isinstance(between, RunStarted))
