"""A file in the flat form, which allows whatever its entries do not block."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.audits.default_allow import unforeseen


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if not subject.flat or subject.policy.default is not Effect.ALLOW:
        return
    trial = unforeseen(subject)
    if trial is not None:
        yield report(
            subject.place,
            "the flat form allows whatever its entries do not block",
            help="add a `tool_filter` entry with `action: allow` and the tools that are needed",
            proof=trial,
        )


AUDIT = Audit(
    code="flat-default-allow",
    severity=Severity.WARNING,
    summary="a file in the flat form lets through every call that no entry blocks",
    documentation="A file with a top-level `policies:` list allows by default, because that is what such files mean elsewhere. Add an "
    "entry of `type: tool_filter` with `action: allow` and `allowed_tools`, or write the policy in the native form, which "
    "blocks by default.",
    find=_find,
)
