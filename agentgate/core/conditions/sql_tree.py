"""What one SQL statement does, read off its syntax tree: its kinds, its tables, and whether anything else is in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from agentgate.core.conditions.test import Unjudgeable
from agentgate.core.late import late

if TYPE_CHECKING:
    from sqlglot import exp

KINDS = {
    "Select": "select",
    "Union": "select",
    "Except": "select",
    "Intersect": "select",
    "Insert": "insert",
    "Update": "update",
    "Delete": "delete",
    "Drop": "drop",
    "TruncateTable": "truncate",
}
"""Class of the tree → kind of statement."""
_PARTS = frozenset(
    """
    Add Alias All And Any AtTimeZone Between Boolean Case Cast Column CTE DataType DataTypeParam Distinct Div DPipe EQ Escape
    Exists Fetch Filter From Group GT GTE Having Identifier If IgnoreNulls ILike In IntDiv Interval IntervalSpan Is Join Like
    Limit LimitOptions Literal LT LTE Mod Mul Neg NEQ Not Null NullSafeEQ NullSafeNEQ Offset OnConflict Or Order Ordered Paren
    RespectNulls Returning Schema SimilarTo Star Sub Subquery Table TableAlias TryCast Tuple Values Var Where Window WindowSpec
    With WithinGroup
    """.split()  # noqa: SIM905 - a row of words reads better
)
"""Classes that read and compare, and do nothing else."""
_FUNCTIONS = frozenset(
    """
    Abs AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin ArrayAgg ArrayUniqueAgg Ascii Avg BitwiseAndAgg BitwiseOrAgg
    BitwiseXorAgg Cbrt Ceil Chr Coalesce Concat ConcatWs Contains Corr Cos Count CountIf CovarPop CovarSamp CumeDist CurrentDate
    CurrentDatetime CurrentTime CurrentTimestamp Date DateAdd DateDiff DateStrToDate DateSub DateTrunc Day DayOfMonth DayOfWeek
    DayOfYear Degrees DenseRank EndsWith Exp Extract FirstValue Floor Greatest GroupConcat Hour Initcap IsNan JSONArray
    JSONArrayAgg JSONBObjectAgg JSONFormat JSONKeyValue JSONObject JSONObjectAgg Lag LastValue Lead Least Left Length Ln Log
    LogicalAnd LogicalOr Lower Ltrim Max Median Min Minute Mode Month NthValue Ntile Nullif PercentileCont PercentileDisc
    PercentRank Pow Quantile Quarter Radians Rank RegrAvgx RegrAvgy RegrCount RegrIntercept RegrR2 RegrSlope Replace Right Round
    RowNumber Rtrim Second Sign Sin SplitPart Sqrt StartsWith Stddev StddevPop StddevSamp StrPosition StrToDate StrToTime
    Substring Sum Tan Timestamp TimestampAdd TimestampDiff TimestampSub TimestampTrunc TimeToStr TimeToUnix ToChar Trim Trunc
    TsOrDsAdd TsOrDsDiff TsOrDsToDate TsOrDsToTimestamp UnixToTime Upper Variance VariancePop Week Year
    """.split()  # noqa: SIM905 - a row of words reads better
)
"""Functions of the standard that compute from their arguments alone."""
_CALLS = frozenset(
    """
    bit_and bit_or bit_xor char_length date_format date_part datepart every getdate ifnull instr isnull json_agg json_array
    json_arrayagg json_build_array json_build_object json_group_array json_group_object json_object json_object_agg json_objectagg
    jsonb_agg jsonb_build_array jsonb_build_object jsonb_object_agg julianday len listagg now nvl row_to_json strftime sysdate
    to_char to_date to_json to_jsonb
    """.split()  # noqa: SIM905 - a row of words reads better
)
"""Functions of single dialects, likewise, which the parser has no class for."""
_STATEMENTS = frozenset(
    """
    backup begin break checkpoint commit continue dbcc deallocate disk exec execute go kill load print raiserror readtext reconfigure
    restore return revert rollback save shutdown throw use waitfor
    """.split()  # noqa: SIM905 - a row of words reads better
)
"""Words that begin a statement of their own where no semicolon is needed between statements; as an alias they are refused."""
_RESERVED = frozenset(("call", "exec", "execute", "from", "into", "lateral", "only", "select", "table", "union", "values"))
"""Words that the parser takes for a name where it does not know better, and the database for the beginning of something."""
_PLAIN_NAME = late(r"[A-Za-z0-9_ ]+")
STEPS_PER_TOKEN = 8
"""How often the parser may look at each token; ordinary statements need three steps."""
_TARGETED = ("Insert", "Update", "Delete", "Drop", "TruncateTable", "Schema")


class Statement(Struct, frozen=True):
    """What a statement is and touches."""

    kinds: frozenset[str]
    """Its own kind, and that of every query inside it."""
    tables: frozenset[str]
    """Every table as written: `orders`, `public.orders`."""


def parse(sql: str, dialect: str | None, functions: frozenset[str]) -> Statement:
    """Reads one statement.

    Args:
        sql: text that has passed `sql_text.tokens`.
        dialect: sqlglot's name of it; None for what dialects share.
        functions: names, in lower case, of functions that may be called beside those of the standard.

    Raises:
        Unjudgeable: it does not parse, or it does something that is not known to be harmless.
    """
    tree = _parsed(sql, dialect)
    kinds = {KINDS.get(type(tree.unnest()).__name__)}
    tables = set()
    for node in tree.walk():
        name = type(node).__name__
        if name in KINDS:
            kinds.add(KINDS[name])
        elif name not in _PARTS:
            _check_function(node, functions)
        _check_part(node, name)
        if name == "Table" and not _is_cte(node):
            tables.add(_full_name(node))
    _check_columns(tree)
    if None in kinds:
        raise Unjudgeable("is not a kind of statement that can be judged")
    return Statement(frozenset(kind for kind in kinds if kind is not None), frozenset(tables))


def _parsed(sql: str, dialect: str | None) -> exp.Expr:
    import logging

    from sqlglot.errors import SqlglotError

    log = logging.getLogger("sqlglot")
    was, log.disabled = log.disabled, True
    try:
        statements = _statements(sql, dialect)
    except SqlglotError:
        raise Unjudgeable("does not parse as SQL") from None
    except (RecursionError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise Unjudgeable(f"does not parse as SQL: {type(error).__name__}") from None
    finally:
        log.disabled = was
    if len(statements) != 1 or statements[0] is None:
        raise Unjudgeable("is not one statement")
    return statements[0]


def _statements(sql: str, name: str | None) -> list[exp.Expr | None]:
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import ErrorLevel

    dialect = Dialect.get_or_raise(name)
    tokens = dialect.tokenize(sql)
    parser = _bounded(dialect.parser_class)(dialect=dialect, error_level=ErrorLevel.RAISE)
    parser.steps_left = STEPS_PER_TOKEN * len(tokens) + 100
    statements: list[exp.Expr | None] = parser.parse(tokens, sql)
    return statements


@lru_cache(maxsize=64)
def _bounded(parser: Any) -> Any:
    """The parser with a limit to its steps: it tries again and again where a text can be read in several ways, `a JOIN b JOIN c …`."""

    class Bounded(parser):  # type: ignore[misc]
        steps_left = 0

        def _advance(self, times: int = 1) -> None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise Unjudgeable("can be read in too many ways")
            super()._advance(times)

    return Bounded


def _check_function(node: exp.Expr, functions: frozenset[str]) -> None:
    """Refuses a node that is neither a known function nor a listed one."""
    from sqlglot import exp

    name = type(node).__name__
    if name in _FUNCTIONS:
        return
    if isinstance(node, exp.Anonymous):
        if node.name.lower() in (functions | _CALLS) and not isinstance(node.parent, exp.Dot):
            return
        raise Unjudgeable(f"calls the function `{node.name}`, which is not listed")
    if isinstance(node, exp.Func) and any(written.lower() in functions for written in node.sql_names()):
        return
    raise Unjudgeable(f"contains `{node.key}`, which is not known to be harmless")


def _check_part(node: exp.Expr, name: str) -> None:
    """Refuses harmless classes that carry something else."""
    wrong = None
    match name:
        case "Table":
            wrong = _wrong_table(node)
        case "Identifier":
            wrong = f"uses `{node.name}` as a name" if not node.args.get("quoted") and node.name.lower() in _RESERVED else None
        case "Alias" | "TableAlias":
            wrong = f"uses `{node.alias_or_name}` as a name" if node.alias_or_name.lower() in _STATEMENTS else None
        case "Column":
            wrong = "advances a sequence" if node.name.lower() in ("nextval", "currval") else None
        case "DataType":
            wrong = "casts to a type that is not of the standard" if node.this.name in ("USERDEFINED", "UNKNOWN") else None
        case "Drop":
            wrong = "drops something that is not a table" if node.args.get("kind") != "TABLE" else None
        case "CTE":
            wrong = "names something that is not a query" if type(node.this).__name__ not in KINDS else None
        case "Select":
            wrong = "selects nothing" if not node.expressions else None
        case "In":
            wrong = "looks in something that is neither a list nor a query" if node.args.get("field") is not None else None
    if wrong is not None:
        raise Unjudgeable(wrong)


def _wrong_table(table: exp.Expr) -> str | None:
    """Why a table reference may be something else: a function, a file, a stage."""
    parts = [part for part in (table.args.get("catalog"), table.args.get("db"), table.this) if part]
    if any(type(part).__name__ != "Identifier" or _PLAIN_NAME.fullmatch(part.name) is None for part in parts):
        return "reads from something that is not a table"
    return None


def _check_columns(tree: exp.Expr) -> None:
    """Refuses a column of a table that the statement does not name: some databases then add the table."""
    from sqlglot import exp

    named = {table.name.lower() for table in tree.find_all(exp.Table)}
    named |= {alias.name.lower() for alias in tree.find_all(exp.TableAlias)}
    for column in tree.find_all(exp.Column):
        if column.table and column.table.lower() not in named:
            raise Unjudgeable(f"has a column of `{column.table}`, which it does not read from")


def _full_name(table: exp.Expr) -> str:
    return ".".join(part.name for part in (table.args.get("catalog"), table.args.get("db"), table.this) if part)


def _is_cte(table: exp.Expr) -> bool:
    """Whether a table's name is, where it stands, that of a common table expression and of nothing else."""
    if table.args.get("db") or table.args.get("catalog") or type(table.parent).__name__ in _TARGETED:
        return False
    wanted = (table.this.name, table.this.args.get("quoted"))
    return any((name.name, name.args.get("quoted")) == wanted for name in _names_in_sight(table))


def _names_in_sight(table: exp.Expr) -> Iterator[exp.Expr]:
    """The names of the common table expressions that a table reference can mean.

    Within a WITH those are the ones before; with RECURSIVE all of them.
    """
    node: exp.Expr = table
    while node.parent is not None:
        parent = node.parent
        if type(parent).__name__ == "With":
            visible = parent.expressions if parent.args.get("recursive") else parent.expressions[: node.index]
        else:
            clause = parent.args.get("with_")
            visible = clause.expressions if clause is not None and clause is not node else []
        yield from (cte.args["alias"].this for cte in visible if cte.args.get("alias"))
        node = parent
