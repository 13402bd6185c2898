"""SQL held back by a regular expression."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.late import late
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import Pattern
from agentgate.core.lint.patterns import sql_comment
from agentgate.core.lint.weaknesses import CONVERT, overlooked

_ARGUMENTS = frozenset(("query", "sql", "statement", "sql_query"))
_WORDS = late(r"(?i)(?<![a-z])(drop|delete|truncate|alter|insert|update|union|grant)(?![a-z])")
_WAY_ON = "use `sql` in an allow rule: `sql: {statements: [select], tables: [orders]}`"


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return overlooked(subject, report, _wrong, sql_comment, (CONVERT if subject.flat else "") + _WAY_ON)


def _wrong(pattern: Pattern) -> str | None:
    words = set(_WORDS.findall(pattern.text))
    about = len(words) > 1 or (bool(words) and pattern.condition.condition.argument.split(".")[-1] in _ARGUMENTS)
    return "a pattern does not understand SQL, in which a comment stands for a space" if about else None


AUDIT = Audit(
    code="sql-by-pattern",
    severity=Severity.WARNING,
    summary="a pattern is to hold back SQL, and another spelling of the same statement gets past it",
    documentation="SQL has many spellings for the same thing: comments in place of spaces, any case, quoted names, several statements in "
    "one text. A pattern cannot list them. Say what is allowed instead: the operator `sql` reads the statement and looks at "
    "its kind and its tables.",
    find=_find,
)
