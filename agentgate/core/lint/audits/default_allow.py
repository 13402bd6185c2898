"""A policy that lets through what nobody thought of."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.trial import Trial

_LONGEST_NAME = 60
_MOST_NAMES = 8


def unforeseen(subject: Subject) -> Trial | None:
    """A call that the default lets through because no rule speaks of its tool."""
    named = {name for rule in subject.rules for name in rule.selector.exact}
    names = list(subject.tools.names) if subject.tools is not None else [*_beside(subject), "delete_everything", "run_anything"]
    for name in sorted(names, key=lambda name: name in named):
        trial = subject.calls.judge(name, subject.calls.least(name))
        if trial.passes and trial.decision.rule is None:
            return trial
    return None


def _beside(subject: Subject) -> list[str]:
    """Names that hardly differ from those of tools which are always blocked."""
    blocked = (rule for rule in subject.enforced if rule.rule.effect is Effect.BLOCK and rule.rule.unconditional)
    names = sorted({name for rule in blocked for name in rule.selector.exact if len(name) < _LONGEST_NAME})
    return [f"{name}_2" for name in names[:_MOST_NAMES]]


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if subject.policy.default is not Effect.ALLOW or subject.flat:
        return
    yield report(
        subject.place,
        "what no rule matches is allowed",
        help="say `default: block`, and allow what is needed",
        proof=unforeseen(subject),
    )


AUDIT = Audit(
    code="default-allow",
    severity=Severity.WARNING,
    summary="`default: allow` lets through every call that no rule matches",
    documentation="With `default: allow` a policy is a list of what somebody thought of: every tool, argument and spelling that nobody "
    "thought of is let through. Say `default: block` and write an allow rule for what is needed; `default: ask` is a way "
    "between.",
    find=_find,
)
