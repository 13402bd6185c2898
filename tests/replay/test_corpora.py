"""Real recorded transcripts, judged under policies whose decisions somebody else has worked out call by call."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import Code, Effect
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.files.transcript import Transcript
from agentgate.files.transcript_reader import read_file
from agentgate.replay import Judged, Replay
from tests.core.building import policy, rule

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
FILES = ("agentdojo", "agentdojo_odd")
SUITES = ("banking", "slack")

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the recorded transcripts are kept beside the repository: ../shared/corpora")

READ_ONLY = policy(
    rule("allow", ("get_balance", "get_iban", "get_most_recent_transactions", "get_scheduled_transactions", "get_user_info")),
    rule("allow", ("get_channels", "get_users_in_channel", "read_channel_messages", "read_inbox")),
)
OF_THE_GATE = {Code.MALFORMED_CALL, Code.INVALID_ARGUMENTS}
"""What the gate refuses whatever the policy says, and the references let pass: ids used twice, arguments that the tool does not have."""


def lines(path: Path) -> Iterator[Any]:
    """The values of a file of JSON Lines."""
    with path.open() as file:
        yield from map(json.loads, file)


def judged(file: str, policies: dict[str, Policy]) -> Iterator[tuple[dict[str, Any], list[Judged]]]:
    """Every transcript of a file as it stands, with its calls, judged by the policy of its suite."""
    replays = {suite: Replay(found) for suite, found in policies.items()}
    path = CORPORA / f"{file}.jsonl"
    for raw, found in zip(lines(path), read_file(path), strict=True):
        assert isinstance(found, Transcript)
        assert found.id == raw["id"]
        yield raw, list(replays[raw["suite"]].judge(found))


def disagreements(calls: list[Judged], allowed: list[bool]) -> list[Judged]:
    """The calls about which gate and reference differ; there is one answer of the reference for each call."""
    return [call for call, wanted in zip(calls, allowed, strict=True) if (call.effect is Effect.ALLOW) is not wanted]


def expected(name: str, file: str) -> dict[str, list[bool]]:
    """Transcript → what the reference decides about each of its calls."""
    return {line["id"]: line["decisions"] for line in lines(CORPORA / "reference" / f"{name}.{file}.jsonl")}


def assert_agrees(file: str, name: str, policies: dict[str, Policy]) -> Counter[Code]:
    """Nothing is let through that the reference refuses; what is refused beyond it, only for reasons that no policy can lift."""
    wanted, beyond = expected(name, file), Counter[Code]()
    for raw, calls in judged(file, policies):
        for call in disagreements(calls, wanted[raw["id"]]):
            assert call.effect is Effect.BLOCK, call
            beyond[Code(call.code)] += 1
    assert set(beyond) <= OF_THE_GATE
    return beyond


@pytest.mark.parametrize(("file", "reused", "invalid"), [("agentdojo", 4, 0), ("agentdojo_odd", 7, 12)])
def test_only_what_reads(file: str, reused: int, invalid: int) -> None:
    """A list of tools that only read, as a policy."""
    beyond = assert_agrees(file, "readonly", dict.fromkeys(SUITES, READ_ONLY))
    assert beyond == Counter({Code.MALFORMED_CALL: reused, Code.INVALID_ARGUMENTS: invalid})


@pytest.mark.parametrize(("file", "reused", "invalid"), [("agentdojo", 6, 0), ("agentdojo_odd", 8, 12)])
def test_a_published_policy(file: str, reused: int, invalid: int) -> None:
    """A policy with JSON Schemas for arguments, written by others for another gate, translated rule by rule."""
    beyond = assert_agrees(file, "progent_manual", {suite: translated(suite) for suite in SUITES})
    assert beyond == Counter({Code.MALFORMED_CALL: reused, Code.INVALID_ARGUMENTS: invalid})


def translated(suite: str) -> Policy:
    """A published policy in our terms: an argument that is present must fit its schema, and forbid wins."""
    published = json.loads((CORPORA / "policies" / f"progent_manual_{suite}.json").read_text())
    rules = [
        Rule(
            id=f"{tool.replace('_', '-')}-{number}",
            effect=Effect.ALLOW if entry["effect"] == "allow" else Effect.BLOCK,
            tools=(tool,),
            when=tuple(Condition(name, (("schema", schema),), optional=True) for name, schema in entry["args"].items()),
        )
        for tool, entries in published["tools"].items()
        for number, entry in enumerate(entries)
    ]
    tools = [tool["function"] for tool in json.loads((CORPORA / "tools" / f"{suite}.json").read_text())]
    harmless = list(published["always_allowed_readonly_tools"])
    if published["always_allow_no_arg_tools"]:
        harmless += [tool["name"] for tool in tools if not tool["parameters"].get("properties")]
    return Policy(suite, rules=(*rules, rule("allow", harmless, id="harmless")))


@pytest.mark.parametrize("file", FILES)
def test_only_the_tools_that_the_task_needs(file: str) -> None:
    """One policy for each task: the tools of the way in which its authors solve it."""
    wanted = expected("gt_tools", file)
    tasks = {suite: json.loads((CORPORA / "tasks" / f"{suite}.json").read_text())["versions"] for suite in SUITES}
    path = CORPORA / f"{file}.jsonl"
    for raw, found in zip(lines(path), read_file(path), strict=True):
        assert isinstance(found, Transcript)
        named = raw["meta"]["user_task"]
        version = tasks[raw["suite"]][raw["meta"]["score_version"]]
        task = version["user_tasks" if named.startswith("user") else "injection_tasks"][named]
        needed = sorted({call["name"] for call in task["ground_truth_calls"]})
        calls = list(Replay(policy(rule("allow", needed, id="needed")) if needed else policy()).judge(found))
        for call in disagreements(calls, wanted[raw["id"]]):
            assert call.effect is Effect.BLOCK, call
            assert call.code in OF_THE_GATE, call


def test_arguments_that_are_no_json_are_refused() -> None:
    """Every call of the shop's conversations is judged; the 99 with Python text for arguments are malformed."""
    replay = Replay(policy(default="allow"))
    codes = Counter[str]()
    for found in read_file(CORPORA / "tau_retail.jsonl"):
        assert isinstance(found, Transcript)
        codes.update(call.code for call in replay.judge(found))
    recorded = sum(len(message.get("tool_calls") or ()) for line in lines(CORPORA / "tau_retail.jsonl") for message in line["messages"])
    assert codes.total() == recorded
    assert codes["malformed_arguments"] == 99
