"""Hosts allowed by a pattern over the whole URL."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.late import late
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.audits.matches_anything import anything
from agentgate.core.lint.escapes import TEXTS, Pattern
from agentgate.core.lint.patterns import Sample, text_of
from agentgate.core.lint.weaknesses import let_in

_URL = late(r"https?://[A-Za-z0-9.-]+")


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return let_in(subject, report, _wrong, _elsewhere, "use `url`: `url: {hosts: [api.example.com]}`", TEXTS)


def _wrong(pattern: Pattern) -> str | None:
    certain = pattern.operator == "glob" or not anything(pattern)
    return "a pattern does not know where the host of a URL ends" if certain else None


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
