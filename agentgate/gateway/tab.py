"""What one request uses up of the limits per hour and per day: kept in the books, and so in one transaction with what is decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from agentgate.core.once import Earlier
from agentgate.core.windows import Used
from agentgate.gateway.books import Books
from agentgate.session import CompiledPolicy

_DIGITS = 12


class Tab:
    """See `agentgate.accounts.Accounts`. Calls are executed once by each session alone, so there is nothing to claim here."""

    scope: str | None = None

    def __init__(self, policy: CompiledPolicy) -> None:
        """Nothing is on it yet.

        Args:
            policy: whose limits are counted, under its name.
        """
        self._account = policy.policy.name
        self._of_cost = frozenset(window.id for window in policy.windows if window.kind == "cost_usd")
        self._books: Books | None = None
        self._request = ""
        self._settled = False

    @contextmanager
    def open(self, books: Books, request: str) -> Iterator[None]:
        """Counts for a request, while a job has the books. What it reserved before does not speak against itself."""
        self._books, self._request, self._settled = books, request, False
        try:
            yield
        finally:
            self._books = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """See `Accounts.turn`: whoever has the books is alone."""
        yield

    def used(self, limit: str, since: datetime, value: float, length: timedelta, besides: tuple[str, str] | None = None) -> Used:
        """See `Accounts.used`."""
        own = self._request if limit in self._of_cost and not self._settled else ""
        amount = self._open_books.used(self._account, limit, since, own)
        if amount < value or value <= 0:
            return Used(amount)
        left = amount
        for at, freed in self._open_books.uses(self._account, limit, since, own):
            left = round(left - freed, _DIGITS)
            if left < value:
                return Used(amount, at + length)
        return Used(amount)

    def enter(self, limit: str, run_id: str, call_id: str, amount: float, at: datetime) -> None:
        """See `Accounts.enter`. What a request costs is entered for the request, which parallel ones of a session share no name with."""
        cost = limit in self._of_cost
        self._settled = self._settled or cost
        self._open_books.use_up(self._account, limit, self._request, "" if cost else _name(call_id), amount, at)

    def strike(self, run_id: str, call_id: str) -> None:
        """See `Accounts.strike`."""
        self._open_books.give_back(self._account, self._request, _name(call_id))

    def earlier(self, tool: str, args_hash: str) -> Earlier | None:
        """See `Accounts.earlier`."""
        return None

    def claim(self, tool: str, args_hash: str, run_id: str, call_id: str, at: datetime) -> Earlier | None:
        """See `Accounts.claim`."""
        return None

    def complete(self, run_id: str, call_id: str, content: str, *, ok: bool) -> None:
        """See `Accounts.complete`."""

    def withdraw(self, run_id: str, call_id: str) -> None:
        """See `Accounts.withdraw`."""

    @property
    def _open_books(self) -> Books:
        assert self._books is not None, "counted only while a job has the books"
        return self._books


def _name(call_id: str) -> str:
    """The id of a call, which a model chose, as every database can keep it."""
    return json.dumps(call_id)
