"""A rule for a role that nobody can be in."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.trial import Trial
from agentgate.core.rules import CompiledRule


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for rule in subject.rules:
        if subject.calls.roles(rule):
            continue
        written = rule.rule.roles or ()
        if not written:
            why = "its `roles` is empty"
        elif not rule.roles:
            why = f"there is no role `{written[0]}`"
        else:
            why = "`except_roles` takes all of its `roles` out again, because a role counts as those that it includes"
        yield report(
            subject.place_of(rule.rule),
            f"rule `{rule.rule.id}` is for nobody: {why}",
            help="say who it is for, or leave `roles` out",
            proof=_proof(subject, rule, written),
        )


def _proof(subject: Subject, rule: CompiledRule, written: tuple[str, ...]) -> Trial | None:
    """A call that the rule says nothing about, in the role that it names or else in any."""
    role = next((role for role in (*written, *subject.policy.roles) if role in subject.policy.roles), None)
    history = subject.calls.history(rule)
    for tool in subject.calls.possible_names(rule):
        arguments = next(iter(subject.calls.satisfying_all(rule, tool)), subject.calls.least(tool))
        return subject.calls.judge(tool, arguments, role=role, after=history)
    return None


AUDIT = Audit(
    code="role-nobody-has",
    severity=Severity.WARNING,
    summary="a rule is for roles that nobody can have",
    documentation="A rule with `roles` applies to those roles and to the roles that include them, `except_roles` takes away likewise. "
    "Where nothing is left, the rule never decides: an allow rule is useless, and a block rule protects nothing.",
    find=_find,
)
