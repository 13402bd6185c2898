"""Tools that a block rule leaves out, and that nothing allows all the same."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.rules import EVERYTHING


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    milder = [rule for rule in subject.enforced if rule.rule.effect is not Effect.BLOCK]
    if subject.policy.default is not Effect.BLOCK or not milder:
        return
    for rule in subject.enforced:
        if rule.rule.effect is not Effect.BLOCK or EVERYTHING not in rule.selector.globs:
            continue
        names = sorted(name for name in rule.excepted.exact if not any(other.covers(name) for other in milder))
        if names:
            yield report(
                subject.place_of(rule.rule),
                f"rule `{rule.rule.id}` leaves out {', '.join(f'`{name}`' for name in names[:5])}, which no rule allows",
                help="add a rule with `allow:`, because the default is `block`",
                proof=subject.calls.judge(names[0], subject.calls.least(names[0]), role=next(iter(subject.calls.roles(rule)), None)),
            )


AUDIT = Audit(
    code="left-out-and-not-allowed",
    severity=Severity.WARNING,
    summary="a rule blocks every tool but some, and no rule allows those",
    documentation='`block: "*"` with `except`, and `allowed_tools` in the flat form, say what is not blocked; that allows nothing as long '
    "as the default is `block`. It happens where a file in the flat form, which allows by default, is merged with one in the native form: "
    "the strictest default wins.",
    find=_find,
)
