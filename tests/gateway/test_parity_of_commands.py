"""The commands themselves, and recorded traffic: `run`, `replay`, `explain` and `serve` say the same about every call."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentgate.core.events import Json
from agentgate.files.policy_file import load_policy
from agentgate.files.transcript import Transcript
from agentgate.files.transcript_reader import read_file
from agentgate.gateway import chat as api
from agentgate.gateway.envelope import BadRequest
from agentgate.gateway.judging import Sitting
from agentgate.replay import Replay
from tests.cli.program import TASK, TOOLS
from tests.core.building import Clock
from tests.gateway.judged import Nobody, bench
from tests.gateway.processes import Process
from tests.gateway.serving import KEY
from tests.gateway.test_processes import agentgate
from tests.replay.test_corpora import CORPORA, lines
from tests.scripted_server import USAGE, ScriptedServer, call, chat

ROOT = Path(__file__).parents[2]
POLICY = """\
version: 1
name: parity
roles: {clerk: []}
rules:
  - {id: small-sums, allow: add, when: {a: {max: 100}}}
  - {id: no-thirteen, block: add, when: {a: 13}, message: unlucky, hint: take twelve}
  - {id: mail, ask: send, when: {to: {email: [example.com]}}}
  - {id: clerks, allow: send, roles: [clerk]}
"""
CALLS = [
    call("add", {"a": 1, "b": 2}, id="c0"),
    call("add", {"a": 1000, "b": 2}, id="c1"),
    call("add", {"a": 13, "b": 2}, id="c2"),
    call("add", {"a": "1", "b": 2}, id="c3"),
    call("add", {"a": 1, "b": 2, "c": 3}, id="c4"),
    call("add", {"a": 1}, id="c5"),
    call("add", '{"a": 1, "a": 13, "b": 2}', id="c6"),
    call("add", '{"a": NaN, "b": 2}', id="c7"),
    call("add", "[1, 2]", id="c8"),
    call("send", {"to": "anna@example.com"}, id="c9"),
    call("send", {"to": "anna@evil.example"}, id="c10"),
    call("wait", {"started": "x", "release": "y"}, id="c11"),
    call("unheard", {}, id="c12"),
    call("ADD", {"a": 1, "b": 2}, id="c13"),
    call("add\n", {"a": 1, "b": 2}, id="c14"),
]
Said = tuple[str, str, str | None, str]


def test_every_command_says_the_same(tmp_path: Path) -> None:
    """Effect, code, rule and reason of fifteen calls, from one recorded run and from a gateway that is asked about the same answers."""
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "policy.yaml").write_text(POLICY)
    with ScriptedServer(*[chat(calls=[one]) for one in CALLS], chat("done")) as model:
        task = {**TASK, "max_steps": 30, "model": {"provider": "openai", "name": "scripted", "base_url": model.url}}
        (tmp_path / "task.yaml").write_text(yaml.safe_dump(task))
        done = agentgate(
            tmp_path,
            "run",
            "task.yaml",
            "--policy",
            "policy.yaml",
            "--transcript",
            "run.jsonl",
            "--approve",
            "never",
            OPENAI_API_KEY="sk-x",
        )
    events = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    decided = [event for event in events if event["type"] == "call_decided"]
    run: list[Said] = [(one["effect"], one["code"], one["rule"], one["reason"]) for one in decided]
    assert len(run) == len(CALLS), done.stderr

    replay = agentgate(tmp_path, "replay", "run.jsonl", "--policy", "policy.yaml", "--format", "jsonl")
    replayed = [said(json.loads(line)) for line in replay.stdout.splitlines()]
    explained = []
    for number in range(1, len(CALLS) + 1):
        explain = agentgate(tmp_path, "explain", f"run.jsonl#{number}", "--policy", "policy.yaml", "--format", "json")
        explained.append(said(json.loads(explain.stdout)))
    assert run == replayed == explained == served(tmp_path, events[0]["tools"])


def said(value: Any) -> Said:
    return value["effect"], value["code"], value["rule"], value["reason"]


def served(folder: Path, tools: list[Json]) -> list[Said]:
    """What a gateway says about each call, in an answer of its own; the client is told the same as the events."""
    found: list[Said] = []
    answers = [chat(calls=[one]) for one in CALLS]
    with (
        ScriptedServer(*answers) as upstream,
        Process(folder, upstream.url, policy=POLICY, environ={"AGENTGATE_EVENTS_KEY": KEY}) as gateway,
    ):
        for _ in CALLS:
            got = gateway.send(
                "POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": tools}
            )
            (event,) = gateway.events("?limit=1")
            (one,) = event["policy_decisions"]
            assert (got.status == 200) == (one["action"] == "allow")
            if got.status != 200:
                assert (got.error["policy"], got.error["message"]) == (one["policy"], one["reason"])
            found.append((one["action"], one["code"], one["policy"] if one["matched"] else None, one["reason"]))
    return found


def as_it_was_asked(raw: dict[str, Any]) -> list[tuple[list[Json], dict[str, Any]]]:
    """Every answer with calls of a recorded conversation: the messages before it, and itself."""
    messages = raw["messages"]
    return [(messages[:place], said) for place, said in enumerate(messages) if said.get("tool_calls")]


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the recorded transcripts are kept beside the repository: ../shared/corpora")
@pytest.mark.parametrize("policy", ["banking", "slack", "read-only"])
def test_recorded_traffic_is_decided_as_replay_does(policy: str) -> None:
    """Each answer of a recorded conversation, asked for anew with the messages before it, gets the decisions that a replay of all gives."""
    on = load_policy(str(ROOT / "policies" / f"{policy}.yaml"))
    path, judged = CORPORA / "agentdojo.jsonl", 0
    compared = (
        (raw, found) for raw, found in zip(lines(path), read_file(path), strict=True) if raw["suite"] == policy or policy == "read-only"
    )
    for raw, found in islice(compared, 60):
        assert isinstance(found, Transcript)
        tools = json.loads((CORPORA / raw["tools"]).read_text())
        replayed = {one.index: said_of(one) for one in Replay(on).judge(found)}
        first = 0
        for before, answer in as_it_was_asked(raw):
            last = first + len(answer["tool_calls"])
            wanted = [replayed[number] for number in range(first, last)]
            first = last
            try:
                request = api.read_request(json.dumps({"model": "m", "messages": before, "tools": tools}).encode(), 1 << 24)
                sitting = Sitting(bench(on, clock=Clock()), request, None, "run")
            except BadRequest:
                continue
            body = {
                "model": "m",
                "choices": [{"index": 0, "message": {"content": None, **answer}, "finish_reason": "tool_calls"}],
                "usage": USAGE,
            }
            verdict = sitting.judge(api.read_answer(json.dumps(body).encode(), request).answer, Nobody())
            assert [said_of(one) for one in verdict.decided] == wanted, raw["id"]
            judged += len(wanted)
    assert judged > 50


def said_of(one: Any) -> Said:
    return str(one.effect), str(one.code), one.rule, one.reason
