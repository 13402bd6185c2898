"""`agentgate events`: what a gateway decided, as it decides."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentgate.cli.commands import Command, Group
from agentgate.cli.options import State
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.gateway.tail import Source
    from agentgate.output.sink import Sink

app = typer.Typer(
    name="events",
    cls=Group,
    help="What a gateway decided.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_SECONDS = 0.5
"""How often new events are looked for."""


class Result(StrEnum):
    """What became of a call."""

    ALLOWED = "allowed"
    BLOCKED = "blocked"
    ASKED = "asked"


class EventFormat(StrEnum):
    """How events are shown."""

    TABLE = "table"
    JSON = "json"


@app.callback()
def _events() -> None:
    """Keeps `tail` a command of its own."""


@app.command("tail", cls=Command)
def tail(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come, until Ctrl-C.")] = False,
    url: Annotated[str | None, typer.Option("--url", help="Ask a gateway at this address, not a store.", metavar="URL")] = None,
    store: Annotated[str | None, typer.Option("--store", help="Its database.", envvar="AGENTGATE_STORE", metavar="PATH|URL")] = None,
    state: State = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=1000, help="How many of those that are there.", metavar="N")] = 10,
    since: Annotated[str | None, typer.Option("--since", help="All after this event or time.", metavar="ID|TIME")] = None,
    result: Annotated[Result | None, typer.Option("--result", help="Only answers with such a call.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="Only this session.", metavar="ID")] = None,
    format: Annotated[EventFormat, typer.Option("--format", help="json: one event a line, as the API tells it.")] = EventFormat.TABLE,
) -> None:
    """Prints the newest events of a gateway, the oldest of them first.

    A gateway that is asked with --url wants the key in AGENTGATE_EVENTS_KEY.
    """
    from agentgate.gateway.envelope import BadRequest
    from agentgate.gateway.events_api import wanted
    from agentgate.gateway.tail import tail as events
    from agentgate.output.sink import Sink

    asked = {"limit": str(lines), "since": since, "session": session, "result": None if result is None else result.value}
    try:
        query = wanted({name: value for name, value in asked.items() if value is not None})
    except BadRequest as error:
        raise UsageError(str(error).replace("`since`", "`--since`")) from None
    show = _json if format is EventFormat.JSON else _table
    out = Sink(sys.stdout)
    try:
        with _source(url, store, state) as source:
            for event in events(source, query, _wait(out) if follow else None):
                out.write(show(event))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    out.check()


def _wait(out: Sink) -> Callable[[], bool]:
    def wait() -> bool:
        if not out.silenced:
            time.sleep(_SECONDS)
        return not out.silenced

    return wait


@contextmanager
def _source(url: str | None, store: str | None, state: str | None) -> Iterator[Source]:
    from agentgate.clock import steady_clock
    from agentgate.files.state_folder import DEFAULT, StateFolder
    from agentgate.gateway.store import opened
    from agentgate.gateway.tail import of_gateway, of_store

    if url is not None:
        yield of_gateway(url, os.environ.get("AGENTGATE_EVENTS_KEY") or None)
        return
    with opened(store or StateFolder(state or DEFAULT).gateway, steady_clock()) as books:
        yield of_store(books)


def _json(event: Mapping[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=True) + "\n"


def _on_trial(told: Mapping[str, Any]) -> list[str]:
    return [f"           on trial {trial.get('policy')} would {trial.get('action')}" for trial in told.get("trials") or ()]


def _table(event: Mapping[str, Any]) -> str:
    """A line for the answer, one for each of its calls, and one for each result that was kept back before it."""
    from agentgate.output.safe import safe

    fate = "released" if event.get("released") else "withheld"
    about = f"{event.get('session') or '-'}  {event.get('model')}"
    shown = [f"{str(event.get('at'))[:19].replace('T', ' ')}  {fate}  {event['id']}  {about}"]
    calls, decisions = event.get("tool_calls") or (), event.get("policy_decisions") or ()
    for call, decision in zip(calls, decisions, strict=False):
        allowed = call["policy_result"] == Result.ALLOWED
        word = f"{'' if allowed or decision.get('enforced') else 'would be '}{call['policy_result']}"
        shown.append(f"  {word:<8} {call.get('name')} {call.get('arguments')}")
        if not allowed:
            shown.append(f"           {decision.get('policy')}: {decision.get('reason')}")
        if decision.get("approval"):
            shown.append(f"           {decision['approval'].get('answer')} by {decision['approval'].get('by')}")
        shown += _on_trial(decision)
    for decision in decisions[len(calls) :]:
        shown.append(f"  {'' if decision.get('enforced') else 'would be '}refused  {decision.get('policy')}: {decision.get('reason')}")
    for result in event.get("tool_results") or ():
        kept_back = "" if result.get("enforced") else "would be "
        if result.get("code") is not None:
            shown.append(f"  {kept_back}{result['code']}  {result.get('tool_call_id')} ({result.get('rule') or 'cannot be judged'})")
        else:
            shown.append(f"  result of {result.get('tool_call_id')}")
        shown += _on_trial(result)
    return "".join(f"{safe(line)}\n" for line in shown)
