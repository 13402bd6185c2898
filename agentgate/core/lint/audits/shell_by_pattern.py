"""Shell commands held back by a regular expression."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.late import late
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import Pattern
from agentgate.core.lint.patterns import shell_quotes
from agentgate.core.lint.weaknesses import CONVERT, overlooked

_ARGUMENTS = frozenset(("command", "cmd", "shell", "script", "bash", "command_line"))
_WORDS = late(r"(?<![A-Za-z])(rm|sudo|curl|wget|chmod|chown|mkfs|shutdown)(?![A-Za-z])")
_WAY_ON = 'use `command` in an allow rule: `command: ["git status", "ls *"]`'


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return overlooked(subject, report, _wrong, shell_quotes, (CONVERT if subject.flat else "") + _WAY_ON)


def _wrong(pattern: Pattern) -> str | None:
    about = pattern.condition.condition.argument.split(".")[-1] in _ARGUMENTS or _WORDS.search(pattern.text) is not None
    return "a pattern does not understand the shell, which takes quotes and backslashes away" if about else None


AUDIT = Audit(
    code="shell-by-pattern",
    severity=Severity.WARNING,
    summary="a pattern is to hold back shell commands, and another spelling of the same command gets past it",
    documentation="To a shell `rm`, `r''m`, `\\rm` and `$(echo rm)` are the same, and `-rf` is `-r -f`. A pattern cannot list all "
    "spellings. Say what is allowed instead: the operator `command` reads the line as the shell does, and refuses what is "
    "chained, substituted or redirected.",
    find=_find,
)
