"""The same for a file in the flat form."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.audits.case_sensitive import case_sensitive


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return case_sensitive(subject, report) if subject.flat else ()


AUDIT = Audit(
    code="flat-case-sensitive",
    severity=Severity.WARNING,
    summary="an argument filter of the flat form looks for a text in one spelling of upper and lower case only",
    documentation="The `pattern` of a `tool_argument_filter` is taken as it stands, so `(DROP|DELETE)` does not find `drop`. Put `(?i)` "
    "in front.",
    find=_find,
)
