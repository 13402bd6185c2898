"""Fills the template of the report. Whatever is printed in it goes through one function that makes it visible, and is then escaped.

The page asks for nothing: no script, no network, no font; its own policy forbids them, and allows one style sheet by its hash.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from agentgate import __version__
from agentgate.core.events import CallDecided, Effect
from agentgate.output.calls import error_text
from agentgate.output.history_list import cost_of, policy_of, time_of
from agentgate.output.marks import marks
from agentgate.output.plural import plural
from agentgate.output.report import charts, values
from agentgate.output.safe import safe
from agentgate.output.summary import decision_word, money_text, scope_text, size_text, time_text

if TYPE_CHECKING:
    from agentgate.files.history import Run
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_verify import Verification
    from agentgate.history import Share, Sums
    from agentgate.report import Cost, Told

BEGINNING = "<!doctype html>\n<!-- agentgate report -->\n"
"""How every report begins, so that one is known by it."""
_OPEN_RUNS = 8
"""In a report of more runs than that, timelines are closed at first."""
_MOST_ROWS = 500
"""Runs in the table at the top; all of them are told below."""
_MOST_SHARES = 100
_LONGEST = 1_000
"""Characters of anything that is not cut elsewhere: names, reasons, ids."""
_MARKS = marks(ascii=False)
_STATUS_MARKS = {"done": "✓", "stopped": "■", "failed": "✗", "interrupted": "‖", "waiting": "?", "running": "…", "unfinished": "!"}


class Report(Struct, frozen=True, kw_only=True):
    """What stands above the runs."""

    runs: Sequence[Run]
    sums: Sums
    damages: Sequence[Damage]
    costs: Sequence[Cost]
    made: datetime


def page(report: Report, told: Iterator[Told]) -> Iterator[str]:
    """The whole page in pieces; the runs are taken one at a time.

    Args:
        report: what stands above them.
        told: the runs, in the order of `report.runs`.
    """
    template = environment().from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    yield BEGINNING
    yield from template.generate(
        **style(),
        report=report,
        told=told,
        version=__version__,
        line=charts.line_of(report.costs),
        rows=report.runs[:_MOST_ROWS],
        most_shares=_MOST_SHARES,
        open_runs=len(report.runs) <= _OPEN_RUNS,
        first=min((run.started for run in report.runs if run.started), default=None),
        last=max((run.started for run in report.runs if run.started), default=None),
    )


def style() -> dict[str, str]:
    """What a template takes for its head: the style sheet, and the policy that allows it and nothing else."""
    css = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(css.encode()).digest()).decode()
    return {
        "css": Markup(css),  # noqa: S704 - a file of this package
        "csp": f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    }


def environment() -> Environment:
    """What fills templates: everything that one prints is made visible, and then escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_visible, trim_blocks=True, lstrip_blocks=True, loader=BaseLoader()
    )
    environment.filters.update(
        args=values.shown_arguments,
        cost=cost_of,
        label=_label,
        money=money_text,
        plural=plural,
        policy=policy_of,
        prose=values.shown_text,
        result=values.shown_result,
        scope=scope_text,
        size=size_text,
        span=time_text,
        tool=values.tool_name,
        utc=_utc,
        minute=time_of,
        error=error_text,
        basename=lambda path: PurePath(path).name,
    )
    environment.globals.update(
        mark=_mark, word=decision_word, kind=_kind, bars=_bars, run_bars=_run_bars, verdict=_verdict, status_mark=_status_mark
    )
    return environment


def _visible(value: Any) -> Any:
    """Everything that the template prints comes through here, before it is escaped."""
    if isinstance(value, Markup | values.Visible) or not isinstance(value, str):
        return "" if value is None else value
    if len(value) > _LONGEST:
        return f"{safe(value[:_LONGEST], newlines=True)}… {len(value) - _LONGEST:,} more characters"
    return safe(value, newlines=True)


def _utc(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _kind(decided: CallDecided | None) -> str:
    """The class of a call, one of our own words."""
    if decided is None:
        return "undecided"
    return decided.effect.value if decided.enforced or decided.effect is Effect.ALLOW else "would"


def _mark(decided: CallDecided | None) -> str:
    return _MARKS["dot"].strip() if decided is None else _MARKS[_kind(decided)]


def _label(decided: CallDecided) -> str:
    """What decided: `rule read-customer`, `limit limits.steps`, or the code where none did."""
    if decided.rule is None:
        return decided.code.value.replace("_", " ")
    return f"{decided.code.value if decided.code.value in ('rule', 'limit') else 'rule'} {decided.rule}"


def _status_mark(status: str) -> str:
    return _STATUS_MARKS.get(status, "·")


def _bars(share: Share | Sums, most: int) -> list[charts.Bar]:
    return charts.bars({"allow": share.allow, "ask": share.ask, "block": share.block, "undecided": share.undecided}, most)


def _run_bars(run: Run, most: int) -> list[charts.Bar]:
    counts = {effect: run.count(effect) for effect in ("allow", "ask", "block")}
    return charts.bars({**counts, "undecided": run.count("")}, most)


def _verdict(verification: Verification) -> tuple[str, str, str]:
    """Class, symbol and words for what an audit came to."""
    if verification.ok:
        return "good", "✓", f"chain verified, {plural(verification.events, 'event')}"
    return "bad", "✗", f"{plural(len(verification.problems), 'finding')} in {plural(verification.events, 'event')}"
