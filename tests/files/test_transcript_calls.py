"""What a run that waited and went on can have done: an audit finds everything else."""

from __future__ import annotations

from typing import Any

import pytest

from agentgate.core.arguments import digest
from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Effect,
    Event,
    PolicyDigest,
    RunEnded,
    RunResumed,
    RunStarted,
    Scope,
    ToolReturned,
)
from agentgate.files.transcript_calls import Calls

HASH, OLD, NEW = digest({}), PolicyDigest("p", "a" * 64), PolicyDigest("p", "b" * 64)
STARTED = RunStarted(run_id="r", policy=OLD)
WAITS, DONE = RunEnded(status="waiting"), RunEnded(status="done")
UNKNOWN = ToolReturned(call_id="c", executed=True, ok=False, content="", unknown=True)
RAN = ToolReturned(call_id="c", executed=True, ok=True, content="")
REFUSED = ToolReturned(call_id="c", executed=False, ok=False, content="")
RETRY_NOBODY_ASKED = "an approval that nothing asked for, of the call `c`"


def decided(effect: Effect = Effect.ASK, call_id: str = "c") -> CallDecided:
    return CallDecided(step=1, call_id=call_id, tool="pay", arguments="{}", args_hash=HASH, effect=effect, code=Code.RULE)


def approved(answer: str = "approve", **fields: Any) -> ApprovalAnswered:
    said = {"run_id": "r", "call_id": "c", "tool": "pay", "args_hash": HASH, "policy": OLD.sha256, "by": "ann", **fields}
    return ApprovalAnswered(answer=answer, **said)


def retry(**fields: Any) -> ApprovalAnswered:
    return approved(scope=Scope.RETRY, **fields)


def found(*events: Event) -> list[str]:
    calls = Calls()
    return [what for event in (STARTED, *events) for what in calls.take(event)]


@pytest.mark.parametrize(
    "events",
    [
        (decided(), WAITS, approved(), RunResumed(), RAN, DONE),
        (decided(), WAITS, RunResumed(), WAITS, approved("reject"), RunResumed(), REFUSED, DONE),
        (decided(), decided(Effect.ALLOW, "d"), WAITS),
        (decided(Effect.ALLOW), RunResumed(), UNKNOWN, DONE),
        (decided(Effect.ALLOW), RunResumed(retry_unknown=True), retry(), RAN, DONE),
        (decided(Effect.ALLOW), UNKNOWN, RunEnded(status="interrupted"), RunResumed(), retry(), RAN, DONE),
        (decided(), approved(), RunResumed(policy=NEW), UNKNOWN, DONE),
        (decided(), WAITS, approved(), RunResumed(policy=NEW), REFUSED, DONE),
        (decided(), WAITS, approved(), RunResumed(policy=OLD), RAN, DONE),
        (decided(), decided(Effect.BLOCK), REFUSED, WAITS, approved(), RunResumed(), RAN, DONE),
    ],
    ids=[
        "approved", "waits twice", "held", "may have run", "run again", "given up and run again", "may have run under another policy",
        "another policy takes back", "the same policy", "an id used twice",
    ],
)  # fmt: skip
def test_what_can_have_happened(events: tuple[Event, ...]) -> None:
    """Nothing is found."""
    assert found(*events) == []


@pytest.mark.parametrize(
    ("events", "what"),
    [
        ((decided(), WAITS, RunResumed(), RAN), "the call `c` was executed, and its decision is ask"),
        ((decided(), WAITS, approved("reject"), RunResumed(), RAN), "the call `c` was executed, and its decision is ask"),
        ((decided(), approved(), approved()), RETRY_NOBODY_ASKED),
        ((decided(), approved(policy=NEW.sha256)), RETRY_NOBODY_ASKED),
        ((decided(), approved(tool="mail")), RETRY_NOBODY_ASKED),
        ((decided(), approved(run_id="s")), RETRY_NOBODY_ASKED),
        ((decided(), approved(args_hash="0" * 64)), RETRY_NOBODY_ASKED),
        ((decided(), WAITS, approved(), RunResumed(policy=NEW), RAN), "the call `c` was executed, and it was decided under another policy"),
        ((decided(Effect.ALLOW), retry()), RETRY_NOBODY_ASKED),
        ((decided(), RunResumed(), retry()), RETRY_NOBODY_ASKED),
        ((decided(Effect.ALLOW), RAN, RunResumed(), retry()), RETRY_NOBODY_ASKED),
        ((decided(Effect.ALLOW), UNKNOWN, RunResumed(), RAN), "an answer to the call `c`, which no decision waits for"),
        (
            (decided(Effect.ALLOW), UNKNOWN, RunResumed(), retry(), RAN, RAN),
            "an answer to the call `c`, which no decision waits for",
        ),
        ((decided(Effect.BLOCK), WAITS), "the run ended without an answer to the call `c`"),
        ((decided(), RunEnded(status="interrupted")), "the run ended without an answer to the call `c`"),
        ((DONE, RunResumed()), "the run was done, and goes on all the same"),
    ],
    ids=[
        "no approval", "rejected", "approved twice", "for another policy", "for another tool", "for another run", "for other arguments",
        "approved under another policy", "run again without going on", "run again without having been let through",
        "run again what has run", "run again without saying so", "run again twice", "a refusal that is owed", "an end that does not wait",
        "done and resumed",
    ],
)  # fmt: skip
def test_what_cannot(events: tuple[Event, ...], what: str) -> None:
    """It is named, and the call with it."""
    assert found(*events) == [what]
