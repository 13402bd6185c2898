"""What is read off a statement, where a name could stand for something else than it seems."""

from __future__ import annotations

import logging

import pytest

from agentgate.core.conditions import Unjudgeable
from agentgate.core.conditions.sql_text import tokens
from agentgate.core.conditions.sql_tree import parse

NOT_A_TABLE = "reads from something that is not a table"
NOT_A_QUERY = "names something that is not a query"


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("with x as (select 1) select * from x", set()),
        ("with x as (select 1) select * from a.x", {"a.x"}),
        ("with x as (select 1) select * from a..x", {"a.x"}),
        ("with x as (select 1) select * from a.b.x", {"a.b.x"}),
        ("with x as (select * from x) select * from x", {"x"}),
        ('with "X" as (select 1) select * from x', {"x"}),
    ],
)
def test_only_a_name_alone_is_that_of_a_query(sql: str, tables: set[str]) -> None:
    """With a schema or a catalog in front it is a table, also where the schema is left out between two dots."""
    assert parse(sql, None, frozenset()).tables == tables


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select * from f(1).a.b", NOT_A_TABLE),
        ("select * from a.f(1).b", NOT_A_TABLE),
        ("select * from a.b.f(1)", NOT_A_TABLE),
        ("select * from f(1)", NOT_A_TABLE),
        ("with x as (t) select * from x", NOT_A_QUERY),
        ("with x as (1) select * from x", NOT_A_QUERY),
        ("(t)", "is not a kind of statement that can be judged"),
        ("(values (1))", "is not a kind of statement that can be judged"),
    ],
)
def test_what_is_no_table_and_no_query_is_refused(sql: str, why: str) -> None:
    """Although its function may be called."""
    with pytest.raises(Unjudgeable) as doubt:
        parse(sql, None, frozenset(("f",)))
    assert str(doubt.value) == why


@pytest.mark.parametrize("sql", ["select 1;;", "select 1 ; "])
def test_a_statement_may_end_in_semicolons(sql: str) -> None:
    """Nothing comes behind them."""
    assert tokens(sql) == ["select", "1"]


def test_the_log_of_the_library_is_as_it_was() -> None:
    """Whether somebody reads it or not."""
    log = logging.getLogger("sqlglot")
    for disabled in (False, True):
        log.disabled = disabled
        parse("select 1", None, frozenset())
        assert log.disabled is disabled
    log.disabled = False
