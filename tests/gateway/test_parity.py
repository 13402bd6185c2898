"""One corpus of calls, and one decision on each: whether a run proposes them, a replay reads them, or the gateway sees them."""

from __future__ import annotations

import json

import pytest

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json, ToolCall
from agentgate.files.importers import chat as importer
from agentgate.files.transcript import Transcript
from agentgate.gateway import chat
from agentgate.gateway.judging import Sitting
from agentgate.replay import Replay
from agentgate.session import Session
from tests.gateway.judged import Nobody, bench
from tests.hostile.test_hostile_calls import SELECTION
from tests.hostile.translation import policy_of, specifications, tools_of


def can_be_sent(calls: list[Json]) -> bool:
    """Whether calls can stand in a strict answer at all; half a character cannot, and such answers reach nobody."""
    try:
        parse_json(json.dumps(calls))
    except InvalidJson:
        return False
    return bool(calls)


CASES = [case for case in SELECTION if can_be_sent(case["tool_calls"])]
SPECIFICATIONS = specifications()


def answer(calls: list[Json]) -> dict[str, Json]:
    said = [{"id": one.get("id"), "type": "function", "function": {key: one.get(key) for key in ("name", "arguments")}} for one in calls]
    return {"role": "assistant", "content": None, "tool_calls": said}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_every_way_to_a_decision_gives_the_same(case: dict[str, Json]) -> None:
    """Effect, code, rule and reason of every call."""
    name, role = case["policy"], (case.get("context") or {}).get("role")
    spec = SPECIFICATIONS[name]
    on, tools = policy_of(name, spec, in_rules=True), tools_of(name, spec, in_rules=True)
    user, message = {"role": "user", "content": "do it"}, answer(case["tool_calls"])
    session = Session(on, role=role, tools=tools)
    live = [session.propose(ToolCall(one.get("id"), one.get("name"), one.get("arguments"))) for one in case["tool_calls"]]
    run = [(one.effect, one.code, one.rule, one.reason) for one in live]
    items = importer.read({"messages": [user, message]}, "story", tools)
    replayed = [(one.effect, one.code, one.rule, one.reason) for one in Replay(on, role=role).judge(Transcript("story", items, "-"))]
    body = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    request = chat.read_request(json.dumps({"model": "m", "messages": [user], "tools": tools}).encode(), 1 << 20)
    read = chat.read_answer(json.dumps(body).encode(), request).answer
    verdict = Sitting(bench(on, role=role), request, None, "run").judge(read, Nobody())
    served = [(one.effect, one.code, one.rule, one.reason) for one in verdict.decided]
    assert run == replayed == served
