"""`search`: a pattern occurs somewhere in the argument, disguised or not."""

from collections.abc import Iterator, Mapping

from agentgate.core.conditions.test import InvalidOperand, Operator, Test, Unjudgeable, World, kind_of
from agentgate.core.events import Json
from agentgate.core.patterns import InvalidPattern, Pattern, unmasked
from agentgate.core.state import State

_WITHOUT_STRINGS = frozenset((int, bool, float, type(None)))


def strings(value: Json) -> Iterator[str]:
    """Every string in a value, however deep; the keys of objects too."""
    pending = [value]
    while pending:
        item = pending.pop()
        if type(item) is str:
            yield item
        elif isinstance(item, Mapping):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)


def strings_in(arguments: Mapping[str, Json]) -> list[str]:
    """Every string in the values of arguments, however deep, in the order of `strings`."""
    found: list[str] = []
    for value in reversed(list(arguments.values())):
        kind = type(value)
        if kind is str:
            found.append(value)
        elif kind not in _WITHOUT_STRINGS:
            found += strings(value)
    return found


def readings(value: Json) -> Iterator[str]:
    """Every string in a value as it stands, and as `unmasked` reads it where that is something else.

    Raises:
        Unjudgeable: the value is a number, a boolean or null, which has no strings to look in.
    """
    if not isinstance(value, str | Mapping | list | tuple):
        raise Unjudgeable(f"is {kind_of(value)}, not a string")
    for text in strings(value):
        yield text
        plain = unmasked(text)
        if plain != text:
            yield plain


def _compile(operand: Json) -> Test:
    try:
        pattern = Pattern(operand, "search")
    except InvalidPattern as error:
        raise InvalidOperand(f"RE2 cannot compile this pattern: {error}") from None

    def holds(value: Json, world: World, state: State) -> bool:
        if type(value) is str and value.isascii() and value.isprintable():  # nothing to unmask, as nearly always
            return pattern(value)
        return any(pattern(text) for text in readings(value))

    return Test(holds=holds, wanted=f"something that contains /{operand}/", pattern=pattern)


OPERATOR = Operator(
    key="search",
    summary="contains the pattern (RE2), looked for in every string below it, as it stands and again after NFKC normalisation without "
    "invisible characters",
    operand={"type": "string", "description": "An RE2 pattern that must occur somewhere; `(?i)` in front ignores case."},
    compile=_compile,
    example="(?i)\\b(drop|delete)\\b",
)
