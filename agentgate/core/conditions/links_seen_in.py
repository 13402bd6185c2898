"""`links_seen_in`: every web address in the argument was said before, by the user or by one of some tools."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import re2

from agentgate.core.conditions.search import readings
from agentgate.core.conditions.seen_in import MAX_LENGTH, MIN_LENGTH, Sources, occurs, sources_of
from agentgate.core.conditions.test import Operator, Test, Unjudgeable, World
from agentgate.core.events import Json
from agentgate.core.patterns import compile_pattern
from agentgate.core.state import State

_WORD = r"[^\s<>\"`|]+"
_LINK = r"(?i)[a-z][a-z0-9+.-]*:(?://|\\)|\bwww\.|\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}[:/]"
_DOMAIN = r"(?:[\pL\pN_-]+\.)+(\pL{2,}|(?i:xn--)[A-Za-z0-9-]+)"
_AROUND = "().,;:!?*_~[]{}'’”»…"
"""What ends a sentence or a mark-up around a link, rather than the link."""


@lru_cache(maxsize=1)
def _patterns() -> tuple[re2._Regexp, ...]:
    """What tells words, links and domains. Made when a link is looked for: all letters there are make large automata."""
    return tuple(compile_pattern(pattern) for pattern in (_WORD, _LINK, _DOMAIN))


@lru_cache(maxsize=1)
def _top_level_domains() -> frozenset[str]:
    """The names that a domain can end in, in capitals: the list of IANA as `linkify-it-py` has it."""
    from linkify_it.tlds import TLDS  # type: ignore[import-untyped]  # a list of strings without annotations

    return frozenset(TLDS)


def links(text: str) -> Iterator[str]:
    """The web addresses in a text: what has a scheme and `//`, begins with `www.`, or has the name of a domain that can exist.

    One begins where it begins and goes on to the next space or quotation mark; marks of a sentence are taken off its end. So no part
    of an address can hide behind a mark in it.
    """
    words, link, domain = _patterns()
    for word in words.findall(text):
        starts = [match.start() for match in (link.search(word),) if match is not None]
        starts += [match.start() for match in domain.finditer(word) if _is_address(word, match.start(), match.end(), match[1])]
        if starts:
            yield word[min(starts) :].rstrip(_AROUND)


def _is_address(word: str, start: int, end: int, top: str) -> bool:
    """Whether a name with dots is the address of a site; the part of a mail address after the `@` is not, nor the name of a file."""
    if top.upper() not in _top_level_domains():
        return False
    return not (start and word[start - 1] == "@" and word[end : end + 1] not in ("/", ":", "?", "#"))


def _compile(operand: Json) -> Test:
    written = [operand] if isinstance(operand, str) else list(operand)
    sources: Sources = sources_of(written)

    def holds(value: Json, world: World, state: State) -> bool:
        for text in readings(value):
            for link in links(text):
                if not MIN_LENGTH <= len(link) <= MAX_LENGTH:
                    raise Unjudgeable("carries a link of an odd length")
                if not occurs(link, sources, state):
                    return False
        return True

    return Test(holds=holds, wanted="a text whose links all occur in " + (" or ".join(written) or "nothing"), asks_state=True)


OPERATOR = Operator(
    key="links_seen_in",
    summary="carries no web address, or only such as occur in the `prompt` or in a result of the listed tools, of this run",
    operand={
        "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}],
        "description": "`prompt`, tool names, patterns with `*` and `@groups`, each tool also as `TOOL#FIELD`: where links may come from.",
    },
    compile=_compile,
    example=["prompt", "read_messages"],
    names_tools=True,
    details="""Phishing and leaks travel as links. A link is what has a scheme and `//`, what begins with `www.`, and every name with dots
that ends like a domain that exists (`example.com`, `readme.md` too), alone or with a path; mail addresses are none. It goes on to
the next space or quotation mark, without the full stop, bracket or asterisks at its end. The text is read as it stands and again
after NFKC normalisation without invisible characters, in every string below the argument. Each link must occur as `seen_in` says.""",
)
