"""Calls made to slip past a gate: none that must be blocked is allowed, none that must be allowed is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agentgate.core.events import ApprovalAnswered, Code, Decision, Effect, Json, ToolCall
from agentgate.session import Session

from .translation import DATA, policy_of, specifications, tools_of

CORPUS = Path(os.environ.get("AGENTGATE_HOSTILE", Path(__file__).parents[2].parent / "shared" / "hostile"))
"""The whole corpus, where there is one; the selection in `tests/data/hostile` is always there."""
FILES = ("01_json_parse", "02_not_object", "03_type_confusion", "04_tool_names", "09_unicode_regex", "11_extra_args",
         "12_numbers", "13_batch_budget",
         "15_policy_semantics", "17_schema", "18_benign", "19_encoding")  # fmt: skip
CANNOT_BE_SAID = {"batch-022": "a limit over the sum of an argument is not in the policy language"}

FORMS = pytest.mark.parametrize("in_rules", [True, False], ids=["arguments-in-rules", "arguments-in-schemas"])


def cases_in(file: Path) -> list[dict[str, Json]]:
    """The cases of one file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


def wrong(case: dict[str, Json], *, in_rules: bool) -> str | None:
    """What a session gets wrong about a case, or None."""
    name = case["policy"]
    spec = SPECIFICATIONS[name]
    told = case.get("context") or {}
    session = Session(policy_of(name, spec, in_rules=in_rules), role=told.get("role"), tools=tools_of(name, spec, in_rules=in_rules))
    for number, (proposed, expected) in enumerate(zip(case["tool_calls"], case["expected_calls"], strict=True)):
        call = ToolCall(proposed.get("id"), proposed.get("name"), proposed.get("arguments"))
        decision = session.propose(call)
        allowed = decision.effect is Effect.ALLOW
        if decision.effect is Effect.ASK and call.id in told.get("approved_ids", []):
            session.record(ApprovalAnswered(call_id=call.id, args_hash="", answer="approve", by="somebody"))
            allowed = True
        if not fits(decision, allowed, expected, case.get("alt_ok") or []):
            return f"{case['id']} call {number}: {expected} was expected ({case['why']}), got {decision}"
    return None


def fits(decision: Decision, allowed: bool, expected: str, alternatives: list[str]) -> bool:
    """Whether a decision is one that the case wants or puts up with."""
    if decision.code is Code.INTERNAL_ERROR:
        return False
    wanted = {expected, *alternatives}
    return "allow" in wanted if allowed else bool(wanted & {"block", "error-no-crash"})


SPECIFICATIONS = specifications()
SELECTION = cases_in(DATA / "calls.jsonl")


@FORMS
@pytest.mark.parametrize("case", SELECTION, ids=lambda case: case["id"])
def test_a_selected_hostile_call_is_judged_right(case: dict[str, Json], in_rules: bool) -> None:
    """A case of the selection that comes with the repository."""
    assert wrong(case, in_rules=in_rules) is None


@FORMS
@pytest.mark.parametrize("name", FILES)
def test_every_hostile_call_of_a_file_is_judged_right(name: str, in_rules: bool) -> None:
    """A whole file of the corpus."""
    file = CORPUS / f"{name}.jsonl"
    if not file.exists():
        pytest.skip(f"the hostile corpus is not here; set AGENTGATE_HOSTILE to the folder that holds {file.name}")
    cases = [case for case in cases_in(file) if case["id"] not in CANNOT_BE_SAID]
    assert [one for one in (wrong(case, in_rules=in_rules) for case in cases) if one is not None] == []
