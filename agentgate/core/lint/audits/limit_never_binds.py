"""A limit that another limit always reaches first."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.limits import CompiledLimit
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.policy import Limit


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    limits = [CompiledLimit(limit, subject.policy) for limit in subject.policy.limits]
    for limit in limits:
        tool = _counted(limit)
        alike = (other for other in limits if other.limit.window == limit.limit.window)
        first = next((other for other in alike if other.value < limit.value and _counts_all(other, limit)), None)
        if tool is None or first is None:
            continue
        yield report(
            limit.limit.place or subject.place,
            f"limit `{limit.id}` of {_shown(limit.limit)} can never be reached: `{first.id}` of {_shown(first.limit)} comes first",
            help=f"lower it, or take it away; call {int(first.value) + 1} of `{tool}` is blocked by `{first.id}`",
            related=[(first.limit.place, "this limit is always reached first")] if first.limit.place is not None else (),
        )


def _counted(limit: CompiledLimit) -> str | None:
    """A tool whose calls the limit counts, where it counts those of certain tools."""
    if limit.selector is None:
        return None
    return next(iter((*sorted(limit.selector.exact), *(glob.replace("*", "x") for glob in limit.selector.globs))), None)


def _counts_all(other: CompiledLimit, limit: CompiledLimit) -> bool:
    """Whether every call that uses up the limit uses up the other."""
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
    "is never reached. Perhaps the two numbers were confused.",
    find=_find,
)
