"""Stores of a gateway among the transcripts of a command: in files, or in databases elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentgate.files.transcript import Damage, Transcript
    from agentgate.output.sink import Sink

_ELSEWHERE = ("postgresql://", "postgres://")


def is_elsewhere(path: str) -> bool:
    """Whether it is the address of a database, and not a file."""
    return path.startswith(_ELSEWHERE)


def read_elsewhere(url: str, damaged: list[Damage], err: Sink) -> Iterator[Transcript]:
    """The runs of a store in a database elsewhere; what cannot be read is kept, and named on the way.

    Raises:
        UsageError: the address cannot be understood.
        OutsideError: there is no such database.
    """
    from agentgate.files.gateway_store import left_out, read_lines
    from agentgate.files.transcript import Damage
    from agentgate.gateway.postgres import PostgresDatabase
    from agentgate.output.safe import safe

    database = PostgresDatabase(url, os.environ, make=False)
    try:
        _say(left_out(database.rows), database.shown, err)
        for found in read_lines(database.rows, database.shown):
            if isinstance(found, Damage):
                damaged.append(found)
                err.write(f"damaged: {safe(str(found))}\n")
            else:
                yield found
    finally:
        database.close()


def say_left_out(files: Iterable[str], err: Sink) -> None:
    """A run without its beginning cannot be judged again, and nobody shall think that it was."""
    from agentgate.files.gateway_store import left_out_of

    for file in files:
        _say(left_out_of(file), file, err)


def _say(left_out: int, name: str, err: Sink) -> None:
    if left_out:
        from agentgate.output.plural import plural
        from agentgate.output.safe import safe

        err.write(f"note: {safe(name)}: {plural(left_out, 'run')} left out, whose first events were removed, as by `--keep-events`\n")
