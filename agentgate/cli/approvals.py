"""`agentgate approvals`: the questions of a gateway that wait for a person."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.commands import Command, Group
from agentgate.cli.options import State
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from agentgate.gateway.sql_books import SqlBooks

app = typer.Typer(
    cls=Group,
    name="approvals",
    help="Calls that a gateway holds back until a person has decided.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Store = Annotated[str | None, typer.Option("--store", help="The gateway's database.", envvar="AGENTGATE_STORE", metavar="PATH|URL")]
_Id = Annotated[str, typer.Argument(help="The id of the question.", metavar="ID")]
_Note = Annotated[str | None, typer.Option("--note", help="Why; it is recorded.", metavar="TEXT")]


@app.command("list", cls=Command)
def list_questions(
    store: _Store = None,
    state: State = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object a question.")] = False,
    all: Annotated[bool, typer.Option("--all", help="Answered and old ones too.")] = False,
) -> None:
    """Lists the questions, the oldest first."""
    from agentgate.gateway.events_api import as_question
    from agentgate.output.safe import safe

    with _books(store, state) as books:
        found = books.questions(open_only=not all)
    for question in found:
        if as_json:
            print(json.dumps(as_question(question)))
            continue
        told = f"{question.tool} {question.arguments}"
        print(f"{question.id}  {question.state:<8}  {question.at:%Y-%m-%d %H:%M}  {safe(question.session or '-')}  {safe(told)}")
        print(f"    {safe(question.reason)} ({safe(question.rule or 'default')})")
    if not found and not as_json:
        sys.stderr.write("no question is open\n")


@app.command("approve", cls=Command)
def approve(id: _Id, store: _Store = None, state: State = None, note: _Note = None) -> None:
    """Approves a call: proposed again with exactly the same arguments, it passes once."""
    _answer(id, store, state, note, approve=True)


@app.command("reject", cls=Command)
def reject(id: _Id, store: _Store = None, state: State = None, note: _Note = None) -> None:
    """Rejects a call: proposed again, it is blocked."""
    _answer(id, store, state, note, approve=False)


def _answer(id: str, store: str | None, state: str | None, note: str | None, *, approve: bool) -> None:
    from agentgate.cli.person import who
    from agentgate.output.safe import safe

    with _books(store, state) as books:
        found = books.answer(id, approve=approve, by=who(), note=note)
    if found is None:
        raise UsageError(f"there is no open question `{id}`", help="`agentgate approvals list` shows them")
    print(f"{found.state}  {safe(found.tool)} {safe(found.arguments)}")


def _books(store: str | None, state: str | None) -> AbstractContextManager[SqlBooks]:
    from agentgate.clock import steady_clock
    from agentgate.files.state_folder import DEFAULT, StateFolder
    from agentgate.gateway.store import opened

    return opened(store or StateFolder(state or DEFAULT).gateway, steady_clock())
