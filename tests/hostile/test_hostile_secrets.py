"""The hostile corpus of secrets: none of them can be read in a record, and the tool would still get them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from agentgate.core.events import CallDecided, Event, ToolCall
from agentgate.core.policy import Policy, Redaction
from agentgate.core.redaction.detectors import DETECTORS
from agentgate.session import Session
from tests.core.building import rule

CORPUS = Path(os.environ.get("AGENTGATE_HOSTILE", Path(__file__).parents[2].parent / "shared" / "hostile"))
FAKE = re.compile(r"FAKE[A-Z]{4,}")


def test_no_hostile_secret_is_recorded() -> None:
    """Every case of the corpus, with all detectors on."""
    file = CORPUS / "16_secrets.jsonl"
    if not file.exists():
        pytest.skip(f"the hostile corpus is not here; set AGENTGATE_HOSTILE to the folder that holds {file.name}")
    policy = Policy("all", rules=(rule("allow", "*"),), redactions=(Redaction(detect=tuple(DETECTORS)),))
    for line in file.read_text().splitlines():
        case = json.loads(line)
        events: list[Event] = []
        session = Session(policy, recorder=events.append)
        for call in case["tool_calls"]:
            decision = session.propose(ToolCall(call["id"], call["name"], call["arguments"]))
            if decision.arguments is not None:
                assert decision.arguments == json.loads(call["arguments"])
        recorded = [event for event in events if isinstance(event, CallDecided)]
        assert recorded, case["id"]
        for event in recorded:
            assert event.redacted, case["id"]
            assert FAKE.search(str(event)) is None, case["id"]
