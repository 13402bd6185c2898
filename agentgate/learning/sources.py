"""From where values may come: the fewest places that account for all of them, those that strangers write last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agentgate.core.conditions.seen_in import PROMPT

MOST_SOURCES = 6
"""More places than these explain nothing."""
MOST_FIELDS = 3
"""Fields that stand in for a whole result."""
MOSTLY = 0.5
"""Where so many values stood in closed sources, the others are a person's decision."""
_WORD = re.compile(r"[a-z]+|[A-Z][a-z]*|[0-9]+")
_OPEN = frozenset(
    {
        "browse",
        "browser",
        "crawl",
        "download",
        "email",
        "emails",
        "fetch",
        "http",
        "https",
        "inbox",
        "internet",
        "link",
        "mail",
        "news",
        "page",
        "pages",
        "reviews",
        "scrape",
        "site",
        "url",
        "web",
        "webpage",
        "website",
    }
)
"""Words in the names of tools whose results anybody can write."""
_SEARCHING = frozenset({"bing", "duckduckgo", "engine", "find", "google", "query", "search", "tool"})
"""Words of names that tell of a search and not in what: so it is the web."""
PROSE = frozenset(
    {
        "body",
        "comment",
        "content",
        "description",
        "details",
        "html",
        "message",
        "note",
        "notes",
        "review",
        "snippet",
        "subject",
        "summary",
        "text",
        "title",
    }
)
"""Names of fields that hold what somebody wrote."""


_READING = frozenset(
    {
        "calculate",
        "check",
        "count",
        "describe",
        "fetch",
        "find",
        "get",
        "list",
        "look",
        "lookup",
        "read",
        "search",
        "show",
        "think",
        "view",
        "query",
    }
)
"""First words of the names of tools that only look."""


_COMMANDS = frozenset({"bash", "cmd", "command", "commands", "exec", "shell", "terminal"})
"""Words in the names of tools and arguments that tell of shell commands."""
_INWARD = frozenset(
    {"commit", "draft", "escalate", "handoff", "human", "log", "memo", "memory", "note", "plan", "remember", "scratchpad", "todo"}
)
"""Words in the names of tools that write where nobody else reads."""


def words(name: str) -> list[str]:
    """The words that a name is made of, in small letters."""
    return [word.lower() for word in _WORD.findall(name)]


def is_reading(tool: str) -> bool:
    """Whether a tool only looks, as far as its name tells."""
    return bool(words(tool)) and words(tool)[0] in _READING


def is_inward(tool: str) -> bool:
    """Whether what a tool writes stays with those who work here, as far as its name tells."""
    return bool(_INWARD & set(words(tool)))


def is_command(tool: str, argument: str) -> bool:
    """Whether an argument is a shell command, as far as the names tell."""
    named = set(words(argument))
    return bool(_COMMANDS & named) or (bool(_COMMANDS & set(words(tool))) and not PROSE & named)


def exposure(source: str) -> int:
    """How easily a stranger puts a value there: 0 hardly, 1 as the field of an open tool, 2 in an open text."""
    tool, mark, field = source.partition("#")
    if mark and PROSE & set(words(field)):
        return 2
    named = set(words(tool))
    if _OPEN & named or (named <= _SEARCHING and "search" in named):
        return 1 if mark else 2
    return 0


def cover(needed: Iterable[frozenset[str]], against: Sequence[frozenset[str]] = ()) -> tuple[str, ...] | None:
    """Sources of which every value has at least one, the user's words always among them; None where there are none, or too many.

    Args:
        needed: the sources of each value that shall pass.
        against: those of values that shall not.
    """
    open_ = [sources for sources in needed if PROMPT not in sources]
    chosen = _greedy(open_, against)
    if chosen is None:
        return None
    for whole in [source for source in chosen if "#" not in source]:
        rest = [sources for sources in open_ if not any(other in sources for other in chosen if other != whole)]
        fields = _greedy([frozenset(source for source in sources if source.startswith(f"{whole}#")) for sources in rest], against)
        if fields is not None and len(fields) <= MOST_FIELDS:
            chosen = [source for source in chosen if source != whole] + fields
    return (PROMPT, *sorted(chosen)) if len(chosen) < MOST_SOURCES else None


def safely(needed: Sequence[frozenset[str]], against: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """The same values, as far as they stood where strangers do not write, and from where bad values came no more often than good ones.

    Where fewer than half of the values are left, nobody would call the others exceptions, and all of them are.
    """
    tainted = {
        source
        for source in {source for sources in against for source in sources} - {PROMPT}
        if sum(source in sources for sources in against) > sum(source in sources and PROMPT not in sources for sources in needed)
    }
    clean = [sources - tainted for sources in needed]
    closed, suspect = _closed(clean), _closed(needed)
    for kept in (
        closed,
        suspect,
        clean,
    ):  # what strangers write is believed last: runs that went wrong did right things from closed sources
        left = [sources for sources in kept if sources]
        if len(left) >= MOSTLY * len(kept):
            return left
    return list(needed)


def _closed(needed: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    return [frozenset(source for source in sources if exposure(source) == 0) for sources in needed]


def _greedy(needed: list[frozenset[str]], against: Sequence[frozenset[str]]) -> list[str] | None:
    chosen: list[str] = []
    while needed:
        candidates = {source for sources in needed for source in sources}
        if not all(needed) or len(chosen) > MOST_SOURCES:
            return None
        best = min(candidates, key=lambda source: _cost(source, needed, against))
        chosen.append(best)
        needed = [sources for sources in needed if best not in sources]
    return chosen


def _cost(source: str, needed: Sequence[frozenset[str]], against: Sequence[frozenset[str]]) -> tuple[int, int, int, bool, str]:
    harm = sum(source in sources for sources in against)
    use = sum(source in sources for sources in needed)
    return harm, exposure(source), -use, "#" not in source, source
