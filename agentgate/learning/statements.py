"""SQL among the arguments of recorded calls: which statements they were, as the operator `sql` reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from agentgate.core.conditions.sql_text import MAX_LENGTH, tokens
from agentgate.core.conditions.sql_tree import Statement, parse
from agentgate.core.conditions.test import Unjudgeable

_FIRST = re.compile(r"\s*\(?\s*(?:alter|create|delete|drop|insert|merge|select|truncate|update|with)\b", re.IGNORECASE)
_MOSTLY = 0.5


def is_sql(values: Iterable[str]) -> bool:
    """Whether texts are statements: all begin like one, and most are one. Sentences begin with such words, too."""
    values = list(values)
    return all(map(_FIRST.match, values)) and sum(statement(value) is not None for value in values) >= _MOSTLY * len(values)


@lru_cache(maxsize=10_000)
def statement(text: str) -> Statement | None:
    """What a text is as a statement; None where that cannot be judged."""
    if len(text) > MAX_LENGTH:
        return None
    try:
        tokens(text)
        return parse(text, None, frozenset())
    except Unjudgeable:
        return None
