"""Streams made to slip a call past a gate: judged alike however they are cut, and of a refused call no byte goes out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.core.events import Json
from tests.gateway.judged import Outcome, assembled, corpus_asked, corpus_bench, cut, stream

DATA = Path(__file__).parents[1] / "data" / "gateway" / "streams"
CORPUS = Path(os.environ.get("AGENTGATE_HOSTILE", Path(__file__).parents[2].parent / "shared" / "hostile")) / "streams"
"""The whole corpus, where there is one; the selection in `tests/data` is always there."""


def cases_in(folder: Path) -> list[dict[str, Json]]:
    """The cases of a manifest."""
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


CASES = cases_in(DATA)
by_file = pytest.mark.parametrize("case", CASES, ids=lambda case: Path(case["file"]).stem)


def judged(case: dict[str, Json], raw: bytes, sizes: list[int]) -> Outcome:
    return stream(corpus_bench(case["policy"]), corpus_asked(case["policy"], stream=True), cut(raw, sizes))


def wrong(case: dict[str, Json], got: Outcome) -> str | None:
    """What is wrong with an outcome, or None."""
    wanted = [case["expected"], *([case["alt_ok"]] if isinstance(case.get("alt_ok"), dict) else [])]
    refused_is_fine = case["expected"]["outcome"] == "error" or case.get("alt_ok") == "error"
    decisions = [decision for choice in case["expected"].get("decisions") or () for decision in choice]
    if got.kind == "released":
        if any(decision != "allow" for decision in decisions):
            return f"released, although {decisions} was expected: {case['why']}"
        return None if any(same(one["choices"] or [], got.sent) for one in wanted if one["outcome"] == "ok") else f"changed: {case['why']}"
    if refused_is_fine or any(decision != "allow" for decision in decisions):
        return None
    return f"refused ({got.error}): {case['why']}"


def same(choices: list[Json], sent: bytes) -> bool:
    """Whether a client gets exactly these choices."""
    got = assembled(sent)
    for choice in choices:
        mine = got.get(choice["index"])
        if mine is None or mine["content"] != choice["content"]:
            return False
        calls = [(call["id"], call["function"]["name"], call["function"]["arguments"]) for _, call in sorted(mine["tool_calls"].items())]
        if calls != [(call["id"], call["name"], call["arguments"]) for call in choice["tool_calls"]]:
            return False
    return len(got) == len(choices)


@by_file
def test_a_hostile_stream_is_judged_right(case: dict[str, Json]) -> None:
    """Released unchanged where all its calls are allowed, refused where one is not, or where it is not understood."""
    raw = (DATA / case["file"]).read_bytes()
    assert wrong(case, judged(case, raw, [])) is None


@by_file
def test_a_stream_is_judged_alike_at_every_read_size(case: dict[str, Json]) -> None:
    """From one byte at a time on: the same outcome, and the same bytes."""
    raw = (DATA / case["file"]).read_bytes()
    once = judged(case, raw, [])
    for size in (1, 2, 3, 5, 16, 61, 1000):
        got = judged(case, raw, [size] * (len(raw) // size))
        assert (got.kind, got.sent, got.error) == (once.kind, once.sent, once.error), size


@by_file
def test_no_byte_of_a_refused_call_goes_out(case: dict[str, Json]) -> None:
    """Neither its name, nor its id, nor anything that belongs to a call at all."""
    raw = (DATA / case["file"]).read_bytes()
    got = judged(case, raw, [1] * len(raw))
    if got.kind != "released":
        assert b"tool_calls" not in got.sent
        assert b"function" not in got.sent
        assert not any(name in got.sent for name in (b"delete", b"call_1", b"get_weather", b"city"))


@settings(max_examples=60)
@given(data=st.data())
def test_any_cut_gives_the_same(data: st.DataObject) -> None:
    """Streams of the selection one after the other, cut anywhere."""
    case = data.draw(st.sampled_from(CASES).map(lambda case: case), label="case")
    raw = (DATA / case["file"]).read_bytes()
    sizes = data.draw(st.lists(st.integers(1, max(1, len(raw) // 2)), max_size=20), label="sizes")
    got, once = judged(case, raw, sizes), judged(case, raw, [])
    assert (got.kind, got.sent, got.error) == (once.kind, once.sent, once.error)


def test_every_stream_of_the_corpus_is_judged_right() -> None:
    """All of it, where it is there."""
    if not CORPUS.exists():
        pytest.skip("the hostile corpus is not here; set AGENTGATE_HOSTILE to the folder that holds streams/")
    problems = [(case["file"], wrong(case, judged(case, (CORPUS / case["file"]).read_bytes(), []))) for case in cases_in(CORPUS)]
    assert [problem for problem in problems if problem[1] is not None] == []
