"""How a learned policy does on runs that it was not learned from, and what it makes of bad ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from posixpath import normpath

from msgspec import Struct

from agentgate.core.events import Effect
from agentgate.core.policy import Policy
from agentgate.learning.observing import Observations, Run
from agentgate.replay import Judged, Replay

FOLDS = 5
"""Every fifth run is held out, five times, so that each is judged once by what the others taught."""
_QUOTED = re.compile(r" '.*?'(?= is not allowed)")


class HeldOut(Struct, frozen=True):
    """What a policy made of runs that it was not learned from."""

    calls: int = 0
    allowed: int = 0
    asked: int = 0
    runs: int = 0
    whole: int = 0
    """Runs of which every call was allowed."""


class Bad(Struct, frozen=True):
    """What a policy made of runs that it shall keep out."""

    runs: int
    stopped: int
    """Runs of which some call was not allowed."""
    by: tuple[tuple[str, int], ...]
    """What stopped them, the first in each run, and in how many."""
    through: tuple[str, ...]
    """The ids of those that got through, so that no rule separates them from the good ones."""


def held_out(seen: Observations, learn: Callable[[Observations], Policy]) -> HeldOut | None:
    """Learns from four fifths of the runs and judges the rest, five times; None where there are too few runs to hold any out."""
    if len(seen.runs) < FOLDS:
        return None
    calls = allowed = asked = whole = 0
    for fold in range(FOLDS):
        out = range(fold, len(seen.runs), FOLDS)
        judging = judge_by(learn(seen.without(out)))
        for number in out:
            effects = [call.effect for call in _executed(judging, seen.runs[number])]
            calls += len(effects)
            allowed += effects.count(Effect.ALLOW)
            asked += effects.count(Effect.ASK)
            whole += all(effect is Effect.ALLOW for effect in effects)
    return HeldOut(calls, allowed, asked, len(seen.runs), whole)


def kept_out(bad: Observations, policy: Policy) -> Bad:
    """What a policy makes of bad runs."""
    judging = judge_by(policy)
    by: Counter[str] = Counter()
    through: list[str] = []
    for run in bad.runs:
        refused = next((call for call in _executed(judging, run) if call.effect is not Effect.ALLOW), None)
        if refused is None:
            through.append(run.transcript.id)
        else:
            by[_cause(refused)] += 1
    return Bad(len(bad.runs), len(bad.runs) - len(through), tuple(by.most_common()), tuple(through))


def judge_by(policy: Policy) -> Replay:
    """A policy, ready to judge recordings: paths lead where they say, for nobody knows what links there were."""
    return Replay(policy, resolve=normpath)


def _executed(judging: Replay, run: Run) -> list[Judged]:
    """The calls of a run that were executed when it was recorded, judged now."""
    executed = {sample.index for sample in run.samples}
    return [call for call in judging.judge(run.transcript) if call.index in executed]


def _cause(call: Judged) -> str:
    if call.rule is not None:
        return f"rule {call.rule}"
    return f"{call.tool}: {_QUOTED.sub('', call.reason)}"
