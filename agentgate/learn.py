"""From transcripts to the least policy that allows what they did, scored on what it was not learned from."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from msgspec import Struct
from msgspec.structs import asdict, replace

from agentgate.core.events import Code, Effect, Json
from agentgate.core.policy import Policy
from agentgate.files.transcript import Transcript
from agentgate.learning.observing import Observations, observe
from agentgate.learning.proposing import Proposed, propose
from agentgate.learning.scoring import Bad, HeldOut, held_out, judge_by, kept_out
from agentgate.learning.writing import bad_lines, policy_text, score_lines
from agentgate.output.plural import plural


class Learned(Struct, frozen=True):
    """What came of learning."""

    proposed: Proposed
    text: str
    """The policy as a file."""
    score: HeldOut | None
    """None where there were too few runs to hold any out."""
    bad: Bad | None
    said: tuple[str, ...]
    """Both in words."""
    calls: int
    runs: int
    tools: int
    barred: tuple[str, ...] = ()
    """Rules and limits of the extended policy that stop recorded calls; no new rule can change that."""

    def as_object(self) -> dict[str, Json]:
        """The outcome for programs; the policy itself is in the file."""
        rules = [
            {
                "id": proposal.rule.id,
                "effect": proposal.rule.effect,
                "tool": proposal.rule.tools[0],
                "calls": len(proposal.samples),
                "runs": proposal.runs,
                "why_ask": proposal.why_ask,
                "arguments": {argument: shape.words for argument, shape in proposal.shapes.items()},
            }
            for proposal in self.proposed.proposals
        ]
        score = None if self.score is None else asdict(self.score)
        bad = None if self.bad is None else {**asdict(self.bad), "by": dict(self.bad.by)}
        sizes = {"calls": self.calls, "runs": self.runs, "tools": self.tools}
        return {**sizes, "rules": rules, "held_out": score, "bad": bad, "barred": list(self.barred)}


def learn(
    good: Iterable[Transcript],
    bad: Iterable[Transcript] = (),
    *,
    enough: int = 3,
    untried: Effect = Effect.BLOCK,
    name: str = "learned",
    extend: Policy | None = None,
    extended_file: str | None = None,
) -> Learned:
    """Learns from every executed call of the good transcripts. The same transcripts give the same policy.

    Args:
        good: recordings of what shall be allowed; those that say that an attack succeeded in them count as bad.
        bad: recordings of what shall be kept out.
        enough: in so many runs a call must have been seen to be allowed rather than asked about.
        untried: what becomes of tools that were offered and never called.
        name: of the policy.
        extend: a policy; only what it does not allow is learned.
        extended_file: its file, as the new one names it.
    """
    sorted_good, sorted_bad = _apart(good, bad)
    seen, attacks = observe(sorted_good), observe(sorted_bad)
    barred: tuple[str, ...] = ()
    learned_from = seen
    if extend is not None:
        learned_from, barred = _missing(seen, extend)
    teach = partial(propose, bad=attacks, enough=enough, untried=untried, name=name)
    proposed = teach(learned_from)
    if extend is not None:
        proposed = replace(proposed, policy=replace(proposed.policy, limits=(), default=extend.default))
    score = held_out(seen, lambda rest: _together(teach(rest if extend is None else _missing(rest, extend)[0]).policy, extend))
    scored_bad = kept_out(attacks, _together(proposed.policy, extend)) if attacks.runs else None
    calls, tools = sum(len(run.samples) for run in seen.runs), len({sample.tool for sample in seen.samples})
    words = f"{plural(calls, 'call')} of {plural(len(seen.runs), 'run')}"
    said = (*score_lines(score), *bad_lines(scored_bad))
    text = policy_text(proposed, seen=words, said=said, extends=(extended_file,) if extended_file else ())
    return Learned(proposed, text, score, scored_bad, said, calls, len(seen.runs), tools, barred)


def _apart(good: Iterable[Transcript], bad: Iterable[Transcript]) -> tuple[list[Transcript], list[Transcript]]:
    fine: list[Transcript] = []
    kept_out = list(bad)
    for transcript in good:
        (kept_out if transcript.attacked else fine).append(transcript)
    return fine, kept_out


def _missing(seen: Observations, policy: Policy) -> tuple[Observations, tuple[str, ...]]:
    """The runs with only those calls that a policy does not allow and a further rule could, and what stops the others."""
    judging = judge_by(policy)
    barred: dict[str, None] = {}
    runs = []
    for run in seen.runs:
        open_: set[int] = set()
        for call in judging.judge(run.transcript):
            if call.effect is not Effect.ALLOW:
                if call.code == Code.DEFAULT:
                    open_.add(call.index)
                elif call.rule is not None:
                    barred[call.rule] = None
        runs.append(replace(run, samples=tuple(sample for sample in run.samples if sample.index in open_)))
    return replace(seen, runs=tuple(runs)), tuple(sorted(barred))


def _together(policy: Policy, extend: Policy | None) -> Policy:
    if extend is None:
        return policy
    return replace(extend, rules=(*extend.rules, *policy.rules))
