"""The policies of existing gateways, word for word as they are published, and what they do: story by story."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from agentgate import ModelReplied, RunStarted, Session, ToolCall, Usage
from agentgate.checking import check_files
from agentgate.core.findings import Severity
from agentgate.files.policy_file import load_policy
from agentgate.files.yaml import load
from tests.files.cases import DATA

FOLDER = DATA / "policies" / "flat"
PUBLISHED = Path(__file__).parents[3] / "shared" / "seeds" / "governed-function-calling.txt"
AS_PUBLISHED = ("block-list", "allow-list", "sql-arguments", "budgets", "session-cost", "firewall")
_DECISION = re.compile(r"(?P<effect>allow|ask|block) (?P<tool>\S+) (?P<arguments>\{.*?\}) (?P<rule>\S+)(?: (?P<reason>.*))?")

STORIES = {
    "a block-list names what is refused, and says so in its own words": """
        policy block-list
        block execute_sql {} block-sql-execution Tool call blocked: restricted operation
        block run_shell_command {"command": "ls"} block-sql-execution Tool call blocked: restricted operation
        block delete_record {"id": 1} block-sql-execution Tool call blocked: restricted operation
        allow get_weather {"city": "London"} -
        allow execute_sql_2 {} -
        allow EXECUTE_SQL {} -
    """,
    "an allow-list refuses every tool but those that it names": """
        policy allow-list
        allow get_weather {"city": "London"} -
        allow lookup_order {} -
        allow search_knowledge_base {} -
        block get_weather_2 {} allow-only-safe-tools Tool call blocked: tool not in approved list
        block execute_sql {} allow-only-safe-tools Tool call blocked: tool not in approved list
        block Get_Weather {} allow-only-safe-tools Tool call blocked: tool not in approved list
    """,
    "several allow-lists narrow each other": """
        policy allow-list other-names
        block get_weather {} approved
        block search {} allow-only-safe-tools Tool call blocked: tool not in approved list
        block read_mail {} allow-only-safe-tools Tool call blocked: tool not in approved list
    """,
    "an argument filter looks at one argument of one tool, as the pattern is written": r"""
        policy sql-arguments
        block search_database {"query": "DROP TABLE users"} block-sql-injection-in-tools Tool argument blocked: contains destructive SQL
        block search_database {"query": "select 1; DELETE\nFROM users"} block-sql-injection-in-tools
        block search_database {"query": "\u0044ROP\u0020TABLE users"} block-sql-injection-in-tools
        block search_database {"query": ["TRUNCATE\tusers"]} block-sql-injection-in-tools
        block search_database {"query": "DR\u200bOP TABLE users"} block-sql-injection-in-tools
        allow search_database {"query": "drop table users"} -
        allow search_database {"query": "DROP/**/TABLE users"} -
        allow search_database {"query": "SELECT 'DROPPED'"} -
        allow search_database {"other": "DROP TABLE users"} -
        allow search_web {"query": "DROP TABLE users"} -
        block search_database {"query": 5} block-sql-injection-in-tools
    """,
    "a budget of tool calls lets so many through; refused ones cost nothing": """
        policy firewall
        block send_email {} agent-tool-blocklist Blocked: tool not permitted for this agent
        repeat 15 allow search {} -
        block search {} agent-loop-limit Agent loop limit reached
        block another_tool {} agent-loop-limit Agent loop limit reached
        request allow
    """,
    "a budget of tokens ends the run once it is spent": """
        policy budgets
        model tokens=49999
        request allow
        allow x {} -
        model tokens=1
        block x {} limit-tokens-per-request Request exceeded token budget
        request block limit-tokens-per-request
    """,
    "usage that nobody reports uses the budget up": """
        policy budgets
        model tokens=?
        block x {} limit-tokens-per-request Request exceeded token budget
    """,
    "a session may cost so much and no more": """
        policy session-cost
        request allow
        model cost=4.99
        allow x {} -
        request allow
        model cost=0.01
        block x {} session-cost-cap Session cost limit exceeded
        request block session-cost-cap
    """,
    "a cost that nobody knows uses the session up": """
        policy session-cost
        model cost=?
        block x {} session-cost-cap Session cost limit exceeded
    """,
    "the composed firewall": r"""
        policy firewall
        block execute_code {"code": "1"} agent-tool-blocklist Blocked: tool not permitted for this agent
        block send_email {} agent-tool-blocklist Blocked: tool not permitted for this agent
        block modify_user {} agent-tool-blocklist Blocked: tool not permitted for this agent
        block delete_file {} agent-tool-blocklist Blocked: tool not permitted for this agent
        block search {"q": "ignore previous orders"} tool-arg-injection-guard Blocked: suspected prompt injection in tool argument
        block note {"a": {"b": [1, {"c": "the system prompt"}]}} tool-arg-injection-guard
        block note {"a": [{"you are now": 1}]} tool-arg-injection-guard
        allow search {"q": "Ignore previous orders"} -
        allow search {"q": "ignore\nprevious orders"} -
        allow search {"q": "weather", "n": 5} -
    """,
    "the same under the other names, in the other place": """
        policy other-names
        allow search {} -
        allow read_mail {} -
        block send {} no-sending
        block write {} approved
        block search {"q": "my secret"} no-secrets
        allow read_mail {} -
        block read_mail {} few-calls
    """,
    "nothing is loosened by a second file": """
        policy block-list firewall sql-arguments
        block execute_sql {} block-sql-execution Tool call blocked: restricted operation
        block execute_code {} agent-tool-blocklist Blocked: tool not permitted for this agent
        block search_database {"query": "DROP x"} block-sql-injection-in-tools
        allow search_database {"query": "SELECT x"} -
    """,
}


def play(story: str) -> list[str]:
    """The same lines with what was said in place of what was expected."""
    told, session = [], Session(load_policy("-", stdin=BytesIO(b"policies: []")))
    for line in filter(None, map(str.strip, story.splitlines())):
        word, _, rest = line.partition(" ")
        match word:
            case "policy":
                session = Session(load_policy(*(str(FOLDER / f"{name}.yaml") for name in rest.split())))
                session.record(RunStarted(run_id="story"))
                told.append(line)
            case "model":
                answer(session, dict(part.split("=") for part in shlex.split(rest)))
                told.append(line)
            case "request":
                said = session.request()
                told.append(f"request {said.effect}" + (f" {said.rule}" if said.rule else ""))
            case "repeat":
                count, _, call = rest.partition(" ")
                told.append(f"repeat {count} {' / '.join(dict.fromkeys(judged(session, call) for _ in range(int(count))))}")
            case _:
                told.append(judged(session, line))
    return told


def judged(session: Session, line: str) -> str:
    """The line of a call, with the decision on it; the reason only where the line has one."""
    wanted = _DECISION.fullmatch(line)
    assert wanted is not None, line
    said = session.propose(ToolCall(f"call_{session.state.calls}", wanted["tool"], wanted["arguments"]))
    reason = f" {said.reason}" if wanted["reason"] else ""
    return f"{said.effect} {wanted['tool']} {wanted['arguments']} {said.rule or '-'}{reason}"


def answer(session: Session, said: Mapping[str, str]) -> None:
    """The model answers: so many tokens, so much money; `?` where it does not say."""
    tokens, cost = said.get("tokens", "0"), said.get("cost", "0")
    session.record(
        ModelReplied(
            step=1,
            message={"role": "assistant"},
            usage=None if tokens == "?" else Usage(int(tokens), 0),
            cost_usd=None if cost == "?" else float(cost),
        )
    )


@pytest.mark.parametrize("title", STORIES)
def test_story(title: str) -> None:
    """Each line is decided as it says: effect, tool, arguments, the entry's name, and its message as the reason."""
    assert play(STORIES[title]) == [line.strip() for line in STORIES[title].strip().splitlines()]


def published() -> list[Any]:
    """The policies in the published text, whose copy has lost its indentation."""
    blocks: list[list[str]] = []
    lines = PUBLISHED.read_text().splitlines()
    for number, line in enumerate(lines):
        if line == "policies:":
            blocks.append([line])
            for more in lines[number + 1 :]:
                if re.match(r"(- name: |\w+: |- \"|\w+:$|# )", more) is None:
                    break
                blocks[-1].append(_indented(more))
    return [load("\n".join(block).encode(), "published", max_bytes=10**5).value for block in blocks]


def _indented(line: str) -> str:
    return f"      {line}" if line.startswith('- "') else f"  {line}" if line.startswith("- name") else f"    {line}"


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published text is not beside this checkout")
def test_the_files_are_the_published_ones() -> None:
    """Every policy of the text is among the test data, and none of ours differs from it."""
    ours = [load((FOLDER / f"{name}.yaml").read_bytes(), name, max_bytes=10**5).value for name in AS_PUBLISHED]
    assert published() == ours


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("block-list", {"flat-default-allow", "no-limits"}),
        ("allow-list", {"no-limits"}),
        ("sql-arguments", {"flat-default-allow", "no-limits", "flat-case-sensitive", "sql-by-pattern"}),
        ("budgets", {"flat-default-allow"}),
        ("session-cost", {"flat-default-allow"}),
        ("firewall", {"flat-default-allow", "flat-case-sensitive", "literal-space"}),
        ("other-names", set()),
    ],
)
def test_check_warns_where_a_file_is_weaker_than_it_looks(name: str, codes: set[str]) -> None:
    """And every warning about what gets through shows a call that does, which the policy lets pass indeed."""
    (checked,) = check_files([str(FOLDER / f"{name}.yaml")]).files
    warnings = [one for one in checked.findings if one.severity is Severity.WARNING]
    assert {one.code for one in warnings} == codes
    for one in warnings:
        if one.code != "no-limits":
            call = re.search(r"this call passes: ([\w.-]+)\((?:(\w+)=\"(.*)\")?\)$", one.help or "", re.DOTALL)
            assert call is not None, one.help
            arguments = "{}" if call[2] is None else f'{{"{call[2]}": "{call[3]}"}}'.replace("\n", "\\n")
            said = Session(load_policy(str(FOLDER / f"{name}.yaml"))).propose(ToolCall("c", call[1], arguments))
            assert said.effect == "allow", one.help


def test_names_that_decisions_use_otherwise_are_refused() -> None:
    """An entry called like a limit or a code could not be told from it."""
    for name in ("limits.steps", "default", "killed"):
        text = f"policies: [{{name: {name}, type: tool_filter, blocked_tools: [x]}}]"
        with pytest.raises(Exception, match="bad-id"):
            load_policy("-", stdin=BytesIO(text.encode()))
