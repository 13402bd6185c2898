"""Which environment variables hold secrets, and every spelling in which the value of one is looked for."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

MIN_LENGTH = 8
"""Characters of a value; shorter ones occur in ordinary text."""
_SECRET = re.compile(r"(?i)KEY(?:S|_ID)?(?:_|\d|$)|TOKEN|SECRET|PASSW(?:OR)?D|PASSPHRASE|CREDENTIAL|(?:^|_)(?:PASS|AUTH|PAT|DSN)(?:_|$)")
_NOT = re.compile(r"(?i)_(?:FILE|PATH|DIR|FOLDER|SOCK|NAME|TYPE)$")
_IN_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@]*:([^\s/?#]+)@")


def known_secrets(environ: Mapping[str, str], named: Iterable[str] = ()) -> dict[str, str]:
    """The variables whose values must not reach a record: name → value.

    A variable holds a secret where its name says so (`KEY`, `TOKEN`, `SECRET`, `PASSWORD`, `CREDENTIAL` …, and not that it is a file, a
    path or a name), where somebody names it, or where its value is a URL with a password, which then is the secret.

    Args:
        environ: the environment.
        named: variables that hold secrets whatever they are called: the model's `api_key_env`, those that tools ask for.
    """
    always = frozenset(named)
    found: dict[str, str] = {}
    for name, value in environ.items():
        in_url = _IN_URL.match(value)
        if name in always or (_SECRET.search(name) is not None and _NOT.search(name) is None):
            found[name] = value
        elif in_url is not None:
            found[name] = in_url.group(1)
    return {name: value for name, value in found.items() if len(value) >= MIN_LENGTH}


def spellings(value: str) -> set[str]:
    """A value as it stands, JSON-escaped, URL-encoded and in base64, also in base64 of something that holds it."""
    value = value.encode("utf-8", "replace").decode()
    ascii, plain = json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]
    urls = {quote(value, safe=""), quote(value), quote_plus(value)}
    found = {value, value.strip(), ascii, plain, ascii.replace("/", "\\/"), plain.replace("/", "\\/"), *urls}
    found |= {re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), url) for url in urls}
    data = value.encode()
    for offset in range(3):
        code = base64.b64encode(b"\0" * offset + data).decode()
        if offset == 0:
            found |= {code, code.replace("+", "-").replace("/", "_")}
        # What does not depend on the bytes before and behind it.
        core = code[(0, 2, 3)[offset] : (offset + len(data)) * 8 // 6]
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return {one for one in found if len(one) >= MIN_LENGTH}


class Secrets:
    """The spellings of all known secrets, ready to be looked for."""

    __slots__ = ("_literals",)

    def __init__(self, known: Mapping[str, str]) -> None:
        """Takes name → value; where two variables have the same value, the first name stands for it."""
        literals: dict[str, str] = {}
        for name, value in known.items():
            if len(value) >= MIN_LENGTH:
                for one in spellings(value):
                    literals.setdefault(one, name)
        self._literals = tuple(literals.items())

    def __bool__(self) -> bool:
        return bool(self._literals)

    def within(self, text: str) -> bool:
        """Whether one of them occurs."""
        return any(literal in text for literal, _ in self._literals)

    def spans(self, text: str) -> list[tuple[int, int, str]]:
        """Where they occur: start, end, name of the variable. May overlap."""
        found: list[tuple[int, int, str]] = []
        for literal, name in self._literals:
            start = text.find(literal)
            while start >= 0:
                found.append((start, start + len(literal), name))
                start = text.find(literal, start + len(literal))
        return found
