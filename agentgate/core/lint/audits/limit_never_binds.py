"""A limit that another limit always reaches first."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.limits import CompiledLimit
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.policy import Limit

_HOURS = 24
"""In a day."""


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    limits = [CompiledLimit(limit, subject.policy) for limit in subject.policy.limits]
    for limit in limits:
        tool = _counted(limit)
        first = next((other for other in limits if other is not limit and _always_first(other, limit)), None)
        if first is None:
            continue
        if tool is not None and limit.limit.window is None:
            proof = f"call {int(first.value) + 1} of `{tool}` is blocked by `{first.id}`"
        else:
            proof = f"whatever would reach it has reached `{first.id}` before"
        yield report(
            limit.limit.place or subject.place,
            f"limit `{limit.id}` of {_shown(limit.limit)} can never be reached: `{first.id}` of {_shown(first.limit)} comes first",
            help=f"lower it, or take it away; {proof}",
            related=[(first.limit.place, "this limit is always reached first")] if first.limit.place is not None else (),
        )


def _always_first(other: CompiledLimit, limit: CompiledLimit) -> bool:
    """Whether the other limit is reached whenever this one would be.

    What is used within an hour is used within that day; and what the days of a policy allow, its hours cannot use up. A limit of one run
    says nothing about all runs together, and a limit over time nothing about a single run, which may take longer.
    """
    if not _counts_all(other, limit):
        return False
    over, time = other.limit.window, limit.limit.window
    if over == time:
        return other.value < limit.value and (time is not None or limit.selector is not None)
    if over == "per_day" and time == "per_hour":
        return other.value <= limit.value
    return over == "per_hour" and time == "per_day" and 0 < other.value * _HOURS <= limit.value


def _counted(limit: CompiledLimit) -> str | None:
    """A tool whose calls the limit counts, where it counts those of certain tools."""
    if limit.selector is None:
        return None
    return next(iter((*sorted(limit.selector.exact), *(glob.replace("*", "x") for glob in limit.selector.globs))), None)


def _counts_all(other: CompiledLimit, limit: CompiledLimit) -> bool:
    """Whether everything that uses up the limit uses up the other."""
    if limit.kind == "cost_usd" or other.kind == "cost_usd":
        return limit.kind == other.kind
    if limit.kind not in ("tool_calls", "calls"):
        return False
    if other.kind == "tool_calls":
        return True
    if other.kind != "calls" or other.selector is None or limit.selector is None:
        return False
    return all(name in other.selector for name in limit.selector.exact) and all(
        glob.replace("*", "\x01") in other.selector for glob in limit.selector.globs
    )


def _shown(limit: Limit) -> str:
    return f"{limit.value:g}"


AUDIT = Audit(
    code="limit-never-binds",
    severity=Severity.NOTE,
    summary="a limit is above another one that is always reached first",
    documentation="A limit on the calls of one tool that is higher than `tool_calls`, or than a limit on a pattern that covers the tool, "
    "is never reached; nor is a limit per hour that is not below the one per day, or one per day that the hours cannot add up to. "
    "Perhaps the two numbers were confused.",
    find=_find,
)
