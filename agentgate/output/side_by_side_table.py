"""Several policies on the same traffic, one column each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agentgate.core.events import Effect
from agentgate.output.calls import calls_text
from agentgate.output.columns import fit, pad, wrap
from agentgate.output.plural import plural
from agentgate.output.safe import safe

if TYPE_CHECKING:
    from agentgate.side_by_side import SideBySide

_ORDER = (Effect.ALLOW, Effect.ASK, Effect.BLOCK)
_COLUMN = 22
_MOST = 20
_LONGEST_VALUE = 40
_SET_IN = 6


def side_by_side_lines(found: SideBySide, seconds: float, *, width: int | None, ascii: bool) -> Iterator[str]:
    """The whole of it, in lines that are safe to show.

    Args:
        found: what the policies decided.
        seconds: how long it took.
        width: cells of a line, at most; None for lines of any length.
        ascii: whether nothing beyond ASCII may be written.
    """
    runs = plural(found.transcripts, "run")
    yield f"Replayed {plural(found.calls, 'call')} from {runs} in {seconds:.2f} s. No model was called, nothing was executed."
    yield ""
    names = [fit(safe(policy.name, ascii=ascii), _COLUMN - 2, ascii=ascii) for policy in found.policies]
    yield " " * 8 + "".join(pad(name, _COLUMN) for name in names).rstrip()
    for effect in _ORDER:
        yield f"  {effect.value:<6}" + "".join(f"{counter[effect]:<{_COLUMN},}" for counter in found.effects).rstrip()
    yield ""
    if not found.differing:
        yield "All of them decide every call alike."
        return
    yield f"DIFFERENT  {plural(found.differing, 'call')}"
    ordered = sorted(found.differences.values(), key=lambda difference: (-difference.alike.count, str(difference.example.tool)))
    for difference in ordered[:_MOST]:
        called = calls_text(difference.example.tool, difference.alike, longest=_LONGEST_VALUE, ascii=ascii)
        yield from _wrapped(f"  {called}   {plural(difference.alike.count, 'call')}", width)
        cells = (f"{effect.value} {rule}" for effect, rule in zip(difference.effects, difference.rules, strict=True))
        yield " " * 8 + "".join(pad(fit(safe(cell, ascii=ascii), _COLUMN - 2, ascii=ascii), _COLUMN) for cell in cells).rstrip()
    if len(ordered) > _MOST:
        yield f"  and {plural(len(ordered) - _MOST, 'more group')}"


def _wrapped(text: str, width: int | None) -> Iterator[str]:
    if width is None:
        yield text
        return
    first, *rest = wrap(text, width)
    yield first.rstrip()
    for line in wrap("".join(rest), width - _SET_IN) if rest else ():
        yield " " * _SET_IN + line.rstrip()
