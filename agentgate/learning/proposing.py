"""Rules and limits from what was observed: the least that allows it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.events import Effect
from agentgate.core.policy import Condition, Limit, Policy, Rule
from agentgate.learning.arguments import Evidence, Shape, leads_out, shape, unused
from agentgate.learning.arguments import untried as untried_argument
from agentgate.learning.holding import hold
from agentgate.learning.observing import Leaf, Observations, Sample
from agentgate.learning.sources import exposure, is_inward, is_reading

_CHOOSING = frozenset(
    {
        "action",
        "cmd",
        "kind",
        "method",
        "mode",
        "op",
        "operation",
        "subcommand",
        "verb",
    }
)
"""Names of arguments that say which of a tool's actions is meant."""
_MOST_ACTIONS = 12
_ORDERED = 10
"""From so many runs on, an order is a habit."""
_ROOM = 2
"""How much more than the most that was ever used a limit allows."""
_NAMES = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Proposal(Struct, frozen=True):
    """One rule, and what speaks for it."""

    rule: Rule
    samples: tuple[Sample, ...]
    shapes: Mapping[str, Shape]
    """Argument → what is said about it."""
    why_ask: str | None
    """Why a person shall decide; None where it is allowed."""

    @property
    def runs(self) -> int:
        """How many runs the calls are from."""
        return len({sample.run for sample in self.samples})


class Proposed(Struct, frozen=True):
    """A whole policy, and where it comes from."""

    policy: Policy
    proposals: tuple[Proposal, ...]


def propose(
    seen: Observations, bad: Observations | None = None, *, enough: int = 3, untried: Effect = Effect.BLOCK, name: str = "learned"
) -> Proposed:
    """The least policy that allows what was seen.

    Args:
        seen: what shall be allowed.
        bad: recordings of what shall be kept out.
        enough: in so many runs a call must have been seen to be allowed rather than asked about.
        untried: what is done with calls of tools that were offered and never called: nothing beyond the default, or a rule that lets
            pass, or asks about, those whose values the user named or that go where those of other tools go.
        name: of the policy.
    """
    calls: dict[str, list[Sample]] = defaultdict(list)
    for sample in seen.samples:
        if _NAMES.fullmatch(sample.tool):
            calls[sample.tool].append(sample)
    kept_out = list(bad.samples) if bad is not None else []
    pool = _pool(seen.samples)
    proposals: list[Proposal] = []
    for tool in sorted(calls):
        evidence = _evidence(tool, calls[tool], [sample for sample in kept_out if sample.tool == tool], pool, seen, enough)
        proposals += _of_tool(tool, evidence, seen)
    if untried is not Effect.BLOCK:
        for tool in sorted(set(seen.schemas) - set(calls)):
            proposals.append(_untried(tool, _evidence(tool, (), (), pool, seen, enough), untried))
    rules = _distinct(proposals)
    policy = Policy(name=name, rules=tuple(proposal.rule for proposal in rules), limits=tuple(_limits(seen)))
    return Proposed(policy, tuple(rules))


def _pool(samples: Iterable[Sample]) -> dict[str, list[Leaf]]:
    pool: dict[str, list[Leaf]] = defaultdict(list)
    for sample in samples:
        for leaf in sample.leaves:
            pool[leaf.argument].append(leaf)
    return pool


def _evidence(
    tool: str, samples: Sequence[Sample], bad: Sequence[Sample], pool: Mapping[str, Sequence[Leaf]], seen: Observations, enough: int
) -> Evidence:
    schema = seen.schemas.get(tool)
    schema = schema if isinstance(schema, Mapping) else {}
    properties = schema.get("properties")
    required = schema.get("required")
    return Evidence(
        samples=samples,
        bad=bad,
        pool=pool,
        properties=properties if isinstance(properties, Mapping) else {},
        required=frozenset(name for name in required if isinstance(name, str)) if isinstance(required, list) else frozenset(),
        alike=seen.alike,
        enough=enough,
        looks_up=is_reading(tool),
    )


def _of_tool(tool: str, evidence: Evidence, seen: Observations) -> Iterator[Proposal]:
    """A rule for a tool, or one for each of its actions."""
    choosing = _choosing(evidence)
    if choosing is None:
        yield from _proposals(tool, evidence, None, seen)
        return
    for value in sorted({sample.arguments[choosing] for sample in evidence.samples}):
        chosen = replace(
            evidence,
            samples=[sample for sample in evidence.samples if sample.arguments[choosing] == value],
            bad=[sample for sample in evidence.bad if sample.arguments.get(choosing) == value],
        )
        yield from _proposals(tool, chosen, (choosing, value), seen)


def _choosing(evidence: Evidence) -> str | None:
    """The argument that chooses among the tool's actions, where every call has one."""
    first = evidence.samples[0].arguments
    for argument in first:
        values = [sample.arguments.get(argument) for sample in evidence.samples]
        texts = {value for value in values if isinstance(value, str)}
        if argument.lower() in _CHOOSING and len(texts) <= _MOST_ACTIONS and all(isinstance(value, str) for value in values):
            return argument
    return None


def _proposals(tool: str, evidence: Evidence, action: tuple[str, str] | None, seen: Observations) -> Iterator[Proposal]:
    """A rule; or two where a person would be asked and something holds most calls: those are allowed, and the others asked about."""
    whole = _proposal(tool, evidence, action, seen)
    found = hold(evidence.samples, whole.shapes, evidence.enough) if whole.why_ask is not None else None
    if found is None:
        yield whole
        return
    held = _proposal(tool, replace(evidence, samples=found.covered), action, seen, {found.argument: found.shape})
    if held.why_ask is not None:
        yield whole
        return
    yield replace(held, rule=replace(held.rule, unless=found.unless))
    rest = tuple(sample for sample in evidence.samples if sample not in found.covered)
    if rest and found.shape.condition is not None:
        rule = replace(whole.rule, id=_kebab(f"{whole.rule.id}-other"), unless=(found.shape.condition,), after=None, before=None)
        yield replace(whole, rule=rule, samples=rest)


def _proposal(
    tool: str, evidence: Evidence, action: tuple[str, str] | None, seen: Observations, known: Mapping[str, Shape] | None = None
) -> Proposal:
    used = sorted({leaf.argument for sample in evidence.samples for leaf in sample.leaves})
    shapes: dict[str, Shape] = {}
    conditions: list[Condition] = []
    if action is not None:
        conditions.append(Condition(action[0], (("equals", action[1]),)))
        used = [argument for argument in used if argument != action[0]]
    for argument in used:
        shapes[argument] = (known or {}).get(argument) or shape(evidence, argument)
    tops = {argument.partition(".")[0] for argument in used} | ({action[0]} if action else set())
    if not is_reading(tool):
        nested = {key for sample in evidence.samples for key, value in sample.arguments.items() if isinstance(value, dict | list)}
        for argument in sorted(set(evidence.properties) - tops - nested):
            shapes[argument] = unused(evidence, argument)
    conditions += [found.condition for found in shapes.values() if found.condition is not None]
    why_ask = _why_ask(tool, evidence, shapes, action)
    rule = Rule(
        id=_kebab(tool if action is None else f"{tool}-{action[1]}"),
        effect=Effect.ALLOW if why_ask is None else Effect.ASK,
        tools=(tool,),
        when=tuple(conditions),
        after=_habitually_after(evidence),
        before=_habitually_before(tool, evidence, seen),
    )
    return Proposal(rule, tuple(evidence.samples), shapes, why_ask)


def _untried(tool: str, evidence: Evidence, effect: Effect) -> Proposal:
    shapes = {argument: untried_argument(evidence, argument) for argument in sorted(evidence.properties)}
    conditions = tuple(found.condition for found in shapes.values() if found.condition is not None)
    rule = Rule(id=_kebab(tool), effect=effect, tools=(tool,), when=conditions)
    return Proposal(rule, (), shapes, "no run called it" if effect is Effect.ASK else None)


def _why_ask(tool: str, evidence: Evidence, shapes: Mapping[str, Shape], action: tuple[str, str] | None) -> str | None:
    """Why a person shall decide about calls like these; None where the recordings are enough."""
    if evidence.runs < evidence.enough:
        return f"seen in {evidence.runs} of the {evidence.enough} runs that make a habit"
    free = sorted(argument for argument, found in shapes.items() if not found.steered)
    reads = is_reading(tool if action is None else action[1])
    if free and not reads:
        return f"it has effects, and nothing holds {', '.join(free)}"
    code = [argument for argument in free if shapes[argument].code]
    if code:
        return f"it may do anything that {', '.join(code)} says"
    texts = sorted(argument for argument, found in shapes.items() if found.prose)
    inward = is_inward(tool) and evidence.runs >= _ORDERED
    if texts and not reads and not inward and action is None and not any(found.anchored for found in shapes.values()):
        return f"it has effects, and all that says about what is {', '.join(texts)}, which may be any text"
    leading = sorted(filter(leads_out, free))
    return f"nothing holds {', '.join(leading)}" if leading else None


def _habitually_after(evidence: Evidence) -> tuple[str, ...] | None:
    """The tool that had always returned before."""
    if evidence.runs < _ORDERED or is_reading(evidence.samples[0].tool):
        return None
    always = set(evidence.samples[0].before)
    for sample in evidence.samples:
        always &= set(sample.before)
    always.discard(evidence.samples[0].tool)
    return (min(always, key=lambda tool: (not is_reading(tool), tool)),) if always else None


def _habitually_before(tool: str, evidence: Evidence, seen: Observations) -> tuple[str, ...] | None:
    """The tools whose results anybody can write, and after which this one was never called although both were used."""
    if is_reading(tool):
        return None
    called = {sample.run for sample in evidence.samples}
    after = {earlier for sample in evidence.samples for earlier in sample.before}
    together = Counter(
        other for run in seen.runs if run.number in called for other in {sample.tool for sample in run.samples} if exposure(other) == 2
    )
    return tuple(sorted(other for other, runs in together.items() if runs >= _ORDERED and other not in after)) or None


def _limits(seen: Observations) -> Iterator[Limit]:
    """As much as was ever used in one run, and some room."""
    if not seen.runs:
        return
    steps = max(run.steps for run in seen.runs)
    calls = max(len(run.samples) for run in seen.runs)
    yield _limit("steps", ceil(steps * _ROOM) + 1)
    yield _limit("tool_calls", ceil(calls * _ROOM) + 1)
    repeats = max((max(Counter(_same(sample) for sample in run.samples).values(), default=1) for run in seen.runs), default=1)
    yield _limit("repeats", repeats + 1)
    by_tool: Counter[str] = Counter()
    for run in seen.runs:
        for tool, count in Counter(sample.tool for sample in run.samples).items():
            by_tool[tool] = max(by_tool[tool], count)
    for tool in sorted(by_tool):
        if not is_reading(tool) and _NAMES.fullmatch(tool):
            yield Limit("calls", ceil(by_tool[tool] * _ROOM), tool, None, f"limits.tools.{tool}")


def _limit(kind: str, value: int) -> Limit:
    return Limit(kind, value, id=f"limits.{kind}")


def _same(sample: Sample) -> str:
    return f"{sample.tool} {sorted(sample.arguments.items(), key=str)}"


def _distinct(proposals: Iterable[Proposal]) -> list[Proposal]:
    """The same, with ids that differ."""
    taken: Counter[str] = Counter()
    made = []
    for proposal in proposals:
        id = proposal.rule.id
        taken[id] += 1
        made.append(proposal if taken[id] == 1 else replace(proposal, rule=replace(proposal.rule, id=f"{id}-{taken[id]}")))
    return made


def _kebab(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "rule"
