"""A replay on the screen: the matrix of effects before and now, what flipped, newly allowed first, and what was never exercised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agentgate.core.events import Effect
from agentgate.core.policy import Policy, Rule
from agentgate.output.calls import call_text
from agentgate.output.explanation import place_text
from agentgate.output.safe import safe
from agentgate.output.summary import plural

if TYPE_CHECKING:
    from agentgate.replay import Group, Replay, Tally

_ORDER = (Effect.ALLOW, Effect.ASK, Effect.BLOCK)
_TITLES = ((Effect.ALLOW, "NEWLY ALLOWED", "+"), (Effect.ASK, "NEWLY ASKED", "?"), (Effect.BLOCK, "NEWLY BLOCKED", "-"))
_MOST_GROUPS = 20
_LONGEST_VALUE = 60


def replay_lines(tally: Tally, replay: Replay, seconds: float) -> Iterator[str]:
    """The lines of the result, safe to show."""
    runs = plural(tally.transcripts, "run")
    yield f"Replayed {plural(tally.calls, 'call')} from {runs} in {seconds:.2f} s. No model was called, nothing was executed."
    yield ""
    if tally.matrix:
        yield from _matrix(tally, replay)
    else:
        yield from _effects(tally)
    yield from _flips(tally, replay.policy.policy)
    yield from _never_exercised(tally, replay.policy.policy)
    if tally.flipped_runs:
        yield ""
        yield (
            "After its first changed decision a real run could have gone another way: "
            f"{tally.flipped_runs} of {plural(tally.transcripts, 'run')}."
        )
    if tally.damaged:
        yield ""
        yield f"{plural(len(tally.damaged), 'line')} could not be read and {'was' if len(tally.damaged) == 1 else 'were'} not judged."


def _matrix(tally: Tally, replay: Replay) -> Iterator[str]:
    before = "recorded" if replay.against is None else safe(replay.against.policy.name)
    width = max(len(before), 8)
    yield f"  {'':<{width}}  {safe(replay.policy.policy.name)}"
    yield f"  {before:<{width}}" + "".join(f"{effect.value:>10}" for effect in _ORDER)
    for row in _ORDER:
        if any(tally.matrix[row, column] for column in _ORDER):
            yield f"    {row.value:<{width - 2}}" + "".join(f"{tally.matrix[row, column]:>10,}" for column in _ORDER)


def _effects(tally: Tally) -> Iterator[str]:
    yield "  " + "   ".join(f"{effect.value} {tally.effects[effect]:,}" for effect in _ORDER)
    yield ""
    yield "  decided by"
    for rule, count in sorted(tally.rules.items(), key=lambda entry: (-entry[1], entry[0]))[:_MOST_GROUPS]:
        yield f"  {count:>9,}  {safe(rule)}"


def _flips(tally: Tally, policy: Policy) -> Iterator[str]:
    for effect, title, sign in _TITLES:
        groups = [group for group in tally.groups.values() if group.effect is effect]
        if groups:
            yield ""
            hint = ": look at these first" if effect is Effect.ALLOW else ""
            yield f"{title}  {plural(sum(group.calls for group in groups), 'call')}{hint}"
            ordered = sorted(groups, key=lambda group: (-group.calls, str(group.tool)))
            for group in ordered[:_MOST_GROUPS]:
                yield from _group(group, sign, policy)
            if len(groups) > _MOST_GROUPS:
                yield f"  … and {plural(len(groups) - _MOST_GROUPS, 'more group')}"


def _group(group: Group, sign: str, policy: Policy) -> Iterator[str]:
    example = call_text(group.example.tool, group.example.arguments, longest=_LONGEST_VALUE)
    yield f"  {sign} {example}   {plural(group.calls, 'call')} in {plural(group.runs, 'run')}"
    rule = next((rule for rule in policy.rules if rule.id == group.rule), None)
    now = safe(group.rule or group.code) + (f" ({place_text(rule.place)})" if rule is not None and rule.place is not None else "")
    yield f"      {group.before.effect.value} {safe(group.before.rule or 'default')}  →  {group.effect.value} {now}"


def _never_exercised(tally: Tally, policy: Policy) -> Iterator[str]:
    idle: list[Rule] = [rule for rule in policy.rules if not tally.rules[rule.id] and not rule.observe]
    if idle and tally.calls:
        yield ""
        names = ", ".join(f"{safe(rule.id)} ({place_text(rule.place)})" if rule.place else safe(rule.id) for rule in idle[:_MOST_GROUPS])
        more = f" and {len(idle) - _MOST_GROUPS} more" if len(idle) > _MOST_GROUPS else ""
        yield f"Rules that decided nothing in this traffic: {names}{more}"
