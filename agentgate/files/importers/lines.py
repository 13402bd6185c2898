"""The lines of a file that is one session, or many at once, for importers that take the whole of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import Json
from agentgate.files.transcript import Damage
from agentgate.files.transcript_chain import not_json, parse_line


def parsed(lines: Iterable[tuple[int, bytes]], file: str) -> Iterator[tuple[int, Json]]:
    """The values of the lines; a Damage in the place of one that is not JSON."""
    for number, line in lines:
        try:
            yield number, parse_line(line)
        except InvalidJson as error:
            yield number, Damage(file, number, not_json(error, line))
