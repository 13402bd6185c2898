"""A replay as one page that needs nothing else: the matrix, what flipped, newly allowed first, and what was never exercised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgate import __version__
from agentgate.core.events import Effect
from agentgate.core.policy import Policy
from agentgate.output.calls import call_text, calls_text
from agentgate.output.explanation import place_text
from agentgate.output.policy_view import places
from agentgate.output.replay_table import why_line
from agentgate.output.report.page import environment, style

if TYPE_CHECKING:
    from agentgate.replay import Group, Replay, Tally

BEGINNING = "<!doctype html>\n<!-- agentgate replay -->\n"
"""How every page of a replay begins, so that one is known by it."""
_ORDER = (Effect.ALLOW, Effect.ASK, Effect.BLOCK)
_MOST_GROUPS = 200
_LONGEST_VALUE = 60


class Flip(Struct, frozen=True):
    """Calls that flipped in the same way."""

    call: str
    """What they have in common."""
    calls: int
    runs: int
    before: str
    was: str
    now: str
    is_: str
    why: str | None
    transcript: str
    example: str


class Flips(Struct, frozen=True):
    """All that flipped to one effect."""

    effect: str
    calls: int
    groups: Sequence[Flip]
    left_out: int


def replay_page(tally: Tally, replay: Replay, *, policy_files: Sequence[str], seconds: float, made: datetime) -> Iterator[str]:
    """The whole page in pieces.

    Args:
        tally: what was counted.
        replay: the policies that judged.
        policy_files: the policy's files as they were named; none where there are no such files.
        seconds: how long it took.
        made: when, in UTC.
    """
    policy = replay.policy.policy
    against = None if replay.against is None else replay.against.policy
    template = environment().from_string(files(__package__).joinpath("replay.html.j2").read_text(encoding="utf-8"))
    yield BEGINNING
    yield from template.generate(
        **style(),
        version=__version__,
        made=made,
        seconds=seconds,
        tally=tally,
        policy=policy,
        against=against,
        order=[effect.value for effect in _ORDER],
        effects=[(effect.value, tally.effects[effect]) for effect in _ORDER],
        matrix=[
            (row.value, [tally.matrix[row, column] for column in _ORDER]) for row in _ORDER if any(tally.matrix[row, c] for c in _ORDER)
        ],
        flips=[_flips(effect, tally, policy, against, policy_files) for effect in _ORDER if tally.flipped_to(effect)],
        rules=sorted(tally.rules.items(), key=lambda entry: (-entry[1], entry[0]))[:_MOST_GROUPS],
        idle=[_decider(rule.id, "", policy) for rule in policy.rules if not tally.rules[rule.id] and not rule.observe]
        if tally.calls
        else [],
    )


def _flips(effect: Effect, tally: Tally, policy: Policy, against: Policy | None, policy_files: Sequence[str]) -> Flips:
    groups = [group for group in tally.groups.values() if group.example.effect is effect]
    ordered = sorted(groups, key=lambda group: (-group.calls, str(group.example.tool)))
    shown = [_flip(group, policy, against, policy_files) for group in ordered[:_MOST_GROUPS]]
    return Flips(effect.value, sum(group.calls for group in groups), shown, len(ordered) - len(shown))


def _flip(group: Group, policy: Policy, against: Policy | None, policy_files: Sequence[str]) -> Flip:
    example, before = group.example, group.before
    one = call_text(example.tool, example.arguments, longest=_LONGEST_VALUE)
    return Flip(
        call=one if group.calls == 1 else calls_text(example.tool, group.alike, longest=_LONGEST_VALUE),
        calls=group.calls,
        runs=group.runs,
        before=before.effect.value,
        was=_decider(before.rule, before.code, against),
        now=example.effect.value,
        is_=_decider(example.rule, example.code, policy),
        why=why_line(example, policy_files),
        transcript=example.transcript,
        example=one,
    )


def _decider(rule: str | None, code: str, policy: Policy | None) -> str:
    """What decided, with its place; the template makes it visible."""
    place = None if rule is None or policy is None else places(policy).get(rule)
    return (rule or code) + (f" ({place_text(place)})" if place is not None else "")
