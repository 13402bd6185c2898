"""Names of tools that the task does not have."""

from collections.abc import Iterable

from agentgate.core.conditions import OPERATORS
from agentgate.core.findings import Finding, Place, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.near import did_you_mean
from agentgate.core.policy import expand, split_sources
from agentgate.core.rules import Selector
from agentgate.core.schemas import ToolSet


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    tools = subject.tools
    if tools is None:
        return
    for what, written, place in _selectors(subject):
        for name in written:
            missing = _missing(subject, name, tools)
            if missing:
                # A pattern or a group may be meant for other tasks too; a name is mostly misspelt.
                yield report(
                    place,
                    f"{what} names {_listed(missing)}, which the task does not have",
                    help=_help(subject, missing[0], tools),
                    severity=Severity.NOTE if name.startswith("@") or "*" in name else None,
                )


def _selectors(subject: Subject) -> Iterable[tuple[str, tuple[str, ...], Place]]:
    for rule in subject.rules:
        said = rule.rule
        for selectors in (said.tools, said.except_tools, said.after or (), said.before or ()):
            yield f"rule `{said.id}`", selectors, subject.place_of(said)
        for condition in (*said.when, *said.unless):
            for key, operand in condition.operators:
                if OPERATORS[key].names_tools:
                    named = tuple(tool for tool, _ in split_sources(operand) if tool != "prompt")
                    yield f"rule `{said.id}`", named, subject.place_of(condition, said)
    for limit in subject.policy.limits:
        if limit.tools is not None:
            yield f"limit `{limit.id}`", (limit.tools,), limit.place or subject.place


def _missing(subject: Subject, written: str, tools: ToolSet) -> list[str]:
    """The names that are not there. A group or a pattern is fine as long as one of the tools is in it."""
    names = expand(subject.policy, (written,))
    selector = Selector(names)
    if any(name in selector for name in tools.names):
        return []
    return list(names) if written.startswith("@") else [written]


def _help(subject: Subject, name: str, tools: ToolSet) -> str:
    near = did_you_mean(name, tools.names)
    if near is not None or "*" in name:
        return near or f"the task's tools are {_listed(list(tools.names))}"
    return f"the task's tools are {_listed(list(tools.names))}; {subject.calls.judge(name, {}).says}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


AUDIT = Audit(
    code="no-such-tool",
    severity=Severity.WARNING,
    summary="a rule or limit names a tool that the task does not have, or a pattern that none of its tools matches",
    documentation="Tool names are exact: a rule about `send_mail` says nothing about `send_email`. Reported with `--task`, which tells "
    "which tools there are. A `@group` is only reported when the task has none of its tools.",
    find=_find,
)
