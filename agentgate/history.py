"""Many runs: which of them somebody wants to see, and what they come to together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct

from agentgate.core.patterns import PatternSet, glob_pattern
from agentgate.errors import UsageError
from agentgate.files.history import STATUSES, Run, Tally

_AGO = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHORTEST_HASH = 6
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Wanted(Struct, frozen=True, kw_only=True):
    """What a run must be like. What is None does not matter.

    `blocked`, `tool` and `rule` are about one and the same call: there must be one that is all of it.
    """

    since: datetime | None = None
    until: datetime | None = None
    """The run began before this."""
    blocked: bool = False
    tool: str | None = None
    """A name, or a pattern with `*`, as are `rule` and `task`."""
    rule: str | None = None
    """The id of a rule or limit, or the code where none decided."""
    role: str | None = None
    status: str | None = None
    task: str | None = None
    policy: str | None = None
    """A name, a pattern, or the beginning of its hash."""


def moment(text: str, now: datetime, *, option: str) -> datetime:
    """A moment as somebody writes it: RFC 3339, a date (in UTC), or a time ago (`30m`, `24h`, `7d`, `2w`).

    As the end of a span, a date is the end of that day.

    Args:
        text: what was written.
        now: what `24h` is counted from.
        option: `--since` or `--until`.

    Raises:
        UsageError: it is none of these.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            return datetime.combine(day + timedelta(days=1) if option == "--until" else day, time(), UTC)
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"`{option} {text}` is not a time", help="write 24h, 7d, 2026-03-01, or 2026-03-01T09:00:00Z")


def check_status(status: str | None) -> None:
    """Refuses a status that no run has.

    Raises:
        UsageError: it is none of `STATUSES`.
    """
    if status is not None and status not in STATUSES:
        raise UsageError(f"no run has the status `{status}`", help=f"one of {', '.join(STATUSES)}")


def selection(wanted: Wanted) -> Callable[[Run], bool]:
    """Whether a run is wanted.

    Raises:
        UsageError: the status is none.
    """
    check_status(wanted.status)
    tool, rule, task = (_named(pattern) for pattern in (wanted.tool, wanted.rule, wanted.task))
    policy = _named(wanted.policy)

    def of_policy(run: Run) -> bool:
        begins = wanted.policy is not None and len(wanted.policy) >= _SHORTEST_HASH and (run.policy_sha256 or "").startswith(wanted.policy)
        return begins or policy(run.policy)

    def has_call(tally: Tally) -> bool:
        return tool(tally.tool) and rule(tally.by) and (not wanted.blocked or tally.effect == "block")

    about_calls = wanted.blocked or wanted.tool is not None or wanted.rule is not None

    def matches(run: Run) -> bool:
        at = run.started
        return (
            (wanted.since is None or (at is not None and at >= wanted.since))
            and (wanted.until is None or (at is not None and at < wanted.until))
            and (wanted.role is None or run.role == wanted.role)
            and (wanted.status is None or run.status == wanted.status)
            and task(run.task)
            and of_policy(run)
            and (not about_calls or any(map(has_call, run.tallies)))
        )

    return matches


def _named(pattern: str | None) -> Callable[[str | None], bool]:
    if pattern is None:
        return lambda name: True
    if "*" not in pattern:
        return lambda name: name == pattern
    compiled = PatternSet([glob_pattern(pattern)], "full")
    return lambda name: name is not None and bool(compiled.matches(name))


def newest_first(runs: Iterable[Run]) -> list[Run]:
    """By the time of their beginning; those of which nobody knows it come last, as they were found."""
    return sorted(runs, key=lambda run: run.started or _EARLIEST, reverse=True)


class Share(Struct):
    """What fell to one rule, or to one tool."""

    name: str
    runs: int = 0
    allow: int = 0
    ask: int = 0
    block: int = 0
    undecided: int = 0
    """Calls in transcripts of others, about which nobody decided."""
    executed: int = 0

    @property
    def calls(self) -> int:
        """All of them."""
        return self.allow + self.ask + self.block + self.undecided


class Sums(Struct):
    """What several runs come to together."""

    runs: int = 0
    steps: int = 0
    allow: int = 0
    ask: int = 0
    block: int = 0
    undecided: int = 0
    executed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    """Of the runs that know theirs."""
    unpriced: int = 0
    """Runs that do not know what they cost."""
    seconds: float = 0.0
    statuses: dict[str, int] = {}
    by_rule: tuple[Share, ...] = ()
    """The busiest first; where no rule decided, by code."""
    by_tool: tuple[Share, ...] = ()

    @property
    def calls(self) -> int:
        """All that were proposed."""
        return self.allow + self.ask + self.block + self.undecided


def sums(runs: Iterable[Run]) -> Sums:
    """What these runs come to together."""
    made = Sums()
    rules: dict[str, Share] = {}
    tools: dict[str, Share] = {}
    for run in runs:
        made.runs += 1
        made.steps += run.steps
        made.input_tokens += run.input_tokens
        made.output_tokens += run.output_tokens
        made.cached_tokens += run.cached_tokens
        made.cost_usd += run.cost_usd or 0.0
        made.unpriced += run.cost_usd is None
        made.seconds += run.seconds
        made.statuses[run.status] = made.statuses.get(run.status, 0) + 1
        for tally in run.tallies:
            for share in (made, _share(tools, tally.tool), _share(rules, tally.by)):
                _add(share, tally)
        for name in {tally.tool for tally in run.tallies}:
            tools[name].runs += 1
        for name in {tally.by for tally in run.tallies}:
            rules[name].runs += 1
    made.cost_usd = round(made.cost_usd, 12)
    rules.pop("", None)
    made.by_rule, made.by_tool = _busiest(rules), _busiest(tools)
    return made


def _share(shares: dict[str, Share], name: str) -> Share:
    found = shares.get(name)
    if found is None:
        found = shares[name] = Share(name)
    return found


def _add(share: Share | Sums, tally: Tally) -> None:
    match tally.effect:
        case "allow":
            share.allow += tally.calls
        case "ask":
            share.ask += tally.calls
        case "block":
            share.block += tally.calls
        case _:
            share.undecided += tally.calls
    share.executed += tally.executed


def _busiest(shares: Mapping[str, Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares.values(), key=lambda share: (-share.calls, share.name)))
