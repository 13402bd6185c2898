"""Whole answers made to slip a call past a gate."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agentgate.core.events import Json
from agentgate.gateway import chat
from tests.gateway.judged import Outcome, corpus_asked, corpus_bench, whole

DATA = Path(__file__).parents[1] / "data" / "gateway" / "envelope.jsonl"
CORPUS = Path(os.environ.get("AGENTGATE_HOSTILE", Path(__file__).parents[2].parent / "shared" / "hostile")) / "20_envelope.jsonl"


def cases_in(file: Path) -> list[dict[str, Json]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def outcome(case: dict[str, Json]) -> Outcome:
    raw = case["response_raw"].encode() if "response_raw" in case else json.dumps(case["response"]).encode()
    return whole(corpus_bench(case["policy"]), corpus_asked(case["policy"]), raw, api=chat)


def wrong(case: dict[str, Json]) -> str | None:
    """What is wrong with the outcome of a case, or None."""
    got, wanted = outcome(case), {case["expected"], *(case.get("alt_ok") or [])}
    if got.kind == "released":
        return None if "allow" in wanted else f"released: {case['why']}"
    return None if wanted & {"block", "error-no-crash"} else f"refused ({got.error}): {case['why']}"


def of_chat(case: dict[str, Json]) -> bool:
    return "output" not in (case["response"] if isinstance(case.get("response"), dict) else {})


@pytest.mark.parametrize("case", [case for case in cases_in(DATA) if of_chat(case)], ids=lambda case: case["id"])
def test_a_hostile_answer_is_judged_right(case: dict[str, Json]) -> None:
    """A case of the selection that comes with the repository."""
    assert wrong(case) is None


def test_every_answer_of_the_corpus_is_judged_right() -> None:
    """All of them, where they are there."""
    if not CORPUS.exists():
        pytest.skip(f"the hostile corpus is not here; set AGENTGATE_HOSTILE to the folder that holds {CORPUS.name}")
    assert [problem for problem in map(wrong, filter(of_chat, cases_in(CORPUS))) if problem is not None] == []


def test_what_stands_beside_a_call_is_left_out() -> None:
    """A field that no reader should believe does not go out, and the call itself is as it was decided."""
    case = next(case for case in cases_in(DATA) if case["id"] == "env-045")
    got = outcome(case)
    assert got.kind == "released"
    call = json.loads(got.sent)["choices"][0]["message"]["tool_calls"][0]
    assert call == {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
