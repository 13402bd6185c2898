"""Sessions that begin as another one did: nobody can tell one from a session that was made by itself."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import Event, Mode, ModelReplied, RunStarted, ToolCall, Usage
from agentgate.core.policy import Policy
from agentgate.core.redaction.redactor import Redactor
from agentgate.core.remembered import Remembered
from agentgate.core.state import State
from agentgate.core.stops import Halt
from agentgate.errors import UsageError
from agentgate.files.state_db import StateDatabase
from agentgate.files.state_folder import StateFolder
from agentgate.session import Session
from tests.core.building import START, limit, policy, rule

PLAIN = policy(rule("allow", "read"))
COUNTING = policy(rule("allow", "read"), rule("ask", "send"), limit("repeats", 2), limit("seconds", 60))
SECRETS = Redactor((), {"KEY": "12345678"})
HALT = Halt("stopped", ends_run=True)


def stopping(tool: object) -> Halt | None:
    """A kill switch that is thrown for one tool."""
    return HALT if tool == "drop" else None


def nobody(event: Event) -> None:
    """Keeps nothing."""


def told(session: Session) -> dict[str, Any]:
    """All that a session is; of what each has for itself, what it is made of."""
    parts = dict(vars(session))
    parts["_dealings"] = {**vars(session._dealings), "_share": None}
    parts["_terms"] = (*session._terms[:-1], vars(session._terms.unshared))
    parts["_stops"] = None if session._stops is None else (session._stops._switch, session._stops._ended_by)
    parts["_shares"] = session._dealings._share is not None
    parts["_record"] = parts["_record"] is not None
    return parts


@pytest.mark.parametrize("accounts", [False, True], ids=["alone", "sharing"])
@pytest.mark.parametrize("switched", [False, True], ids=["free", "switched"])
@pytest.mark.parametrize("recorded", [False, True], ids=["unrecorded", "recorded"])
@pytest.mark.parametrize("bound", [PLAIN, COUNTING], ids=["plain", "counting"])
def test_a_session_alike_is_one_made_by_itself(bound: Policy, recorded: bool, switched: bool, accounts: bool, tmp_path: Path) -> None:
    """In all that it is, whatever the one has that it is like; and nothing that changes is shared."""
    kept: list[Event] = []
    recorder, switch = kept.append if recorded else None, stopping if switched else None
    state = State(role="admin", started=START)
    with StateDatabase(StateFolder(str(tmp_path / "state")), policy="story", scope=None) as database:
        shared = database if accounts else None
        for mode, secrets in product(Mode, (None, SECRETS)):
            setting: dict[str, Any] = {"mode": mode, "secrets": secrets, "clock": lambda: START, "workdir": "/w", "role": "admin"}
            itself = Session(bound, recorder=recorder, switch=switch, accounts=shared, **setting)
            for origin in (
                Session(itself.policy, **{**setting, "clock": itself._clock}),
                Session(itself.policy, recorder=nobody, switch=stopping, accounts=database, **{**setting, "clock": itself._clock}),
            ):
                origin.propose(ToolCall("c", "drop", "{}"))
                made = origin.alike(state, recorder, switch=switch, accounts=shared)
                assert told(made) == told(itself)
                assert made._stops is None or made._stops is not origin._stops
                assert made._dealings is not origin._dealings or origin._dealings._share is None


def story(session: Session) -> list[object]:
    """Something of everything, and what came of it."""
    session.record(RunStarted(at=START, run_id="r", role="admin"))
    session.record(ModelReplied(at=START, step=1, message={"text": "12345678"}, usage=Usage(1, 1)))
    names = ("read", "send", "drop", "read")
    decisions = [session.propose(ToolCall(f"c{place}", name, '{"n": 12345678}')) for place, name in enumerate(names)]
    return [*decisions, session.propose_together([ToolCall("d", "read", "{}")]), session.request(), session.halt(), session.state]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("bound", [PLAIN, COUNTING], ids=["plain", "counting"])
def test_a_session_alike_decides_and_records_the_same(bound: Policy, mode: Mode) -> None:
    """Also the second one, after the first was stopped."""
    setting: dict[str, Any] = {"mode": mode, "secrets": SECRETS, "clock": lambda: START}
    events: list[Event] = []
    expected = story(Session(bound, recorder=events.append, switch=stopping, **setting))
    origin = Session(bound, **setting)
    for _ in range(2):
        kept: list[Event] = []
        assert story(origin.alike(State(), kept.append, switch=stopping)) == expected
        assert kept == events


def test_a_session_alike_that_remembers_neither_records_nor_executes() -> None:
    """As one that is made by itself."""
    origin = Session(PLAIN, remembered=Remembered())
    assert origin.alike(State(), None).propose(ToolCall("c", "read", "{}")).effect == "allow"
    with pytest.raises(UsageError, match="neither records nor executes"):
        origin.alike(State(), nobody)
