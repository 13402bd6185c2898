"""The books in any SQL database. What is said to it is understood by SQLite and by PostgreSQL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from agentgate.core.events import Effect
from agentgate.files.gateway_records import FIRST, NO_ANSWER, RESULTS, Record, decode, new_id, seal
from agentgate.gateway.books import Keeping, Question, Wanted
from agentgate.gateway.past import Past, fold

_MOST_SESSIONS = 10_000
"""Sessions that are kept in memory; others are read again when they come back."""
_USES_KEPT = timedelta(days=400)
"""How long it is known what limits over time have used: should a clock that ran ahead be set back, it counts again."""
_REMOVED_AT_ONCE = 500
"""Lines, so that nobody waits long for it."""
_DIGITS = 12

TABLES = (
    """CREATE TABLE IF NOT EXISTS answers (
      seq {number} PRIMARY KEY, id TEXT NOT NULL UNIQUE, at TEXT NOT NULL, session TEXT, results INTEGER NOT NULL, line {bytes} NOT NULL,
      hash TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS answers_by_session ON answers (session, seq) WHERE session IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS questions (
      id TEXT PRIMARY KEY, at TEXT NOT NULL, session TEXT, tool TEXT NOT NULL, arguments TEXT NOT NULL, args_hash TEXT NOT NULL,
      policy TEXT NOT NULL, role TEXT, rule TEXT, reason TEXT NOT NULL, state TEXT NOT NULL, by TEXT, note TEXT, answered_at TEXT)""",
    "CREATE INDEX IF NOT EXISTS questions_by_call ON questions (args_hash, tool, state)",
    """CREATE TABLE IF NOT EXISTS uses (
      account TEXT NOT NULL, limit_id TEXT NOT NULL, request TEXT NOT NULL, call TEXT NOT NULL, at TEXT NOT NULL,
      amount DOUBLE PRECISION NOT NULL, PRIMARY KEY (account, limit_id, request, call))""",
    "CREATE INDEX IF NOT EXISTS uses_at ON uses (account, limit_id, at, amount)",
    "CREATE TABLE IF NOT EXISTS sent (request TEXT PRIMARY KEY, session TEXT NOT NULL, until TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS sent_by_session ON sent (session)",
    "CREATE TABLE IF NOT EXISTS removed (one INTEGER PRIMARY KEY, seq {number} NOT NULL, hash TEXT NOT NULL)",
)
"""With `number` and `bytes` for the types that databases call differently."""
_BITS = {word: 1 << place for place, word in enumerate(RESULTS.values())}
_BIT_OF = {effect: _BITS[word] for effect, word in RESULTS.items()}
_KEEP = "INSERT INTO answers (seq, id, at, session, results, line, hash) VALUES (?, ?, ?, ?, ?, ?, ?)"
_QUESTION = "id, at, session, tool, arguments, args_hash, policy, role, rule, reason, state, by, note, answered_at"
LOOKS = (
    "SELECT seq, id, at, session, results, line, hash FROM answers LIMIT 0",
    f"SELECT {_QUESTION} FROM questions LIMIT 0",  # noqa: S608 - only words of ours
)
"""What fails where the tables are somebody else's."""


class Database(Protocol):
    """A connection to one. Whatever it fails with is `failure`; values stand where SQL has a `?`."""

    failure: type[Exception]

    def begin(self, patience: float) -> bool:
        """Begins a transaction, alone among all processes; whether that was possible in so many seconds."""
        ...

    def commit(self) -> None:
        """Makes everything durable."""
        ...

    def undo(self) -> None:
        """Forgets what was not made durable. Does not fail."""
        ...

    def close(self) -> None:
        """Gives the connection back."""
        ...

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """What a query finds."""
        ...

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Changes rows; how many."""
        ...

    def change_each(self, sql: str, many: Sequence[Sequence[Any]]) -> None:
        """The same for each of these values."""
        ...


class SqlBooks:
    """See `Books`. For one at a time: the store, or a command with a connection of its own."""

    def __init__(self, database: Database, clock: Callable[[], datetime], keeping: Keeping = Keeping()) -> None:  # noqa: B008 - frozen
        self._db = database
        self._clock = clock
        self._keeping = keeping
        self._sessions: OrderedDict[str, tuple[int, Past | None, datetime]] = OrderedDict()
        """Session → up to where in the chain its lines were read, what it has come to, and when."""
        self._head = (0, FIRST)
        self._foreign = 0
        """Up to where in the chain there may be lines that other processes wrote."""
        self._unwritten: list[tuple[Any, ...]] = []
        """What was kept and is not in the database yet."""

    @property
    def failure(self) -> type[Exception]:
        """What the database fails with; all that was done in the transaction is lost then."""
        return self._db.failure

    def begin(self, patience: float = 0.0) -> bool:
        """Begins a transaction; whether other processes let it, in so many seconds."""
        if not self._db.begin(patience):
            return False
        rows = self._db.rows("SELECT seq, hash FROM answers ORDER BY seq DESC LIMIT 1")
        head = (rows[0][0], rows[0][1]) if rows else (0, FIRST)
        if head != self._head:
            self._head, self._foreign = head, head[0]
        return True

    def write(self) -> None:
        """Gives what was kept to the database, all at once, which takes less than one after the other."""
        if self._unwritten:
            rows, self._unwritten = self._unwritten, []
            self._db.change_each(_KEEP, rows)

    def end(self) -> None:
        """Makes everything durable."""
        self.write()
        self._db.commit()

    def undo(self) -> None:
        """Forgets what was not made durable."""
        self._sessions.clear()
        self._unwritten.clear()
        self._db.undo()

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    # Sessions and events

    def past(self, session: str) -> Past | None:
        """See `Books.past`."""
        seq, past, at = self._sessions.get(session, (-1, None, None))
        if seq < self._foreign:
            for last, line in self._rows("SELECT seq, line FROM answers WHERE session = ? AND seq > ? ORDER BY seq", (session, seq)):
                record = decode(line)
                seq, past, at = last, fold(record.events, past, record.policy.sha256), record.at
            if past is not None and at is not None:
                self._remember(session, max(seq, self._head[0]), past, at)
        if past is None or at is None:
            return None
        return None if self._clock() - at > self._keeping.sessions else past

    def keep(self, record: Record, past: Past | None) -> None:
        """See `Books.keep`."""
        seq, prev = self._head[0] + 1, self._head[1]
        line = seal(record, seq, prev)
        results = 0
        for call in record.decided:
            results |= _BIT_OF[call.effect]
        if record.denied is not None:
            results |= _BIT_OF[Effect.BLOCK] | (0 if record.events else NO_ANSWER)
        self._unwritten.append((seq, record.id, text_of(record.at), record.session, results, line.text, line.hash))
        self._head = (seq, line.hash)
        if record.session is not None and past is not None:
            self._remember(record.session, seq, past, record.at)
        elif record.session is not None:
            self._sessions.pop(record.session, None)  # it is read again when it comes back

    def records(self, wanted: Wanted) -> list[Record]:
        """See `Books.records`."""
        where, values = ["1 = 1"], list[str | int]()
        if wanted.since is not None and wanted.since.startswith("evt_"):
            # One that is not kept any more is older than all that are; ids sort by their time.
            by_id, by_time = "(SELECT seq FROM answers WHERE id = ?)", "(SELECT min(seq) - 1 FROM answers WHERE id > ?)"
            where.append(f"seq > coalesce({by_id}, {by_time}, 9223372036854775807)")
            values += [wanted.since, wanted.since]
        elif wanted.since is not None:
            where.append("at > ?")
            values.append(text_of(datetime.fromisoformat(wanted.since)))
        if wanted.before is not None:
            where.append("seq < (SELECT seq FROM answers WHERE id = ?)")
            values.append(wanted.before)
        if wanted.session is not None:
            where.append("session = ?")
            values.append(wanted.session)
        if wanted.result is not None:
            where.append("(results & ?) <> 0")
            values.append(_BITS[wanted.result])
        query = f"SELECT line FROM answers WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - only words of ours
        return [decode(line) for (line,) in self._rows(query, (*values, wanted.limit))]

    # Questions to people

    def answered(self, question: Question, besides: Collection[str]) -> Question | None:
        """See `Books.answered`."""
        return self._find(question, ("approved", "rejected"), besides)

    def use(self, id: str) -> None:
        """See `Books.use`."""
        self._db.change("UPDATE questions SET state = 'used' WHERE id = ? AND state = 'approved'", (id,))

    def ask(self, question: Question) -> str:
        """See `Books.ask`."""
        found = self._find(question, ("pending",))
        if found is not None:
            return found.id
        made = new_id("apr", self._clock())
        values = (made, text_of(question.at), *(getattr(question, name) for name in _QUESTION.split(", ")[2:11]), None, None, None)
        self._db.change(f"INSERT INTO questions ({_QUESTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608 - only words of ours
        return made

    def questions(self, *, open_only: bool = True) -> list[Question]:
        """See `Books.questions`."""
        where = "WHERE state = 'pending' AND at > ?" if open_only else "WHERE at > ?"
        rows = self._rows(f"SELECT {_QUESTION} FROM questions {where} ORDER BY at", (self._oldest() if open_only else "",))  # noqa: S608 - only words of ours
        return [_question(row) for row in rows]

    def answer(self, id: str, *, approve: bool, by: str, note: str | None) -> Question | None:
        """See `Books.answer`."""
        state = "approved" if approve else "rejected"
        changed = self._db.change(
            "UPDATE questions SET state = ?, by = ?, note = ?, answered_at = ? WHERE id = ? AND state = 'pending' AND at > ?",
            (state, by, note, text_of(self._clock()), id, self._oldest()),
        )
        if not changed:
            return None
        return _question(self._rows(f"SELECT {_QUESTION} FROM questions WHERE id = ?", (id,))[0])  # noqa: S608 - only words of ours

    # Limits

    def used(self, account: str, limit: str, since: datetime, besides: str) -> float:
        """See `Books.used`."""
        query = "SELECT coalesce(sum(amount), 0) FROM uses WHERE account = ? AND limit_id = ? AND at > ? AND request <> ?"
        return round(float(self._rows(query, (account, limit, text_of(since), besides))[0][0]), _DIGITS)

    def uses(self, account: str, limit: str, since: datetime, besides: str) -> list[tuple[datetime, float]]:
        """See `Books.uses`."""
        query = "SELECT at, amount FROM uses WHERE account = ? AND limit_id = ? AND at > ? AND request <> ? ORDER BY at"
        rows = self._rows(query, (account, limit, text_of(since), besides))
        return [(datetime.fromisoformat(at), amount) for at, amount in rows]

    def use_up(self, account: str, limit: str, request: str, call: str, amount: float, at: datetime) -> None:
        """See `Books.use_up`."""
        self._db.change(
            "INSERT INTO uses (account, limit_id, request, call, at, amount) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (account, limit_id, request, call) DO UPDATE SET at = excluded.at, amount = excluded.amount",
            (account, limit, request, call, text_of(at), amount),
        )

    def give_back(self, account: str, request: str, call: str) -> None:
        """See `Books.give_back`."""
        self._db.change("DELETE FROM uses WHERE account = ? AND request = ? AND call = ?", (account, request, call))

    def sent(self, session: str) -> int:
        """See `Books.sent`."""
        rows = self._rows("SELECT count(*) FROM sent WHERE session = ? AND until > ?", (session, text_of(self._clock())))
        return int(rows[0][0])

    def send(self, session: str, request: str, until: datetime) -> None:
        """See `Books.send`."""
        self._db.change("INSERT INTO sent (request, session, until) VALUES (?, ?, ?)", (request, session, text_of(until)))

    def came_back(self, request: str) -> None:
        """See `Books.came_back`."""
        self._db.change("DELETE FROM sent WHERE request = ?", (request,))

    # What is not kept any more

    def tidy(self) -> bool:
        """See `Books.tidy`."""
        now = self._clock()
        self._db.change("DELETE FROM uses WHERE at < ?", (text_of(now - _USES_KEPT),))
        self._db.change("DELETE FROM sent WHERE until < ?", (text_of(now),))
        if self._keeping.events is None:
            return False
        oldest = text_of(now - self._keeping.events)
        self._db.change("DELETE FROM questions WHERE at < ? AND at < ?", (oldest, self._oldest()))
        return self._remove(oldest, text_of(now - self._keeping.sessions))

    def _remove(self, oldest: str, asleep: str) -> bool:
        """Removes lines from the beginning of the chain, and keeps where it begins from then on. Its last line always stays."""
        rows = self._rows("SELECT seq, at, session, hash FROM answers ORDER BY seq LIMIT ?", (_REMOVED_AT_ONCE + 1,))
        last: tuple[int, str] | None = None
        over: dict[str, bool] = {}
        for seq, at, session, own in rows[:-1]:
            if at >= oldest or not (session is None or self._is_over(session, asleep, over)):
                break
            last = (seq, own)
        if last is None:
            return False
        self._db.change("DELETE FROM answers WHERE seq <= ?", (last[0],))
        self._db.change(
            "INSERT INTO removed (one, seq, hash) VALUES (1, ?, ?) "
            "ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
            last,
        )
        return last[0] == rows[-2][0] and len(rows) > _REMOVED_AT_ONCE

    def _is_over(self, session: str, asleep: str, known: dict[str, bool]) -> bool:
        """Whether a session is remembered no more."""
        if session not in known:
            latest = self._rows("SELECT at FROM answers WHERE session = ? ORDER BY seq DESC LIMIT 1", (session,))
            known[session] = latest[0][0] < asleep
        return known[session]

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """What a query finds, also of what was kept just now."""
        self.write()
        return self._db.rows(sql, values)

    def _remember(self, session: str, seq: int, past: Past, at: datetime) -> None:
        self._sessions[session] = (seq, past, at)
        self._sessions.move_to_end(session)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def _oldest(self) -> str:
        return text_of(self._clock() - self._keeping.approvals)

    def _find(self, question: Question, states: tuple[str, ...], besides: Collection[str] = ()) -> Question | None:
        """The latest question about the same call in one of these states."""
        rows = self._rows(
            f"SELECT {_QUESTION} FROM questions WHERE args_hash = ? AND tool = ? AND at > ? ORDER BY at DESC, id DESC",  # noqa: S608 - only words of ours
            (question.args_hash, question.tool, self._oldest()),
        )
        same = (found for found in map(_question, rows) if found.binding == question.binding)
        return next((found for found in same if found.state in states and found.id not in besides), None)


def _question(row: Sequence[Any]) -> Question:
    values = dict(zip(_QUESTION.split(", "), row, strict=True))
    values["at"] = datetime.fromisoformat(values["at"])
    answered = values["answered_at"]
    values["answered_at"] = None if answered is None else datetime.fromisoformat(answered)
    return Question(**values)


_encode = msgspec.json.Encoder().encode
_WHOLE = len('"2026-01-31T12:00:00.000000Z"')


def text_of(moment: datetime) -> str:
    """A time so that later ones sort after earlier ones."""
    if moment.tzinfo is UTC and len(text := _encode(moment)) == _WHOLE:  # the same as below, in a sixth of the time
        return text[1:-2].decode() + "+00:00"
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
