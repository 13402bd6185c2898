"""The newest events of a gateway, and those that come: none is left out, and none is told twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from msgspec.structs import replace

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json
from agentgate.errors import OutsideError, UsageError
from agentgate.gateway.books import Wanted
from agentgate.gateway.events_api import as_event
from agentgate.gateway.sql_books import SqlBooks

PAGE = 200
_MAX_PAGE = 256 * 1024 * 1024
_SECONDS = 30.0


class Source(Protocol):
    """Where events are."""

    def __call__(self, wanted: Wanted) -> list[dict[str, Json]]:
        """Those that are wanted, as the events API tells them, newest first."""
        ...


def tail(source: Source, wanted: Wanted, wait: Callable[[], bool] | None = None, *, page: int = PAGE) -> Iterator[dict[str, Json]]:
    """The newest events, the oldest of them first, and then those that come.

    Pages are told apart by events, not by times or places: what comes in while pages are read is newer than all of them, and has its turn
    in the next round.

    Args:
        source: where they are.
        wanted: which ones; its limit is how many of those that are there already. With `since`, all later ones.
        wait: waits a little before each look for new ones; False to end. None to end after those that are there.
        page: how many events are fetched at once.
    """
    known = _since(source, wanted, page) if wanted.since is not None else list(reversed(source(wanted)))
    yield from known
    latest = known[-1]["id"] if known else wanted.since
    while wait is not None and wait():
        # Where there was none yet, whatever is there now is new.
        known = _since(source, replace(wanted, since=latest), page)
        yield from known
        latest = known[-1]["id"] if known else latest


def _since(source: Source, wanted: Wanted, page: int) -> list[dict[str, Json]]:
    """All events after one, the oldest first."""
    found: list[dict[str, Json]] = []
    wanted = replace(wanted, limit=page, before=None)
    while True:
        more = source(wanted)
        found += more
        if len(more) < page:
            return found[::-1]
        wanted = replace(wanted, before=more[-1]["id"])


def of_store(books: SqlBooks) -> Source:
    """The events in a store."""
    return lambda wanted: [as_event(record) for record in books.records(wanted)]


def of_gateway(url: str, key: str | None) -> Source:
    """The events of a gateway that runs somewhere.

    Args:
        url: its address, with or without `/v1`.
        key: what opens its events.

    Returns:
        A source that raises OutsideError where there is no answer, and UsageError where the gateway refuses.
    """
    import httpx2

    where = url.rstrip("/").removesuffix("/v1") + "/v1/events"
    headers = {} if key is None else {"authorization": f"Bearer {key}"}

    def ask(wanted: Wanted) -> list[dict[str, Json]]:
        try:
            got = httpx2.get(where, params=_query(wanted), headers=headers, timeout=_SECONDS, trust_env=False)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise OutsideError(f"no gateway answers at `{where}`: {type(error).__name__}", help="name its address with --url") from None
        try:
            body = parse_json(got.content, limit=_MAX_PAGE)
        except InvalidJson:
            body = None
        if got.status_code in (400, 401, 403):
            raise UsageError(f"the gateway refuses: {_told(body)}", help="the key is that of AGENTGATE_EVENTS_KEY, or the clients'")
        events = body.get("events") if isinstance(body, dict) else None
        if got.status_code != 200 or not isinstance(events, list) or not all(_is_event(event) for event in events):
            raise OutsideError(f"what answers at `{where}` is no gateway (status {got.status_code})", help="name its address with --url")
        return events

    return ask


def _query(wanted: Wanted) -> dict[str, str]:
    given = {
        "limit": str(wanted.limit),
        "since": wanted.since,
        "before": wanted.before,
        "session": wanted.session,
        "result": wanted.result,
    }
    return {name: value for name, value in given.items() if value is not None}


def _told(body: Json) -> str:
    error = body.get("error") if isinstance(body, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else None
    return message if isinstance(message, str) else "no reason given"


def _is_event(event: Json) -> bool:
    return isinstance(event, Mapping) and isinstance(event.get("id"), str)
