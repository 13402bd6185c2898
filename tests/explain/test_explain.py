"""What an explanation says: every rule with its reason, and what would change the decision, each found by trying."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate.core.events import RunStarted, ToolCall
from agentgate.core.policy import Policy
from agentgate.errors import UsageError
from agentgate.explain import Explanation, explain_call, explain_recorded
from agentgate.files.transcript import Transcript
from agentgate.replay import Replay
from agentgate.session import Session
from tests.core.building import limit, policy, propose, rule, tool
from tests.reference.cases import Proposal, random_case
from tests.replay.writing import ENDED, answered, assistant, call, chat, decided, native, read, returned, started

ROLES = {"viewer": (), "operator": ("viewer",)}
SCHEMA = {"type": "object", "properties": {"action": {"enum": ["read", "write", "wipe"]}, "n": {"type": "integer"}}}


def resolve(path: str) -> str:
    """A world with a loop of links in it, and a bug."""
    match path:
        case "/srv/loop":
            raise OSError("too many links")
        case "/srv/bug":
            raise KeyError(path)
    return path


def explained(wanted: Policy, name: Any, arguments: Any = "{}", **setting: Any) -> Explanation:
    """A call at the beginning of a run."""
    after = setting.pop("after", ())
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return explain_call(
        wanted, ToolCall("call_1", name, text), RunStarted(run_id="x", **setting), after=after, resolve=resolve, workdir="/srv"
    )


def said(explanation: Explanation) -> list[str]:
    """A line for the decision, one for every rule, one for every change."""
    decision = explanation.decision
    return [
        f"{decision.effect} {decision.rule or decision.code}",
        *(f"{'+' if entry.matched else '-'} {entry.rule}: {entry.why}" for entry in explanation.considered),
        *(f"> {change.change}: {change.effect} {change.rule or change.code}" for change in explanation.changes),
    ]


STORIES: dict[str, tuple[Policy, dict[str, Any], list[str]]] = {
    "another value": (
        policy(rule("allow", "db", id="reads", when={"action": "read"})),
        {"arguments": {"action": "write", "id": 1}},
        ["block default", '- reads: action is "write", not "read"', '> action="read": allow reads'],
    ),
    "another role": (
        policy(rule("ask", "db", id="changes", roles=("operator",)), roles=ROLES),
        {"role": "viewer"},
        ["block default", "- changes: role is viewer, needs operator", "> --role operator: ask changes"],
    ),
    "the least role that will do": (
        policy(rule("ask", "db", id="changes", roles=("operator",)), roles={"viewer": (), "operator": ("viewer",), "admin": ("operator",)}),
        {},
        ["block default", "- changes: there is no role, needs operator", "> --role operator: ask changes"],
    ),
    "no role": (
        policy(rule("allow", "db", id="all", except_roles=("viewer",)), roles=ROLES),
        {"role": "operator"},
        ["block default", "- all: role is operator, which it leaves out", "> no role: allow all"],
    ),
    "an earlier call": (
        policy(rule("allow", "db", id="later", after=("login", "sso_*"))),
        {},
        [
            "block default",
            "- later: waits until one of these has returned: login, sso_*",
            "> --after login: allow later",
            "> --after sso_x: allow later",
        ],
    ),
    "an earlier call of a tool that there is": (
        policy(rule("allow", "db", id="later", after=("sso_*",))),
        {"tools": (tool("db"), tool("sso_google"))},
        ["block default", "- later: waits until one of these has returned: sso_*", "> --after sso_google: allow later"],
    ),
    "a call that came too early": (
        policy(rule("allow", "db", id="first", before=("fetch",))),
        {"after": ("fetch",)},
        ["block default", "- first: held only until one of these had returned: fetch", "> had fetch not returned: allow first"],
    ),
    "a bound": (
        policy(rule("allow", "db", id="few", when={"n": {"min": 1, "max": 5}})),
        {"arguments": {"n": 9}},
        ["block default", "- few: n is 9, not at least 1 and at most 5", "> n=1: allow few"],
    ),
    "just beyond a bound": (
        policy(rule("allow", "db", id="any"), rule("block", "db", id="many", when={"n": {"min": 100}})),
        {"arguments": {"n": 100}},
        ["block many", "+ many: n is 100, at least 100", "+ any: whatever the arguments", "> n=0: allow any"],
    ),
    "a pattern": (
        policy(rule("allow", "db", id="codes", when={"code": {"matches": "[A-Z]-[0-9]+"}})),
        {"arguments": {"code": "a-1"}},
        ["block default", '- codes: code is "a-1", not a whole match of /[A-Z]-[0-9]+/', '> code="A-1": allow codes'],
    ),
    "what the schema lists": (
        policy(rule("allow", "db", id="any"), rule("block", "db", id="no-wipe", when={"action": {"not_in": ["read", "write"]}})),
        {"arguments": {"action": "wipe"}, "tools": (tool("db", SCHEMA),)},
        [
            "block no-wipe",
            '+ no-wipe: action is "wipe", anything but "read", "write"',
            "+ any: whatever the arguments",
            '> action="read": allow any',
        ],
    ),
    "some string": (
        policy(rule("allow", "db", id="any"), rule("block", "db", id="no-drop", when={"*": {"search": "(?i)drop"}})),
        {"arguments": {"a": "x", "b": "DROP it"}},
        [
            "block no-drop",
            '+ no-drop: some string is "DROP it", something that contains /(?i)drop/',
            "+ any: whatever the arguments",
            "> b=0: allow any",
        ],
    ),
    "a value that nobody named": (
        policy(rule("allow", "pay", id="pay"), rule("block", "pay", id="strangers", unless={"to": {"seen_in": "prompt"}})),
        {"name": "pay", "arguments": {"to": "X123"}},
        [
            "block strangers",
            '+ strangers: unless does not apply: to is "X123", not a value that occurs in prompt',
            "+ pay: whatever the arguments",
            '> had the prompt named "X123": allow pay',
        ],
    ),
    "a value that a tool told": (
        policy(rule("allow", "pay", id="pay", when={"to": {"seen_in": ["contacts"]}})),
        {"name": "pay", "arguments": {"to": "X123"}},
        [
            "block default",
            '- pay: to is "X123", not a value that occurs in contacts',
            '> had contacts returned "X123": allow pay',
        ],
    ),
    "a path": (
        policy(rule("allow", "db", id="docs", when={"path": {"path": ["docs"]}})),
        {"arguments": {"path": "/etc/passwd"}},
        ["block default", '- docs: path is "/etc/passwd", not a path within `docs`', '> path="docs": allow docs'],
    ),
    "a path of which nobody can say where it leads": (
        policy(rule("allow", "db", id="docs", when={"path": {"path": ["docs"]}})),
        {"arguments": {"path": "loop"}},
        ["block default", '- docs: path is "loop", a string that cannot be judged by a path within `docs`', '> path="docs": allow docs'],
    ),
    "a judgement that fails by a bug": (
        policy(rule("allow", "db", id="docs", when={"path": {"path": ["docs"]}})),
        {"arguments": {"path": "bug"}},
        ["block internal_error", "- docs: internal error while judging: KeyError"],
    ),
    "a limit": (
        policy(rule("allow", "db", id="any"), limit("tool_calls", 0)),
        {},
        [
            "block limits.tool_calls",
            "+ limits.tool_calls: limit of 0 tool calls reached",
            "+ any: whatever the arguments",
            "> without limits.tool_calls: allow any",
        ],
    ),
    "two limits": (
        policy(rule("allow", "db", id="any"), limit("tool_calls", 0), limit("repeats", 0)),
        {},
        [
            "block limits.repeats",
            "+ limits.repeats: the same call was already made 0 times",
            "+ limits.tool_calls: limit of 0 tool calls reached",
            "+ any: whatever the arguments",
            "> without limits.repeats and limits.tool_calls: allow any",
        ],
    ),
    "time starts with the call": (
        policy(rule("allow", "db", id="any"), limit("seconds", 60)),
        {},
        ["allow any", "+ any: whatever the arguments"],
    ),
    "a tool that no rule names": (policy(rule("allow", "db")), {"name": "rm"}, ["block default"]),
    "a tool that the task does not have": (
        policy(rule("allow", "*", id="any")),
        {"tools": (tool("other"),)},
        ["block unknown_tool", "+ any: whatever the arguments"],
    ),
    "a tool that is blocked whatever the arguments": (
        policy(rule("block", "db", id="never")),
        {"arguments": "{"},
        ["block never", "+ never: whatever the arguments"],
    ),
    "arguments that are no JSON": (
        policy(rule("allow", "db", id="reads", when={"a": 1})),
        {"arguments": '{"a": 1'},
        [
            "block malformed_arguments",
            "- reads: the arguments are not judged: EOF while parsing an object at line 1 column 7",
        ],
    ),
    "arguments that are no object": (
        policy(rule("allow", "db", id="reads", when={"a": 1})),
        {"arguments": "[1]"},
        ["block malformed_arguments", "- reads: the arguments are not judged: not an object"],
    ),
    "an argument below something that is no object": (
        policy(rule("allow", "db", id="reads", when={"a.b": 1})),
        {"arguments": {"a": 7}},
        ["block default", "- reads: a.b cannot be judged: leads through something that is not an object"],
    ),
    "an absent argument": (
        policy(rule("allow", "db", id="reads", when={"a": 1})),
        {},
        ["block default", "- reads: a is absent, not 1", "> a=1: allow reads"],
    ),
    "no name": (policy(rule("allow", "*")), {"name": None}, ["block malformed_call"]),
    "a rule on trial": (
        policy(rule("allow", "db", id="any"), rule("block", "db", id="trial", observe=True)),
        {},
        ["allow any", "+ trial: whatever the arguments", "+ any: whatever the arguments"],
    ),
    "taken out again": (
        policy(rule("allow", "*", id="any", except_tools=("d*",))),
        {},
        ["block default", "- any: its `except` takes out db"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_story(story: str) -> None:
    """Policy and call in, the whole explanation out."""
    wanted, given, lines = STORIES[story]
    setting = dict(given)
    assert said(explained(wanted, setting.pop("name", "db"), setting.pop("arguments", "{}"), **setting)) == lines


def test_what_would_change_it_really_does() -> None:
    """Every role, history and value that is named leads where it is said to; over many random policies and calls."""
    tried = 0
    for seed in range(1500):
        case = random_case(Random(seed))
        call = next(happening.call for happening in case.script if isinstance(happening, Proposal))
        for change in _explain(case, call, case.setting.role).changes:
            role = change.change.removeprefix("--role ") if change.change.startswith("--role") else None
            if role is None and change.change != "no role":
                continue
            other = _explain(case, call, role).decision
            assert (other.effect, other.code, other.rule) == (change.effect, change.code, change.rule)
            tried += 1
    assert tried > 30


def _explain(case: Any, call: ToolCall, role: str | None) -> Explanation:
    setting = case.setting
    choice: Any = "auto" if setting.allowed_tools is None else {"mode": "auto", "allowed_tools": list(setting.allowed_tools)}
    return explain_call(case.policy, call, RunStarted(run_id="x", role=role, tools=setting.tools, tool_choice=choice))


def test_explaining_leaves_the_session_as_it_was() -> None:
    """However often one asks, nothing is recorded and nothing counts."""
    session = Session(policy(rule("allow", "db"), limit("tool_calls", 1), limit("repeats", 1)))
    before = session.state
    asked = [session.explain(ToolCall("c", "db", "{}"))[0] for _ in range(3)]
    assert session.state is before
    assert asked == [propose(session, "db", id="c")] * 3


def run() -> Transcript:
    """A run with an approval, a refusal, and a pause."""
    (found,) = read(
        native(
            started(role="viewer"), decided("1", "read", rule="reads"), returned("1"), decided("2", "send", effect="ask"),
            answered("2", "approve"), returned("2"), decided("3", "send", effect="block", seconds=70), ENDED,
        )
    )  # fmt: skip
    assert isinstance(found, Transcript)
    return found


def test_a_call_of_a_run_is_explained_where_it_stands() -> None:
    """With the history, the time and the role of its place; as a replay decides it."""
    wanted = policy(
        rule("allow", "read"), rule("ask", "send", after=("read",)), limit("calls", 1, "send"), limit("seconds", 60), roles=ROLES
    )
    explained = [explain_recorded(wanted, run(), number) for number in (1, 2, 3)]
    assert [one.decision.rule for one in explained] == ["allow-read", "ask-send", "limits.tools.send"]
    assert [entry.rule for entry in explained[2].considered] == ["limits.tools.send", "limits.seconds", "ask-send"]
    assert [one.decision.rule for one in explained] == [call.rule for call in Replay(wanted).judge(run())]
    assert [one.recorded.effect for one in explained if one.recorded is not None] == ["allow", "ask", "block"]


def test_a_call_of_a_run_in_another_role() -> None:
    """The role that is asked for replaces the recorded one."""
    wanted = policy(rule("allow", "read", roles=("operator",)), roles=ROLES)
    assert explain_recorded(wanted, run(), 1).decision.effect == "block"
    assert explain_recorded(wanted, run(), 1, role="operator").decision.effect == "allow"


@pytest.mark.parametrize(("number", "has"), [(0, "it has 3"), (4, "it has 3"), (999, "it has 3")])
def test_a_call_that_is_not_there(number: int, has: str) -> None:
    """Calls count from 1, and there are only so many."""
    with pytest.raises(UsageError, match=has):
        explain_recorded(policy(), run(), number)


def test_an_imported_call_was_decided_by_nobody() -> None:
    """There is nothing recorded to compare with."""
    (found,) = read(chat("hi", assistant(call("1", "read"))))
    assert isinstance(found, Transcript)
    assert explain_recorded(policy(rule("allow", "read")), found, 1).recorded is None
    assert replace(found, imported=False).started.imported
