"""PostgreSQL as the database of the books, for gateways on several hosts."""

from __future__ import annotations

import itertools
import re
import ssl
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from agentgate.errors import OutsideError, UsageError
from agentgate.gateway.settings import is_loopback
from agentgate.gateway.sql_books import TABLES

_TIMEOUT_SECONDS = 20.0
_LOCK = 0x61676174
"""What whoever writes holds, so that the chain has one order."""
_OPTIONS = ("host", "sslmode", "sslrootcert")
_EXAMPLE = "for instance postgresql://agentgate@db.example.com/agentgate, with the password in PGPASSWORD"


class DatabaseFailed(OutsideError):
    """The database refused something, or cannot be reached."""


class PostgresDatabase:
    """See `Database`. Not to be used by two threads at once. A connection that was lost is made anew at the next transaction."""

    failure: type[Exception] = DatabaseFailed

    def __init__(self, url: str, environ: Mapping[str, str], *, make: bool = True) -> None:
        """Connects, and makes the tables where they are missing.

        Args:
            url: `postgresql://USER@HOST:PORT/DATABASE`, perhaps with `?sslmode=` (`verify-full`, the default beyond this machine, or
                `disable`), `sslrootcert=FILE`, or `host=FOLDER` for a socket.
            environ: where `PGPASSWORD` may be.
            make: whether tables are made; else they must be there.

        Raises:
            UsageError: the address cannot be understood, or the driver is not installed.
            OutsideError: there is no such database, or it lets nobody in.
        """
        self.shown, self._options = _options(url, environ)
        self._db: Any = None
        try:
            if make:
                self._make()
            else:
                self.rows("SELECT 1 FROM answers LIMIT 1")
        except DatabaseFailed as error:
            self.close()
            raise OutsideError(f"the store `{self.shown}` cannot be used: {error.message}", help=_EXAMPLE) from None

    def _make(self) -> None:
        self.begin(_TIMEOUT_SECONDS)
        for statement in TABLES:
            self.change(statement.format(number="BIGINT", bytes="BYTEA"))
        self.commit()

    def begin(self, patience: float) -> bool:
        """See `Database.begin`.

        Raises:
            DatabaseFailed: it cannot be begun, or not in time.
        """
        self._run("BEGIN")
        self._run(f"SET LOCAL lock_timeout = {max(1, int(patience * 1000))}")
        self._run(f"SELECT pg_advisory_xact_lock({_LOCK})")
        return True

    def commit(self) -> None:
        """See `Database.commit`."""
        self._run("COMMIT")

    def undo(self) -> None:
        """See `Database.undo`."""
        try:
            self._run("ROLLBACK")
        except DatabaseFailed:
            self.close()

    def close(self) -> None:
        """See `Database.close`."""
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            except _failures():
                pass

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """See `Database.rows`."""
        return self._run(sql, values)

    def lines(self) -> Iterator[Any]:
        """All lines with what stands beside them, for an audit."""
        last, page = 0, list[Any]()
        while page or not last:
            page = self.rows("SELECT seq, id, at, session, line, hash FROM answers WHERE seq > ? ORDER BY seq LIMIT 500", (last,))
            yield from page
            last = page[-1][0] if page else -1

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """See `Database.change`."""
        self._run(sql, values)
        assert self._db is not None
        return max(0, int(self._db.row_count))

    def change_each(self, sql: str, many: Sequence[Sequence[Any]]) -> None:
        """See `Database.change_each`."""
        for values in many:
            self._run(sql, values)

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            if self._db is None:
                self._db = _connect(self._options)
            number = itertools.count()
            named = re.sub(r"\?", lambda _: f":v{next(number)}", sql)
            found: list[Any] | None = self._db.run(named, **{f"v{place}": _kept(value) for place, value in enumerate(values)})
        except _failures() as error:
            raise DatabaseFailed(_told(error)) from None
        return found or []


def _connect(options: Mapping[str, Any]) -> Any:
    from pg8000 import native

    made = native.Connection(**options)
    made.run("SET synchronous_commit = on")
    return made


def _failures() -> tuple[type[Exception], ...]:
    from pg8000.exceptions import Error

    return (Error, OSError, struct.error)


def _told(error: Exception) -> str:
    """What the server said, or what is the matter with the way to it."""
    said = error.args[0] if error.args else None
    if isinstance(said, Mapping):
        return str(said.get("M", "no reason given"))
    return str(said or type(error).__name__)


def _kept(value: Any) -> Any:
    """A value as PostgreSQL can keep it: no text there has the character 0."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _options(url: str, environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The address as it may be shown, without the password, and what the driver wants to know.

    Raises:
        UsageError: it cannot be understood.
    """
    try:
        import pg8000  # noqa: F401 - an extra
    except ImportError:
        raise UsageError("PostgreSQL needs pg8000, which is not installed", help="pip install -e '.[serve,postgres]'") from None
    try:
        split = urlsplit(url)
        port, given = split.port or 5432, dict(parse_qsl(split.query, strict_parsing=bool(split.query)))
    except ValueError:
        raise UsageError("the address of the store cannot be read", help=_EXAMPLE) from None
    unknown = next((name for name in given if name not in _OPTIONS), None)
    if unknown is not None or split.fragment:
        raise UsageError(f"`{unknown or '#'}` in the address of the store is not understood", help=f"only {', '.join(_OPTIONS)}")
    user = unquote(split.username or environ.get("PGUSER") or "")
    database = unquote(split.path.strip("/"))
    if not user or not database:
        raise UsageError("the address of the store names no user or no database", help=_EXAMPLE)
    socket = given.get("host", "")
    options: dict[str, Any] = {
        "user": user,
        "database": database,
        "password": unquote(split.password) if split.password else environ.get("PGPASSWORD") or None,
        "timeout": _TIMEOUT_SECONDS,
        "application_name": "agentgate",
    }
    if socket.startswith("/"):
        options["unix_sock"] = f"{socket}/.s.PGSQL.{port}"
    else:
        options |= {"host": socket or split.hostname or "localhost", "port": port}
        options["ssl_context"] = _tls(options["host"], given)
    return _shown(split, options, database), options


def _tls(host: str, given: Mapping[str, str]) -> ssl.SSLContext | None:
    """How the connection is kept secret: beyond this machine it always is, unless the operator says otherwise."""
    mode = given.get("sslmode", "disable" if is_loopback(host) else "verify-full")
    if mode not in ("disable", "verify-full"):
        raise UsageError(f"`sslmode={mode}` is not understood", help="verify-full, or disable")
    if mode == "disable":
        return None
    try:
        return ssl.create_default_context(cafile=given.get("sslrootcert"))
    except OSError as error:
        raise UsageError(f"`sslrootcert` cannot be read: {(error.strerror or str(error)).lower()}", help="a file of certificates") from None


def _shown(split: SplitResult, options: Mapping[str, Any], database: str) -> str:
    return f"postgresql://{options['user']}@{options.get('host', '')}/{database}"
