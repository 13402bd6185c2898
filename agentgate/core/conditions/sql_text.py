"""SQL as text: only what every dialect splits into the same tokens is let through to the parser."""

from agentgate.core.conditions.test import Unjudgeable
from agentgate.core.late import late

MAX_LENGTH = 10_000
"""Characters; the parser is slow and works by recursion."""
MAX_DEPTH = 12
"""Parentheses and CASEs within each other."""
_TOKEN = late(
    r"""(?P<space>[ \t\r\n]+)|'(?P<string>(?:[^'\\]|'')*)'(?!')|["`](?P<name>[A-Za-z0-9_ ]+)["`]|\[(?P<bracket>[A-Za-z0-9_ ]+)\]"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?!['"`$#@])|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.'"`$#@])"""
    r"""|(?P<sign>!=|::|\|\||[-+*/%<>=(),.;])"""
)
_COMMENT = late(r"--|/\*|\*/")
_LETTER_LIKE = range(0x2B0, 0x300)
"""Modifier letters: some drivers turn them into quotes on their way to the server."""
_PUNCTUATION = frozenset("–—…€£¥§°«»„“”·¿¡×÷•")
_ASCII = late(r"[\t\r\n -~]*")


def tokens(sql: str) -> list[str]:
    """The words, names, numbers and signs of a statement in lower case, without its strings.

    Raises:
        Unjudgeable: dialects would split it differently, it has comments, or it is more than one statement.
    """
    found: list[str] = []
    place = depth = 0
    while place < len(sql):
        token = _TOKEN.match(sql, place)
        if token is None:
            raise Unjudgeable(f"has `{sql[place]}` where SQL that all dialects read alike has none")
        if token["string"] is not None:
            _check_string(token["string"])
        elif token["space"] is None:
            text = (token["name"] or token["bracket"] or token.group()).lower()
            depth += (text in ("(", "case")) - (text in (")", "end"))
            if depth > MAX_DEPTH:
                raise Unjudgeable(f"is nested deeper than {MAX_DEPTH} levels")
            if token["sign"] and place and _COMMENT.match(sql[place - 1 : place + 1]):
                raise Unjudgeable("contains a comment")
            found.append(text)
        place = token.end()
    while found and found[-1] == ";":
        found.pop()
    if ";" in found:
        raise Unjudgeable("is more than one statement")
    return found


def _check_string(text: str) -> None:
    """Refuses in a string what could end it elsewhere."""
    if _ASCII.fullmatch(text):
        return
    for character in text:
        plain = character in "\t\r\n" or " " <= character <= "~" or character in _PUNCTUATION
        if not plain and (not character.isalnum() or ord(character) in _LETTER_LIKE):
            raise Unjudgeable(f"has U+{ord(character):04X} in a string")
