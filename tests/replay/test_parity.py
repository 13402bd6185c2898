"""A run judged live and its transcript judged again under the same policy come to the same decisions, whatever happened in between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agentgate.core.arguments import InvalidJson, digest, parse_arguments
from agentgate.core.events import ApprovalAnswered, Decision, Effect, Event, Mode, RunEnded, RunStarted, ToolCall
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.explain import explain_recorded
from agentgate.files.transcript import Transcript
from agentgate.files.transcript_chain import ZEROS, seal
from agentgate.files.transcript_reader import Source, read_stream
from agentgate.replay import Judged, Replay
from agentgate.session import Session
from tests.core.building import START, Clock
from tests.reference.cases import Answer, Case, Proposal, chance, event_of, random_case
from tests.reference.interpreter import Setting

EXAMPLES = int(os.environ.get("AGENTGATE_EXAMPLES", "2000")) // 8
PATHS = ("docs/a", "docs/../etc/x", "/srv/docs/b", "loop", "/etc/x", "docs", "src/link")
FOLDERS = (["docs"], ["/srv"], ["."], ["docs", "/etc"])


class Writer:
    """Keeps events as the lines of a transcript."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._prev = ZEROS

    def __call__(self, event: Event) -> None:
        sealed = seal(event, len(self.lines) + 1, self._prev)
        self.lines.append(sealed.line)
        self._prev = sealed.hash

    def transcript(self) -> Transcript:
        """What a reader makes of the lines."""
        found = list(read_stream(BytesIO(b"".join(self.lines)), Source("run.jsonl"), {}))
        assert len(found) == 1
        assert isinstance(found[0], Transcript)
        return found[0]


def with_paths(random: Random, case: Case) -> Case:
    """The case, with rules about paths, and calls that name some."""
    condition = Condition("path", (("path", random.choice(FOLDERS)),), optional=chance(random, 30))
    rules = tuple(
        replace(rule, **{random.choice(("when", "unless")): (condition,)}) if chance(random, 60) else rule for rule in case.policy.rules
    )
    script = tuple(
        Proposal(_with_path(happening.call, random.choice(PATHS)), happening.wait) if isinstance(happening, Proposal) else happening
        for happening in case.script
    )
    setting = replace(case.setting, tools=None)
    return replace(case, policy=replace(case.policy, rules=rules), script=script, setting=setting)


def _with_path(call: ToolCall, path: str) -> ToolCall:
    return replace(call, arguments=f'{{"path": "{path}"}}') if isinstance(call.arguments, str) else call


def resolver(random: Random) -> Any:
    """A world in which links lead anywhere, or nowhere; the same path always to the same place."""
    known: dict[str, str] = {}

    def resolve(path: str) -> str:
        if path not in known:
            known[path] = random.choice(("", path.replace("/..", "").rstrip("/") or "/", "/srv/docs/b", "/etc/x", "/home/docs/a"))
        if not known[path]:
            raise OSError("nobody knows")
        return known[path]

    return resolve


def live(case: Case, mode: str, resolve: Any) -> tuple[list[Decision], Transcript]:
    """Plays the case to a session that records, as a run does."""
    writer, clock = Writer(), Clock()
    setting = case.setting
    session = Session(case.policy, mode=mode, recorder=writer, clock=clock, resolve=resolve)
    choice: Any = "auto" if setting.allowed_tools is None else {"mode": "auto", "allowed_tools": list(setting.allowed_tools)}
    messages = ({"role": "user", "content": "please read x1 and docs/a"},)
    session.record(
        RunStarted(
            at=START,
            run_id="r",
            mode=Mode(mode),
            role=setting.role,
            messages=messages,
            tools=setting.tools,
            tool_choice=choice,
            workdir="/work",
        )
    )
    calls: list[ToolCall] = []
    decisions: list[Decision] = []
    for happening in case.script:
        if isinstance(happening, Proposal):
            call = happening.call
            if isinstance(call.arguments, bytes):
                call = replace(call, arguments=call.arguments.decode())
            clock.wait(happening.wait)
            calls.append(call)
            explained = session.explain(call)[0]
            decisions.append(session.propose(call))
            assert explained == decisions[-1]
            continue
        if isinstance(happening, Answer) and not isinstance(calls[happening.call].id, str):
            continue
        event = event_of(happening, calls, clock())
        if isinstance(event, ApprovalAnswered):
            event = replace(event, args_hash=_hash(calls[happening.call]) if isinstance(happening, Answer) else "")
        session.record(event)
    session.record(RunEnded(at=clock(), status="done", totals=session.state.totals))
    return decisions, writer.transcript()


def _hash(call: ToolCall) -> str:
    try:
        return digest(parse_arguments(call.arguments))
    except InvalidJson:
        return ""


def again(policy: Policy, transcript: Transcript, **options: Any) -> Iterator[Judged]:
    """The transcript judged again, in another world than that of the run."""
    return Replay(policy, resolve=_elsewhere, workdir="/elsewhere", **options).judge(transcript)


def _elsewhere(path: str) -> str:
    return "/somewhere/else"


def assert_same(case: Case, mode: str, resolve: Any) -> None:
    """Live and replayed decisions are one and the same, effect, code, rule and words."""
    decisions, transcript = live(case, mode, resolve)
    judged = list(again(case.policy, transcript))
    assert [(call.effect, call.code, call.rule) for call in judged] == [(one.effect, one.code, one.rule) for one in decisions]
    assert not any(call.flipped or call.after_flip for call in judged)
    assert [call.recorded and (call.recorded.effect, call.recorded.rule) for call in judged] == [
        (one.effect, one.rule) for one in decisions
    ]
    for number, call in enumerate(judged, 1):
        said = explain_recorded(case.policy, transcript, number, resolve=_elsewhere, workdir="/elsewhere").decision
        assert (said.effect, said.code, said.rule, said.reason) == (call.effect, call.code, call.rule, call.reason)


@pytest.mark.parametrize("mode", list(Mode))
@settings(max_examples=EXAMPLES // 3, database=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_a_run_replayed_under_its_own_policy_does_not_flip(mode: str, random: Random) -> None:
    """Random policies and histories with limits, roles, answers, returns and pauses, in every mode; and `explain` said the same before."""
    assert_same(random_case(random), mode, None)


@settings(max_examples=EXAMPLES // 3, database=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_what_was_found_about_paths_is_believed(random: Random) -> None:
    """Links that lead elsewhere by now, or nowhere then, change nothing: a replay goes by the recorded facts."""
    assert_same(with_paths(random, random_case(random)), "enforce", resolver(random))


def test_the_same_from_fixed_seeds() -> None:
    """The same over many more runs, the same ones everywhere."""
    for seed in range(EXAMPLES):
        random = Random(seed)
        case = random_case(random)
        assert_same(with_paths(random, case) if seed % 2 else case, ("enforce", "observe", "dry-run")[seed % 3], resolver(random))


def test_what_is_remembered_is_what_would_be_judged() -> None:
    """A replay that has met the same calls before, in other moments of a run and in other roles, decides them as if it had not."""
    for seed in range(EXAMPLES // 2):
        random = Random(seed)
        case = random_case(random)
        decisions, transcript = live(case, "enforce", None)
        begun = transcript.started if chance(random, 60) else replace(transcript.started, role=random.choice((None, "viewer")))
        if chance(random, 30):
            begun = replace(begun, tool_choice="auto")
        other = replace(transcript, items=(begun, *random.sample(transcript.items[1:], len(transcript.items) - 1)))
        replay = Replay(case.policy, resolve=_elsewhere, workdir="/elsewhere")
        for one in (other, transcript, other):
            list(replay.judge(one))
        judged = [(call.effect, call.code, call.rule, call.reason) for call in replay.judge(transcript)]
        assert judged == [(one.effect, one.code, one.rule, one.reason) for one in decisions]


def test_every_decision_is_in_the_transcript() -> None:
    """The comparison above compares something: a changed record is noticed as a flip."""
    policy = Policy("p", rules=(Rule("r", Effect.ALLOW, ("read",)),))
    case = Case(policy, Setting(None, None, None, START), (Proposal(ToolCall("c", "read", "{}"), 0),))
    _, transcript = live(case, "enforce", None)
    assert [call.flipped for call in again(replace(policy, rules=()), transcript)] == [True]
