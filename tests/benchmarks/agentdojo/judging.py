"""Judges the corpus under each policy: which calls of which run are let through."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agentgate import load_policy
from agentgate.core.events import Effect
from agentgate.core.policy import Policy
from agentgate.files.transcript import Transcript
from agentgate.files.transcript_reader import read_file
from agentgate.learning.observing import observe
from agentgate.learning.proposing import propose
from agentgate.replay import Replay
from tests.benchmarks.agentdojo.progent import translated

SUITES = ("banking", "slack")
POLICIES = Path(__file__).parents[3] / "policies"
Decisions = dict[str, list[bool]]
"""Run → whether each of its calls is let through."""


class Corpus:
    """AgentDojo's recorded runs with what is known about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "agentdojo.jsonl"
        self.meta: dict[str, dict[str, Any]] = {}
        self.suite: dict[str, str] = {}
        self.runs: dict[str, Transcript] = {}
        with self.file.open() as lines:
            for raw, found in zip(map(json.loads, lines), read_file(self.file), strict=True):
                assert isinstance(found, Transcript), found
                self.meta[found.id], self.suite[found.id], self.runs[found.id] = raw["meta"], raw["suite"], found

    def of(self, suite: str) -> list[Transcript]:
        """The runs of a suite."""
        return [run for id, run in self.runs.items() if self.suite[id] == suite]


def judge(corpus: Corpus, policy_of: Mapping[str, Policy]) -> Decisions:
    """Every run under the policy of its suite. What would be asked about counts as refused: nobody is there to ask."""
    replays = {suite: Replay(policy) for suite, policy in policy_of.items()}
    return {id: _let_through(replays[corpus.suite[id]], run) for id, run in corpus.runs.items()}


def _let_through(replay: Replay, run: Transcript) -> list[bool]:
    return [call.effect is Effect.ALLOW for call in replay.judge(run)]


def published(corpus: Corpus) -> Decisions:
    """Progent's manual policies."""
    return judge(corpus, {suite: translated(corpus.folder, suite) for suite in SUITES})


def by_hand(corpus: Corpus) -> Decisions:
    """The policies of this repository."""
    return judge(corpus, {suite: load_policy(str(POLICIES / f"{suite}.yaml")) for suite in SUITES})


def learned(corpus: Corpus, *, enough: int, untried: Effect) -> Decisions:
    """Each run under a policy that was learned from the benign runs of all other tasks of its suite."""
    decisions: Decisions = {}
    for suite in SUITES:
        by_task: dict[str, list[Transcript]] = defaultdict(list)
        for run in corpus.of(suite):
            by_task[corpus.meta[run.id]["user_task"]].append(run)
        benign = [run for run in corpus.of(suite) if corpus.meta[run.id]["kind"] == "benign"]
        seen = observe(benign)
        for task, runs in by_task.items():
            same = [number for number, run in enumerate(benign) if corpus.meta[run.id]["user_task"] == task]
            replay = Replay(propose(seen.without(same), enough=enough, untried=untried).policy)
            decisions |= {run.id: _let_through(replay, run) for run in runs}
    return decisions


CONFIGURATIONS: Mapping[str, Callable[[Corpus], Decisions]] = {
    "no policy": lambda corpus: {id: [True] * corpus.meta[id]["n_tool_calls"] for id in corpus.runs},
    "Progent's manual policies": published,
    "policies/banking and slack": by_hand,
    "learned, other tasks": lambda corpus: learned(corpus, enough=1, untried=Effect.ALLOW),
    "learned, as it comes": lambda corpus: learned(corpus, enough=3, untried=Effect.BLOCK),
}
"""What is compared, in the order of the table."""


def disagreements(corpus: Corpus, decisions: Decisions) -> list[tuple[str, int]]:
    """Calls about which Progent's own decisions, as the corpus has them, and ours differ."""
    with (corpus.folder / "reference" / "progent_manual.agentdojo.jsonl").open() as lines:
        wanted = {line["id"]: line["decisions"] for line in map(json.loads, lines)}
    return [
        (id, index)
        for id, ours in decisions.items()
        for index, (mine, theirs) in enumerate(zip(ours, wanted[id], strict=True))
        if mine is not theirs
    ]
