"""Hosts allowed by a pattern over the whole URL."""

import re
from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.audits.matches_anything import anything
from agentgate.core.lint.escapes import TEXTS, lets_in, loosening
from agentgate.core.lint.patterns import Sample, text_of

_URL = re.compile(r"https?://[A-Za-z0-9.-]+")


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for pattern in loosening(subject, TEXTS):
        if pattern.operator != "glob" and anything(pattern):
            continue
        trial = lets_in(subject.calls, pattern, _elsewhere)
        if trial is not None:
            way_on = "use `url`: `url: {hosts: [api.example.com]}`"
            yield report(
                subject.place_of(pattern.condition.condition, pattern.rule.rule),
                f"{pattern.named}: a pattern does not know where the host of a URL ends",
                help=f"{way_on}; {trial.says}",
            )


def _elsewhere(sample: Sample) -> Iterable[str]:
    text = text_of(sample)
    host = _URL.match(text)
    if host is not None:
        yield f"{host[0]}@evil.example{text[host.end() :]}"
        yield f"{host[0]}.evil.example{text[host.end() :]}"
        yield f"https://evil.example/{text}"


AUDIT = Audit(
    code="url-by-pattern",
    severity=Severity.WARNING,
    summary="a pattern that allows a host also allows URLs that lead elsewhere",
    documentation="To a pattern a URL is letters: `https://api.example.com*` covers `https://api.example.com@evil.example` and "
    "`https://api.example.com.evil.example`. The operator `url` takes the URL apart as clients do, and compares host, "
    "scheme and port.",
    find=_find,
)
