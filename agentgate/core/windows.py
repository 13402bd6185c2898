"""Limits per hour and per day, over all runs of a policy. What they have used up the world tells; else the run itself counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil, isfinite

from msgspec import Struct

from agentgate.core.conditions.test import World
from agentgate.core.limits import CompiledLimit, dollars, plural
from agentgate.core.policy import WINDOWS, Limit, Policy
from agentgate.core.state import State

UNTIL = " until "


class Used(Struct, frozen=True):
    """How much of a window is used up."""

    amount: float
    """Calls, or US dollars."""
    until: datetime | None = None
    """When something is free again, where nothing is."""

    @property
    def fact(self) -> str:
        """As it is recorded with a decision: `99`, or `100 until 2026-01-01T10:12:00+00:00`."""
        amount = f"{self.amount:.12f}".rstrip("0").rstrip(".")
        return amount if self.until is None else f"{amount}{UNTIL}{self.until.isoformat()}"


def parse_used(fact: str) -> Used | None:
    """A recorded fact; None where it says nothing that can be understood."""
    amount, _, until = fact.partition(UNTIL)
    try:
        used = Used(float(amount), datetime.fromisoformat(until) if until else None)
    except ValueError:
        return None
    sound = isfinite(used.amount) and used.amount >= 0 and (used.until is None or used.until.tzinfo is not None)
    return used if sound else None


class Window(CompiledLimit):
    """A limit per hour or per day, ready to judge."""

    __slots__ = ("length",)

    def __init__(self, limit: Limit, policy: Policy) -> None:
        super().__init__(limit, policy)
        assert limit.window is not None
        self.length = timedelta(seconds=WINDOWS[limit.window])

    def full(self, state: State, world: World) -> str | None:
        """Why it blocks, or None where it does not."""
        unknown = self.unknown(state)
        if unknown is not None:
            return unknown
        used = self.used(state, world)
        if used is None:
            return self.limit.message or f"what was used of the limit `{self.id}` is recorded in a way that cannot be understood"
        if used.amount < self.value:
            return None
        return (self.limit.message or self._sentence(used.amount)) + _again(used.until, state.now)

    def used(self, state: State, world: World) -> Used | None:
        """What is used up: by the world, else by this run alone, which counts as a whole."""
        fact = world.told(self.id)
        return Used(self.of_run(state)) if fact is None else parse_used(fact)

    def _sentence(self, used: float) -> str:
        per = "hour" if self.limit.window == "per_hour" else "day"
        if self.kind == "cost_usd":
            return f"limit of {dollars(self.value)} per {per} reached: {dollars(round(used, 6))} spent"
        what = "tool call" if self.limit.tools is None else "call"
        of = "" if self.limit.tools is None else f" of '{self.limit.tools}'"
        value = int(self.value)
        return f"limit of {value} {plural(value, what)}{of} per {per} reached"


def _again(until: datetime | None, now: datetime | None) -> str:
    if until is None or now is None or until <= now:
        return ""
    seconds = (until - now).total_seconds()
    if seconds < 90:
        return f"; again in {ceil(seconds)} s"
    minutes = ceil(seconds / 60)
    if minutes < 120:
        return f"; again in {minutes} min"
    return f"; again in {minutes // 60} h {minutes % 60} min" if minutes % 60 else f"; again in {minutes // 60} h"
