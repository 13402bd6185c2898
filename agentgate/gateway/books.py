"""What must be remembered across requests, as a port: `store` keeps it in SQLite, and another database can stand in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from msgspec import Struct

from agentgate.files.gateway_records import Record
from agentgate.gateway.past import Past

T = TypeVar("T")

_DAY = timedelta(days=1)


class Keeping(Struct, frozen=True, kw_only=True):
    """How long things are kept."""

    sessions: timedelta = _DAY
    """How long a session without requests is remembered."""
    approvals: timedelta = _DAY
    """How long a question to a person, and its answer, stand."""
    events: timedelta | None = None
    """How long events are kept at least; None for ever. What a session that is remembered consists of is kept in any case."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which events somebody wants to see."""

    limit: int = 50
    since: str | None = None
    """A time (RFC 3339) or the id of an event: only later ones."""
    before: str | None = None
    """The id of an event: only earlier ones."""
    session: str | None = None
    result: str | None = None
    """`allowed`, `blocked` or `asked`: only answers with such a call."""


class Question(Struct, frozen=True, kw_only=True):
    """A call that a person must decide."""

    id: str
    at: datetime
    session: str | None
    tool: str
    arguments: str
    args_hash: str
    policy: str
    """The SHA-256 of the policy that asks."""
    role: str | None
    rule: str | None
    reason: str
    state: str = "pending"
    """`pending`, `approved`, `rejected`, or `used`."""
    by: str | None = None
    note: str | None = None
    answered_at: datetime | None = None

    @property
    def binding(self) -> tuple[str, ...]:
        """What an answer is bound to. Not the id of the call: a model that proposes it again gives it another one."""
        return (self.session or "", self.tool, self.args_hash, self.policy, self.role or "")


class Books(Protocol):
    """What a job may do, all of it in one transaction."""

    def past(self, session: str) -> Past | None:
        """What a session has come to; None where there is none, or an old one."""
        ...

    def keep(self, record: Record, past: Past | None) -> None:
        """Appends a record, and what its session has come to with it; None where that has not changed."""
        ...

    def answered(self, question: Question, besides: Collection[str]) -> Question | None:
        """This question with an answer that was not used yet and is not too old, other than those with these ids."""
        ...

    def use(self, id: str) -> None:
        """Marks the answer to a question as used."""
        ...

    def ask(self, question: Question) -> str:
        """Puts a question; the id of an open one, where it was put before."""
        ...

    def questions(self, *, open_only: bool = True) -> list[Question]:
        """Questions, the oldest first."""
        ...

    def answer(self, id: str, *, approve: bool, by: str, note: str | None) -> Question | None:
        """Answers an open question; None where there is no such one."""
        ...

    def records(self, wanted: Wanted) -> Sequence[Record]:
        """Records, the newest first."""
        ...

    def used(self, account: str, limit: str, since: datetime, besides: str) -> float:
        """What was used of a limit over time after a moment, but for what one request has used.

        Args:
            account: whose limit: the name of the policy.
            limit: its id.
            since: when the window began.
            besides: the request that does not count.
        """
        ...

    def uses(self, account: str, limit: str, since: datetime, besides: str) -> Sequence[tuple[datetime, float]]:
        """The same one by one, the oldest first."""
        ...

    def use_up(self, account: str, limit: str, request: str, call: str, amount: float, at: datetime) -> None:
        """Counts an amount for a call of a request, or with an empty call for the request itself, in place of what was counted before."""
        ...

    def give_back(self, account: str, request: str, call: str) -> None:
        """Counts nothing any more for a call of a request, or for the request itself."""
        ...

    def sent(self, session: str) -> int:
        """How many requests of a session are on their way."""
        ...

    def send(self, session: str, request: str, until: datetime) -> None:
        """A request of a session is on its way from now on, until it has come back, or until that time."""
        ...

    def came_back(self, request: str) -> None:
        """A request is not on its way any more."""
        ...

    def tidy(self) -> bool:
        """Forgets a part of what need not be kept any more; whether there may be more of it."""
        ...


class Store(Protocol):
    """Keeps the books. One job after the other, each durable before its result is given."""

    def commit(self, job: Callable[[Books], T]) -> Awaitable[T]:
        """Does a job; many are made durable at once. Whoever awaits it gets the result.

        Raises:
            RecordError: it could not be made durable; whatever it decided must not be acted upon.
            Exception: whatever the job raised.
        """
        ...

    def post(self, job: Callable[[Books], None]) -> None:
        """Does a job soon. Nobody waits for it, and nobody hears of its failure."""
        ...

    async def close(self) -> None:
        """Finishes what was begun."""
        ...
