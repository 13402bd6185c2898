"""A PostgreSQL database as the store of several gateways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentgate.clock import steady_clock
from agentgate.errors import OutsideError, UsageError
from agentgate.files.gateway_store import left_out
from agentgate.gateway.books import Keeping, Wanted
from agentgate.gateway.postgres import PostgresDatabase
from agentgate.gateway.sql_books import SqlBooks
from agentgate.gateway.store import open_books
from agentgate.gateway.tail import of_store, tail
from tests.cli.program import Program
from tests.core.building import limit, policy, rule
from tests.gateway.postgres_server import PostgresServer, postgres_server
from tests.gateway.serving import KEY, Served
from tests.gateway.test_windows import HOURLY, READ, at_once, per_hour
from tests.scripted_server import ScriptedServer, call, chat

READER = {"AGENTGATE_EVENTS_KEY": KEY}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def url(server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """A fresh database."""
    name = request.node.name[:60].lower()
    database = PostgresDatabase(server.url(), {})
    database.rows(f'CREATE DATABASE "{name}"')
    database.close()
    return server.url(name)


def test_two_hosts_share_a_session(tmp_path: Path, url: str) -> None:
    """Its limits and its past; and it survives a restart."""
    on = policy(rule("allow", ["read", "send"]), rule("block", "send", id="no-leak", after=("read",)), limit("tool_calls", 3))
    answers = [chat(calls=[call(name, id=f"c{number}")]) for number, name in enumerate(["read", "send", "read", "read", "read"])]
    with ScriptedServer(*answers) as upstream:
        with Served(tmp_path, upstream, on, store=url) as one, Served(tmp_path, upstream, on, store=url) as other:
            assert one.ask(session="a").status == 200
            result = {"role": "tool", "tool_call_id": "c0", "content": "secret"}
            assert other.ask(session="a", messages=[{"role": "user", "content": "x"}, result]).error["policy"] == "no-leak"
            assert one.ask(session="a").status == 200
        with Served(tmp_path, upstream, on, store=url) as again:
            assert [again.ask(session="a").status for _ in range(2)] == [200, 409]


@pytest.mark.parametrize("session", [None, "a"])
def test_parallel_requests_of_two_hosts_never_pass_a_limit(tmp_path: Path, url: str, session: str | None) -> None:
    """Twenty at once, and exactly three calls are released: over time as well as within a session."""
    on = HOURLY if session is None else policy(rule("allow", "read"), limit("tool_calls", 3))
    answers = [chat(calls=[call("read", id=f"c{number}")]) for number in range(20)]
    with (
        ScriptedServer(*answers) as upstream,
        Served(tmp_path, upstream, on, store=url) as one,
        Served(tmp_path, upstream, on, store=url) as other,
    ):
        asks = [lambda gateway=gateway: gateway.ask(session=session) for gateway in (one, other) for _ in range(10)]
        assert at_once(asks) == [200] * 3 + [409] * 17


def test_a_person_answers_a_question(tmp_path: Path, url: str) -> None:
    """From anywhere; the answer counts once."""
    answers = [chat(calls=[call("send", id=f"c{number}")]) for number in range(3)]
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream, store=url) as gateway:
        id = gateway.ask().error["approval"]
        books = open_books(url, steady_clock())
        assert [question.id for question in books.questions()] == [id]
        assert books.answer(id, approve=True, by="anna", note="a\0b") is not None
        assert books.answer(id, approve=True, by="anna", note=None) is None
        books.close()
        assert [gateway.ask().status for _ in range(2)] == [200, 409]


def test_events_are_told_and_found(tmp_path: Path, url: str) -> None:
    """With every filter, by the gateway and from the database; what a client writes into a query harms nobody."""
    with ScriptedServer(READ, chat(calls=[call("delete")])) as upstream, Served(tmp_path, upstream, environ=READER, store=url) as gateway:
        assert [gateway.ask(session=name).status for name in "ab"] == [200, 409]
        assert [event["session"] for event in gateway.events()] == ["b", "a"]
        assert [event["session"] for event in gateway.events("?result=blocked")] == ["b"]
        assert [event["session"] for event in gateway.events("?session=a&since=2026-01-01T00:00:00Z")] == ["a"]
        assert gateway.events("?session=%00") == gateway.events("?since=evt_%00x") == []
    books = open_books(url, steady_clock())
    told = [event["session"] for event in tail(of_store(books), Wanted(), page=1)]
    books.close()
    assert told == ["a", "b"]


def test_the_chain_is_verified(tmp_path: Path, url: str) -> None:
    """In the words of a transcript, without the password; a change is found."""
    with ScriptedServer(READ, READ) as upstream, Served(tmp_path, upstream, store=url) as gateway:
        assert [gateway.ask(session="a").status, gateway.ask(session="b").status] == [200, 200]
    program = Program(tmp_path)
    done = program.agentgate("audit", "verify", url)
    assert done.code == 0, done.said
    assert done.out.splitlines()[0].endswith(": ok, 2 events, 2 runs")
    database = PostgresDatabase(url, {})
    database.change("UPDATE answers SET session = 'c' WHERE seq = 1")
    database.close()
    assert program.agentgate("audit", "verify", url).code == 1
    assert program.agentgate("events", "tail", "--store", url, "--session", "b").code == 0
    assert program.agentgate("events", "tail", "--store", url.replace("/test", "/none")).code == 3


def test_its_events_are_replayed(tmp_path: Path, url: str) -> None:
    """Under another policy; a run whose first events were removed is counted, and what is damaged is named."""
    answers = [chat(calls=[call("read", id=f"c{n}")]) for n in range(3)]
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream, store=url) as gateway:
        assert [gateway.ask(session=name).status for name in "aab"] == [200] * 3
    (tmp_path / "new.yaml").write_text("version: 1\nrules: [{id: no-reading, block: read}]\ndefault: allow\n")
    program = Program(tmp_path)
    done = program.agentgate("replay", url, "--policy", "new.yaml", "--fail-on", "newly-blocked")
    assert (done.code, "Replayed 3 calls from 2 runs" in done.out) == (1, True), done.said
    database = PostgresDatabase(url, {})
    database.change("INSERT INTO removed (one, seq, hash) SELECT 1, seq, hash FROM answers WHERE seq = 1")
    database.change("DELETE FROM answers WHERE seq = 1")
    database.change("UPDATE answers SET line = 'x' WHERE seq = 3")
    database.close()
    done = program.agentgate("replay", url, "--policy", "new.yaml")
    assert (done.code, "1 run left out" in done.said, "not a record of a gateway" in done.said) == (1, True, True), done.said
    assert program.agentgate("replay", url.replace("/test", "/none"), "--policy", "new.yaml").code == 3


def test_questions_are_answered_from_the_command_line(tmp_path: Path, url: str) -> None:
    """By the address of the database."""
    with (
        ScriptedServer(*[chat(calls=[call("send", id=f"c{n}")]) for n in range(2)]) as upstream,
        Served(tmp_path, upstream, store=url) as gateway,
    ):
        id = gateway.ask().error["approval"]
        program = Program(tmp_path)
        assert id in program.agentgate("approvals", "list", "--store", url).out
        assert program.agentgate("approvals", "approve", id, "--store", url).code == 0
        assert gateway.ask().status == 200


def test_what_a_model_calls_its_calls(tmp_path: Path, url: str) -> None:
    """Ids that the database cannot keep as they are count as well as others."""
    on = policy(rule("allow", "read"), per_hour("tool_calls", 3))
    answers = [chat(calls=[call("read", id="a\0"), call("read", id="a\ufffd")]), READ, READ]
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream, on, store=url) as gateway:
        assert [gateway.ask().status for _ in range(3)] == [200, 200, 409]


def test_old_events_are_removed(tmp_path: Path, url: str) -> None:
    """And the chain holds from where it begins then."""
    with ScriptedServer(READ, READ, READ) as upstream, Served(tmp_path, upstream, store=url) as gateway:
        assert [gateway.ask().status for _ in range(3)] == [200] * 3
    later = SqlBooks(PostgresDatabase(url, {}), lambda: steady_clock()() + timedelta(days=9), Keeping(events=timedelta(days=8)))
    later.begin()
    assert not later.tidy()
    later.end()
    assert len(later.records(Wanted())) == 1
    later.close()
    done = Program(tmp_path).agentgate("audit", "verify", url)
    assert (done.code, "the first 2 events were removed" in done.out) == (0, True), done.said


def test_a_refused_request_is_told_and_no_run_without_a_beginning(tmp_path: Path, url: str) -> None:
    """As in a file: its event is found, and where older ones were removed, its session is not taken for a part of one."""
    with (
        ScriptedServer() as upstream,
        Served(tmp_path, upstream, policy(limit("steps", 0)), store=url, environ=READER) as gateway,
    ):
        assert gateway.ask(session="a").status == 409
        assert [event["error"]["policy"] for event in gateway.events("?result=blocked&session=a")] == ["limits.steps"]
    database = PostgresDatabase(url, {})
    database.change("INSERT INTO removed (one, seq, hash) VALUES (1, 1, 'x')")
    assert left_out(database.rows) == 0
    database.close()


def test_a_database_that_goes_away_lets_nothing_through(tmp_path: Path) -> None:
    """And everything goes on where it stopped once it is back."""
    with (
        postgres_server() as server,
        ScriptedServer(*[READ] * 4) as upstream,
        Served(tmp_path, upstream, HOURLY, store=server.url()) as gateway,
    ):
        assert gateway.ask(session="a").status == 200
        server.stop()
        assert gateway.ask(session="b").status == 503
        server.start()
        assert gateway.ask(session="b").status == 200


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://db.example.com/x", "no user"),
        ("postgresql://u:secret@db.example.com/", "no database"),
        ("postgresql://u@localhost/x?sslmode=prefer", "sslmode=prefer"),
        ("postgresql://u@localhost/x?options=-c", "`options`"),
        ("postgresql://u@localhost:port/x", "cannot be read"),
        ("postgresql://u@db/x?sslrootcert=/nowhere/at/all", "sslrootcert"),
    ],
    ids=["user", "database", "sslmode", "option", "port", "certificate"],
)
def test_an_address_that_is_none(address: str, told: str) -> None:
    """Is wrong usage."""
    with pytest.raises(UsageError, match=told) as error:
        PostgresDatabase(address, {})
    assert "secret" not in str(error.value)


def test_no_database_there(server: PostgresServer) -> None:
    """Is something outside that failed; the password is not told."""
    opened: list[Callable[[], object]] = [
        lambda: PostgresDatabase("postgresql://u:secret@127.0.0.1:1/x", {}),
        lambda: PostgresDatabase(server.url("none"), {"PGPASSWORD": "secret"}),
    ]
    for open in opened:
        with pytest.raises(OutsideError) as error:
            open()
        assert "secret" not in error.value.message
