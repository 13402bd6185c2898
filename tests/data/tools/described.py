"""Tools whose descriptions are in `described.json`."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field


class Tier(enum.Enum):
    FREE = "free"
    PRO = "pro"


class Filter(typing.TypedDict):
    """What to look for."""

    city: str
    limit: NotRequired[int]


@dataclass
class Money:
    amount: decimal.Decimal
    currency: Literal["EUR", "USD"] = "EUR"


class Address(BaseModel):
    title: str
    street: str


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: int


def nothing() -> None:
    pass


def plain(action: Literal["read", "update_tier"], customer_id: int, new_tier: str | None = None, ratio: float = 0.5) -> str:
    """Reads customers, and
    changes their tier.

    There is more to say, but not to a model.

    Args:
        action: what to do
        customer_id (int): whom to do it to,
            as a number
        new_tier: free or pro

    Returns:
        A text.
    """
    return action


def numpy(count: int, name: str = "x") -> int:
    """Counts.

    Parameters
    ----------
    count : int
        How many.
    name : str
        Of what.
    """
    return count


def sphinx(count: int) -> int:
    """Counts.

    :param count: How many.
    :returns: That many.
    """
    return count


def nested(filters: list[Filter] | None, extra: dict[str, Any], address: Address, open_ended: Open) -> str:
    """Looks things up."""
    return type(address).__name__


def rich(
    tier: Tier,
    price: Money,
    due: dt.date,
    count: Annotated[int, Field(ge=1, le=10, description="How many.")] = 3,
    tags: frozenset[str] = frozenset(),
    day: dt.date = dt.date(2024, 2, 29),
) -> list[str]:
    """Takes what JSON has no types for."""
    return [repr(value) for value in (tier, price, due, count, tags, day)]


def undescribed(value: Any, times: bool = False) -> Any:
    return value
