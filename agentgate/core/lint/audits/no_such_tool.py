"""Names of tools that the task does not have."""

from collections.abc import Iterable

from msgspec import Struct

from agentgate.core.conditions import OPERATORS
from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Place, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.calls import NAME
from agentgate.core.lint.near import did_you_mean, nearest
from agentgate.core.lint.trial import Trial
from agentgate.core.policy import expand, split_sources
from agentgate.core.rules import CompiledRule, Selector
from agentgate.core.schemas import ToolSet


class _Naming(Struct, frozen=True):
    """One place of a policy that names tools."""

    what: str
    names: tuple[str, ...]
    place: Place
    rule: CompiledRule | None = None
    lets_pass: bool = False
    """Whether a tool that is missing here is let through because of that."""


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    tools = subject.tools
    if tools is None:
        return
    for naming in _namings(subject):
        for name in naming.names:
            missing = _missing(subject, name, tools)
            if missing:
                # A pattern or a group may be meant for other tasks too; a name is mostly misspelt.
                yield report(
                    naming.place,
                    f"{naming.what} names {_listed(missing)}, which the task does not have",
                    help=did_you_mean(missing[0], tools.names) or _there_are(tools),
                    proof=_proof(subject, missing[0], naming),
                    severity=Severity.NOTE if name.startswith("@") or "*" in name else None,
                )


def _namings(subject: Subject) -> Iterable[_Naming]:
    for rule in subject.rules:
        said = rule.rule
        allowing, what, place = said.effect is Effect.ALLOW, f"rule `{said.id}`", subject.place_of(said)
        yield _Naming(what, said.tools, place, rule, not allowing)
        yield _Naming(what, said.except_tools, place, rule, allowing)
        yield _Naming(what, said.after or (), place, rule, not allowing)
        yield _Naming(what, said.before or (), place, rule, allowing)
        for condition in (*said.when, *said.unless):
            for key, operand in condition.operators:
                if OPERATORS[key].names_tools:
                    names = tuple(tool for tool, _ in split_sources(operand) if tool != "prompt")
                    yield _Naming(what, names, subject.place_of(condition, said), rule, not allowing)
    for result_rule in subject.policy.results:
        said = result_rule.rule
        named = (*said.tools, *said.except_tools, *(said.after or ()), *(said.before or ()))
        yield _Naming(f"rule `{said.id}`", named, subject.place_of(said), lets_pass=True)
    yield _Naming("`once`", subject.policy.once, subject.place, lets_pass=True)
    for limit in subject.policy.limits:
        if limit.tools is not None:
            yield _Naming(f"limit `{limit.id}`", (limit.tools,), limit.place or subject.place, lets_pass=True)


def _missing(subject: Subject, written: str, tools: ToolSet) -> list[str]:
    """The names that are not there. A group or a pattern is fine as long as one of the tools is in it."""
    names = expand(subject.policy, (written,))
    selector = Selector(names)
    if any(name in selector for name in tools.names):
        return []
    return list(names) if written.startswith("@") else [written]


def _proof(subject: Subject, name: str, naming: _Naming) -> Trial | None:
    """A call of the tool that was probably meant, if it has the fate that nobody wants; else one of the tool that is not there."""
    assert subject.tools is not None
    role = next(iter(subject.calls.roles(naming.rule)), None) if naming.rule is not None else None
    meant = nearest(name, subject.tools.names)
    if meant is not None:
        milder = (rule for rule in subject.calls.about(meant) if rule.rule.effect is not Effect.BLOCK)
        made = [
            subject.calls.least(meant),
            *(arguments for rule in milder for arguments in subject.calls.matching(rule, meant, role, most=1)),
        ]
        trials = (subject.calls.judge(meant, arguments, role=role) for arguments in made)
        trial = next((trial for trial in trials if trial.passes is naming.lets_pass), None)
        if trial is not None:
            return trial
    missing = name.replace("*", "x")
    return subject.calls.judge(missing, {}, role=role) if NAME.fullmatch(missing) else None


def _there_are(tools: ToolSet) -> str:
    return f"the task's tools are {_listed(list(tools.names))}" if tools.names else "the task has no tools"


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
