"""What was learned, on the screen: one line a rule, what speaks for it, and how it did on what it was not learned from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len

from agentgate.core.events import Effect
from agentgate.output.columns import pad, wrap
from agentgate.output.plural import plural
from agentgate.output.safe import safe

if TYPE_CHECKING:
    from agentgate.learn import Learned
    from agentgate.learning.proposing import Proposal

_SIGNS = {Effect.ALLOW: "+ allow", Effect.ASK: "? ask", Effect.BLOCK: "- block"}
_WIDEST_CALL = 44


def learned_lines(learned: Learned, *, width: int | None) -> Iterator[str]:
    """The whole of it, in lines that are safe to show.

    Args:
        learned: what came of learning.
        width: cells of a line, at most; None for lines of any length.
    """
    size = f"{plural(learned.calls, 'call')}, {plural(learned.runs, 'run')}, {plural(learned.tools, 'tool')}"
    yield f"{size}. Proposed rules (nothing is applied):"
    calls = [_call(proposal) for proposal in learned.proposed.proposals]
    column = min(max(map(cell_len, calls), default=0), _WIDEST_CALL)
    for proposal, call in zip(learned.proposed.proposals, calls, strict=True):
        head = f"  {_SIGNS[proposal.rule.effect]:<7}  {pad(call, column)}  {plural(len(proposal.samples), 'call'):>10}"
        yield from _beside(f"{head}   ", _said(proposal), width)
    for rule in learned.barred:
        yield from _beside("  ", f"recorded calls are stopped by {safe(rule)} of the extended policy, which no new rule can change", width)
    for line in learned.said:
        yield from _beside("", safe(line), width)


def _call(proposal: Proposal) -> str:
    rule = proposal.rule
    equal = ((condition.argument, operand) for condition in rule.when for key, operand in condition.operators if key == "equals")
    chosen = [f'{argument}="{operand}"' for argument, operand in equal if operand]
    return safe(rule.tools[0] + (f"({', '.join(chosen)})" if chosen else ""))


def _said(proposal: Proposal) -> str:
    said = [f"because {proposal.why_ask}"] if proposal.why_ask else []
    return safe("; ".join([*said, *(f"{argument}: {shape.words}" for argument, shape in proposal.shapes.items())]))


def _beside(head: str, text: str, width: int | None) -> Iterator[str]:
    """A text behind a head, its further lines below where it began."""
    if width is None or not text:
        yield f"{head}{text}".rstrip()
        return
    indent = cell_len(head) if cell_len(head) < width // 2 else 6
    first, *more = wrap(text, max(width - cell_len(head), 20)) if indent == cell_len(head) else ("", *wrap(text, width - indent))
    yield f"{head}{first}".rstrip()
    yield from (" " * indent + line for line in more)
