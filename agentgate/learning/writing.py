"""A learned policy as a file: readable, with its evidence beside each rule, and with examples that prove it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from agentgate.core.arguments import canonical
from agentgate.core.conditions.seen_in import PROMPT
from agentgate.core.events import Json
from agentgate.core.policy import Example, Policy, Rule
from agentgate.files.examples import holds
from agentgate.files.native_writer import native_text
from agentgate.learning.arguments import GREATEST
from agentgate.learning.observing import Sample
from agentgate.learning.proposing import Proposal, Proposed
from agentgate.learning.scoring import Bad, HeldOut
from agentgate.output.plural import plural

_LONGEST_EXAMPLE = 400
"""Bytes of arguments."""
_TRIED = 20
"""Samples that are tried as an example of a rule."""
_LEAST = 1e-6
_MOST_NAMED = 5


def policy_text(proposed: Proposed, *, seen: str, said: Sequence[str], extends: Sequence[str] = ()) -> str:
    """The policy as a file in the native form.

    Args:
        proposed: the rules, and what speaks for them.
        seen: what they were learned from, in words.
        said: how such a policy did on runs that it was not learned from, and what it makes of bad ones.
        extends: policies that it is read together with.
    """
    policy = replace(proposed.policy, rules=tuple(_with_example(proposal, proposed.policy) for proposal in proposed.proposals))
    about = ["", f"Learned by `agentgate learn` from {seen}: the least that allows what they did.", *said]
    about.append("Read every rule before you rely on it; nothing here knows what was meant.")
    text = native_text(policy, about=about[1:], remarks={proposal.rule.id: evidence(proposal) for proposal in proposed.proposals})
    if extends:
        listed = "[" + ", ".join(extends) + "]"
        text = text.replace("\nversion: 1\n", f"\nversion: 1\nextends: {listed}\n", 1)
    return text


def evidence(proposal: Proposal) -> str:
    """What speaks for a rule, in one line."""
    said = [f"{plural(len(proposal.samples), 'call')} in {plural(proposal.runs, 'run')}"] if proposal.samples else []
    if proposal.why_ask:
        said.append(f"ask, because {proposal.why_ask}")
    return "; ".join([*said, *(f"{argument}: {shape.words}" for argument, shape in proposal.shapes.items())])


def score_lines(score: HeldOut | None) -> list[str]:
    """How it did on held-out runs, in words."""
    if score is None:
        return ["There were too few runs to hold any out, so nothing is known about others."]
    asked = f", {score.asked:,} asked about" if score.asked else ""
    return [
        f"On held-out runs (every fifth, five times): {score.allowed:,} of {plural(score.calls, 'call')} allowed{asked}; "
        f"{score.whole:,} of {plural(score.runs, 'run')} allowed from beginning to end."
    ]


def bad_lines(bad: Bad | None) -> list[str]:
    """What it makes of bad runs, in words."""
    if bad is None:
        return []
    lines = [f"Of {plural(bad.runs, 'bad run')}, {bad.stopped:,} {'is' if bad.stopped == 1 else 'are'} stopped:"]
    lines += [f"  {count:,} by {cause}" for cause, count in bad.by[:_MOST_NAMED]]
    if bad.through:
        more = f" and {len(bad.through) - _MOST_NAMED:,} more" if len(bad.through) > _MOST_NAMED else ""
        lines.append(f"No rule separates these from the good ones: {', '.join(bad.through[:_MOST_NAMED])}{more}")
    return lines


def _with_example(proposal: Proposal, policy: Policy) -> Rule:
    """The rule, with the shortest recorded call that proves it."""
    short = sorted(proposal.samples, key=lambda sample: (len(canonical(sample.arguments)), sample.run, sample.index))
    for sample in short[:_TRIED]:
        if len(canonical(sample.arguments)) > _LONGEST_EXAMPLE:
            break
        rule = replace(proposal.rule, examples=(_example(sample, proposal.rule),))
        if _writable(sample.arguments) and holds(rule, policy):
            return rule
    return proposal.rule


def _writable(value: Json) -> bool:
    """Whether every number in it can be written so that all readers of YAML take it for the same."""
    if isinstance(value, dict):
        return all(map(_writable, value.values()))
    if isinstance(value, list):
        return all(map(_writable, value))
    return isinstance(value, bool) or not isinstance(value, int | float) or value == 0 or _LEAST <= abs(value) <= GREATEST


def _example(sample: Sample, rule: Rule) -> Example:
    """A call with as much of what was said before as its conditions look at."""
    prompt: list[str] = []
    results: dict[str, Json] = dict.fromkeys(rule.after or ())
    looked = {condition.argument: _looks_in(dict(condition.operators)) for condition in rule.when}
    for leaf in sample.leaves:
        for value, sources in ((leaf.value, leaf.sources), *((None, link) for link in leaf.links)):
            _place(value if value is not None else leaf.value, sources, looked.get(leaf.argument, ()), prompt, results)
    given = tuple({"tool": tool} if result is None else {"tool": tool, "result": result} for tool, result in results.items())
    return Example(sample.tool, sample.arguments, given=given, prompt=" ".join(dict.fromkeys(prompt)) or None)


def _looks_in(operators: dict[str, Json]) -> tuple[str, ...]:
    written: Json = operators.get("seen_in") or operators.get("links_seen_in") or ()
    return (written,) if isinstance(written, str) else tuple(written)


def _place(value: Json, sources: Iterable[str], looked: Iterable[str], prompt: list[str], results: dict[str, Json]) -> None:
    """Has a value said in the first place where it was, and where the rule looks."""
    found = next((source for source in looked if source in sources), None)
    if found is None:
        return
    if found == PROMPT:
        prompt.append(str(value))
        return
    tool, mark, field = found.partition("#")
    held = results.get(tool)
    if not mark:
        results[tool] = f"{held} {value}" if isinstance(held, str) else value
    elif isinstance(held, dict):
        held[field] = value
    else:
        results[tool] = {field: value}
