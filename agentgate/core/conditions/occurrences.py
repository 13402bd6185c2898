"""Whether a value stands in a text by itself, and not as part of something longer."""

from collections.abc import Iterator
from decimal import Decimal

from agentgate.core.late import late

_BEFORE = late(r"""[\s"'‘’“”„«»`(\[{<>,;|*#，。；：、「『（【—–]""")
_AFTER = late(r"""[\s"‘“”„«»`)\]}<>,;|*!?，。；：、」』）】！？—–…]|['’](?:s\b)?(?!\w)|[.:]+(?=[\s"'’”»`)\]}<>*]|\Z)""")
_NUMBER = late(r"[-+]?[0-9][0-9.,]*")
_PLAIN = late(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_GROUPED = late(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_AMBIGUOUS = late(r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}")
_BEFORE_NUMBER = late(r"""[$€£¥]""")
_AFTER_NUMBER = late(r"""[$€£¥%]""")
_URL = late(r"[^\s\"'<>`]+")
MAX_DIGITS = 40


def stands_in(value: str, text: str) -> bool:
    """Whether a string stands in a text, letter by letter, with nothing before or after it that would make it part of something longer.

    Inside a URL only the URL as a whole counts.
    """
    place = text.find(value)
    if place < 0:
        return False
    links = [] if "://" in value else [match.span() for match in _URL.finditer(text) if "://" in match.group()]
    current = 0
    while place >= 0:
        end = place + len(value)
        while current < len(links) and links[current][1] <= place:
            current += 1
        inside = current < len(links) and links[current][0] < end
        if not inside and _free_before(text, place) and (end == len(text) or _AFTER.match(text, end) is not None):
            return True
        place = text.find(value, place + 1)
    return False


def _free_before(text: str, place: int) -> bool:
    """Whether what begins here begins by itself: after a sign that separates, or as the value of `name=` or `name:`."""
    if place == 0:
        return True
    sign = text[place - 1]
    if sign in "=:":
        return place > 1 and (text[place - 2].isalpha() or text[place - 2] in "_ \"'")
    if sign in ",;'’" and place > 1 and place < len(text) and text[place - 2].isalnum() and text[place].isalnum():
        return sign in ",;" and not (text[place - 2].isdigit() and text[place].isdigit())
    return _BEFORE.match(sign) is not None


def numbers_in(text: str) -> Iterator[Decimal]:
    """The numbers that stand in a text by themselves: `1234.5`, `1,234.50`, `-3`, `$50`, `20%`, `id=7`.

    What could be two numbers is none: `1.234` (a thousand, or a little over one), `10-20`, `12:30`, dates, versions.
    """
    for match in _NUMBER.finditer(text):
        start = match.start()
        written = match.group().rstrip(".,")
        end = start + len(written)
        if len(written) > MAX_DIGITS or _AMBIGUOUS.fullmatch(written):
            continue
        if not (_PLAIN.fullmatch(written) or _GROUPED.fullmatch(written)):
            continue
        before = _free_before(text, start) or _BEFORE_NUMBER.match(text[start - 1]) is not None
        after = end == len(text) or _AFTER.match(text, end) or _AFTER_NUMBER.match(text, end)
        if before and after:
            yield Decimal(written.replace(",", ""))
