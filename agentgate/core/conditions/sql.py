"""`sql`: the argument is one SQL statement of a listed kind, over listed tables alone."""

from agentgate.core.conditions.sql_text import MAX_LENGTH, tokens
from agentgate.core.conditions.sql_tree import KINDS, parse
from agentgate.core.conditions.test import InvalidOperand, Operator, Test, Unjudgeable, World
from agentgate.core.conditions.text import string
from agentgate.core.events import Json
from agentgate.core.state import State

DIALECTS = "postgres mysql sqlite tsql oracle redshift snowflake bigquery duckdb clickhouse databricks hive presto spark trino".split()  # noqa: SIM905 - a row of words reads better
ANY = "*"
"""In place of a list of tables: every table."""
_FIRST = frozenset(("select", "with", "(", "insert", "update", "delete", "drop", "truncate"))


def _compile(operand: Json) -> Test:
    kinds: frozenset[str] = frozenset(operand["statements"])
    listed: frozenset[str] = frozenset(operand["tables"])
    dialect: str | None = operand.get("dialect")
    functions = frozenset(name.lower() for name in operand.get("functions", ()))
    if not kinds <= set(KINDS.values()):
        raise InvalidOperand(f"`{min(kinds - set(KINDS.values()))}` is not a kind of statement that can be judged")
    if dialect is not None and dialect not in DIALECTS:
        raise InvalidOperand(f"unknown dialect `{dialect}`; known are {', '.join(DIALECTS)}")
    last_names = frozenset(name.rpartition(".")[2].lower() for name in listed)

    def holds(value: Json, world: World, state: State) -> bool:
        text = string(value, MAX_LENGTH)
        words = tokens(text)
        if not words or words[0] not in _FIRST:
            raise Unjudgeable("does not begin like a statement that can be judged")
        statement = parse(text, dialect, functions)
        if statement.kinds <= kinds and (ANY in listed or statement.tables <= listed):
            return True
        said = set(words).union(*(table.lower().split(".") for table in statement.tables))
        of_kind = kinds & (statement.kinds | said)
        over = statement.tables if ANY in listed else last_names & said
        if of_kind and over:
            raise Unjudgeable("is in part what is listed, and in part not")
        return False

    # A query may do without tables; the other kinds are about one.
    never = not kinds or (not listed and "select" not in kinds)
    return Test(holds=holds, wanted=_wanted(operand), never=never)


def _wanted(operand: Json) -> str:
    kinds = " or ".join(kind.upper() for kind in operand["statements"]) or "no"
    tables = "any table" if ANY in operand["tables"] else ", ".join(operand["tables"]) or "no table"
    return f"one {kinds} statement over {tables}"


OPERATOR = Operator(
    key="sql",
    summary="is one SQL statement of a listed kind, over listed tables only, wherever in the statement they are read",
    operand={
        "type": "object",
        "required": ["statements", "tables"],
        "additionalProperties": False,
        "properties": {
            "statements": {
                "type": "array",
                "items": {"enum": list(dict.fromkeys(KINDS.values()))},
                "description": "The kinds of statement. A query inside another statement needs `select` as well.",
            },
            "tables": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": 'The tables, in the spelling and with the qualification that statements use; `"*"` for every table.',
            },
            "functions": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": "Functions that may be called beside the harmless ones of the standard.",
            },
            "dialect": {"enum": list(DIALECTS), "description": "The dialect of the database; without it, what dialects share."},
        },
        "description": "What the statement may be.",
    },
    compile=_compile,
    example={"statements": ["select"], "tables": ["orders"], "dialect": "postgres"},
    details="""Tables are found everywhere: in joins, subqueries, common table expressions, unions, and as the target of a change. A name
counts as written: `orders` does not list `public.orders`, nor `ORDERS`. The name of a common table expression is not a
table; what it reads is.

Only constructs that are known to read and compare are let through, and functions that compute from their arguments alone
(`count`, `json_agg`, `lower`, `date_trunc` …); `functions` lists further ones. Unjudgeable is everything else: more than one statement,
comments of any kind, what does not parse, `SELECT … INTO`, `FOR UPDATE`, table functions, file access, casts to types that
are not of the standard, parameters, other kinds of statement, backslashes and `$` quotes, characters outside ASCII except in
strings, more than 10,000 characters or 12 levels. So that a block rule is not got around, a statement that is of a listed
kind and mentions a listed table, in whatever spelling, is unjudgeable too where it does not hold. Columns and rows are not
looked at.""",
)
