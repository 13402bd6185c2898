"""Shell commands held back by a regular expression."""

import re
from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import Pattern, gets_past, restricting, says
from agentgate.core.lint.patterns import shell_quotes

_ARGUMENTS = frozenset(("command", "cmd", "shell", "script", "bash", "command_line"))
_WORDS = re.compile(r"(?<![A-Za-z])(rm|sudo|curl|wget|chmod|chown|mkfs|shutdown)(?![A-Za-z])")
_CONVERT = "write the policy in the native form (`agentgate convert`), and "
_WAY_ON = 'use `command` in an allow rule: `command: ["git status", "ls *"]`'


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for pattern in restricting(subject):
        if not _about_shell(pattern):
            continue
        trial = gets_past(subject.calls, pattern, shell_quotes)
        if trial is not None:
            yield report(
                subject.place_of(pattern.condition.condition, pattern.rule.rule),
                f"{pattern.named}: a pattern does not understand the shell, which takes quotes and backslashes away",
                help=f"{_CONVERT if subject.flat else ''}{_WAY_ON}; {says(trial)}",
            )


def _about_shell(pattern: Pattern) -> bool:
    return pattern.condition.condition.argument.split(".")[-1] in _ARGUMENTS or _WORDS.search(pattern.text) is not None


AUDIT = Audit(
    code="shell-by-pattern",
    severity=Severity.WARNING,
    summary="a pattern is to hold back shell commands, and another spelling of the same command gets past it",
    documentation="To a shell `rm`, `r''m`, `\\rm` and `$(echo rm)` are the same, and `-rf` is `-r -f`. A pattern cannot list all "
    "spellings. Say what is allowed instead: the operator `command` reads the line as the shell does, and refuses what is "
    "chained, substituted or redirected.",
    find=_find,
)
