"""What `agentgate replay` does once its command line is read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING

from agentgate.cli.dividing import Engine, check_engine, dividing, judge_parts, task_of
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.files.transcript import Damage, Transcript, Wanted
    from agentgate.output.sink import Sink
    from agentgate.recorded_tests import Collector
    from agentgate.replay import Judged, Replay, Tally


_NARROWEST = 40
_ROWS = 64
"""How many rows of JSON are written at once."""


class Format(StrEnum):
    """How a replay is shown."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class FailOn(StrEnum):
    """Which flips make exit code 1."""

    NEWLY_ALLOWED = "newly-allowed"
    NEWLY_BLOCKED = "newly-blocked"
    ANY = "any"
    NONE = "none"


def replay_and_show(
    transcripts: list[str],
    policy: list[str],
    against: list[str],
    *,
    role: str | None = None,
    format: Format = Format.TABLE,
    compare: str | None = None,
    fail_on: FailOn = FailOn.NONE,
    fail_on_flip: bool = False,
    to_test: str | None = None,
    report: str | None = None,
    jobs: int | None = None,
    engine: Engine = Engine.LOCAL,
    ray_address: str | None = None,
    form: str | None = None,
) -> int:
    """Judges what was recorded again, shows what came of it, and gives the exit code.

    Raises:
        AgentgateError: something that is given cannot be used, or the result cannot be written.
    """
    check_engine(engine, ray_address, apart={"--compare": compare, "--to-test": to_test})
    if compare is not None:
        if policy or against or to_test or report or fail_on is not FailOn.NONE or fail_on_flip or format is Format.JSONL:
            raise UsageError("--compare stands alone", help="with --role, --from and --format table or json")
        return _compare(transcripts, compare, role, format, form)
    if not policy:
        raise UsageError("no policy is given", help="name one with --policy, for instance --policy policies/strict.yaml")
    from agentgate.output.sink import Sink
    from agentgate.replay import Tally

    judging = _judging(policy, against, role)
    collector = _collector(to_test, policy, judging, role)
    if report is not None:
        _check_report(report)
    tally, began = Tally(), time.perf_counter()
    out = Sink(sys.stdout)
    bar = format is not Format.JSONL or not out.can_erase
    rows = format is Format.JSONL
    divide = None if collector is not None else dividing(engine, jobs, ray_address, transcripts)
    if divide is not None:
        judge_parts(divide, task_of(judging, role, form, rows=rows), tally, transcripts, out, bar=bar)
    elif rows or collector is not None:
        calls = _judged(judging, tally, transcripts, collector, form, bar=bar)
        _print_calls(calls, out if rows else None)
    else:
        for found in _read(transcripts, tally.damaged, form, bar=bar, wanted=judging.wanted, judged=lambda: tally.calls):
            judging.count(found, tally)
    if not rows:
        out.write(_result(format, tally, judging, policy, time.perf_counter() - began, out))
    if report is not None:
        _write_report(report, tally, judging, policy, time.perf_counter() - began)
    if to_test is not None and collector is not None:
        _write_tests(to_test, policy, collector)
    out.check()
    return 1 if tally.damaged or _fails(tally, FailOn.ANY if fail_on_flip else fail_on) else 0


def _judging(policy: list[str], against: list[str], role: str | None) -> Replay:
    """What judges by these policies.

    Raises:
        AgentgateError: one cannot be used, or knows nothing of the role.
    """
    from agentgate.files.links import resolve
    from agentgate.files.policy_file import load_policy
    from agentgate.replay import Replay

    other = load_policy(*against) if against else None
    judging = Replay(load_policy(*policy), other, role=role, resolve=resolve, workdir=os.getcwd())  # noqa: PTH109
    known = {**judging.policy.policy.roles, **(judging.against.policy.roles if judging.against else {})}
    if role is not None and role not in known:
        raise UsageError(f"the policy has no role `{role}`", help=f"one of {', '.join(known)}" if known else None)
    return judging


def _check_report(path: str) -> None:
    """What cannot be written in the end is said before the work begins."""
    from agentgate.files.replacing import check_replaceable
    from agentgate.output.report.replay_page import BEGINNING

    try:
        check_replaceable(path, BEGINNING)
    except UsageError as error:
        raise UsageError(error.message, help="name another file, or remove it first") from None


def _write_report(path: str, tally: Tally, judging: Replay, files: list[str], seconds: float) -> None:
    from datetime import UTC, datetime

    from agentgate.files.replacing import replace_file
    from agentgate.output.report.replay_page import replay_page
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    named = [] if "-" in files else files
    replace_file(path, replay_page(tally, judging, policy_files=named, seconds=seconds, made=datetime.now(UTC)))
    Sink(sys.stderr).write(f"wrote {safe(path)}\n")


def _fails(tally: Tally, fail_on: FailOn) -> bool:
    """Whether some decision changed in a way that shall not be."""
    from agentgate.core.events import Effect

    match fail_on:
        case FailOn.ANY:
            return bool(tally.flips)
        case FailOn.NEWLY_ALLOWED:
            return tally.flipped_to(Effect.ALLOW) > 0
        case FailOn.NEWLY_BLOCKED:
            return tally.flipped_to(Effect.BLOCK) > 0
        case FailOn.NONE:
            return False


def _compare(paths: list[str], first: str, role: str | None, format: Format, form: str | None) -> int:
    """Several policies on the same traffic. Whatever is named like a policy file is one: no transcript is."""
    import json

    from agentgate.files.links import resolve
    from agentgate.files.policy_file import load_policy
    from agentgate.output.side_by_side_table import side_by_side_lines
    from agentgate.output.sink import Sink
    from agentgate.side_by_side import SideBySide

    others = [path for path in paths if path.endswith((".yaml", ".yml"))]
    transcripts = [path for path in paths if path not in others]
    if not transcripts:
        raise UsageError("no transcript is given", help="agentgate replay TRANSCRIPT... --compare A.yaml B.yaml")
    policies = [load_policy(file) for file in (first, *others)]
    known = {name for policy in policies for name in policy.roles}
    if role is not None and role not in known:
        raise UsageError(f"no policy has the role `{role}`", help=f"one of {', '.join(sorted(known))}" if known else None)
    found, began = SideBySide(policies, role=role, resolve=resolve, workdir=os.getcwd()), time.perf_counter()  # noqa: PTH109
    damaged: list[Damage] = []
    for transcript in _read(transcripts, damaged, form, bar=True):
        found.judge(transcript)
    out = Sink(sys.stdout)
    if format is Format.JSON:
        out.write(json.dumps(found.as_object(), indent=2) + "\n")
    else:
        lines = side_by_side_lines(found, time.perf_counter() - began, width=_width(out), ascii=out.ascii)
        out.write("".join(f"{line}\n" for line in lines))
    out.check()
    return 1 if damaged else 0


def _judged(
    judging: Replay, tally: Tally, paths: list[str], collector: Collector | None, form: str | None, *, bar: bool
) -> Iterator[Judged]:
    """Every call of every transcript; what cannot be read is named on the way."""
    wanted = judging.wanted if collector is None else None
    for found in _read(paths, tally.damaged, form, bar=bar, wanted=wanted, judged=lambda: tally.calls):
        for call in tally.run(judging.judge(found)):
            if collector is not None:
                collector.note(found, call)
            yield call


def _read(
    paths: list[str],
    damaged: list[Damage],
    form: str | None,
    *,
    bar: bool,
    wanted: Wanted | None = None,
    judged: Callable[[], int] | None = None,
) -> Iterator[Transcript]:
    """Every transcript; what cannot be read is kept, and named on the way. `judged` says how many calls were judged so far."""
    from agentgate.cli.stores import is_elsewhere, read_elsewhere, say_left_out
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import find_transcripts, read_sources
    from agentgate.output.progress import Progress, total_size
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    elsewhere = [path for path in paths if is_elsewhere(path)]
    files = [path for path in paths if path not in elsewhere]
    sources = find_transcripts(files) if files else []
    if form is not None:
        from agentgate.files.importers import known_form

        known_form(form)
    err = Sink(sys.stderr)
    for url in elsewhere:
        yield from read_elsewhere(url, damaged, err)
    if not files:
        return
    say_left_out([source.file for source in sources], err)
    with closing(Progress(err, lambda: total_size(sources), calls=judged)) as progress:
        for found in read_sources(sources, progress.advance if bar and progress.shown else None, form=form, wanted=wanted):
            if isinstance(found, Damage):
                damaged.append(found)
                err.write(f"damaged: {safe(str(found))}\n")
            else:
                yield found


def _collector(to_test: str | None, policies: list[str], judging: Replay, role: str | None) -> Collector | None:
    """What takes calls for `--to-test`; what cannot be written in the end is said before the work begins."""
    if to_test is None:
        return None
    if "-" in policies:
        raise UsageError("tests name their policy, and standard input has no name", help="write the policy to a file")
    if os.path.lexists(to_test):
        raise UsageError(f"`{to_test}` exists already", help="name another file, or remove it first")
    from agentgate.recorded_tests import Collector

    return Collector(judging.policy.policy, role=role)


def _write_tests(to_test: str, policies: list[str], collector: Collector) -> None:
    from agentgate.files.test_writer import file_text, write_new
    from agentgate.output.plural import plural
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    what = "calls whose decision is another than before" if collector.flips else "every distinct call, up to some of a kind"
    left_out = f"; {plural(collector.left_out, 'call')} left out" if collector.left_out else ""
    err = Sink(sys.stderr)
    if not collector.cases:
        err.write(f"no tests written: there is no call that a test can tell of{left_out}\n")
        return
    tables = collector.tables()
    about = (
        f"Made from recorded calls by `agentgate replay --to-test`: {what}. Say what each test is for,\nand change what should be decided."
    )
    write_new(to_test, file_text(tables, policies=policies, path=to_test, workdir=collector.workdir, about=about))
    err.write(f"wrote {plural(collector.cases, 'case')} in {plural(len(tables), 'test')} to {safe(to_test)}: {what}{left_out}\n")


def _print_calls(calls: Iterator[Judged], out: Sink | None) -> None:
    """One object a line, many lines at a time; without a sink, all calls are only gone through."""
    rows: list[str] = []
    for call in calls:
        if out is None:
            continue
        rows.append(call.as_line())
        if len(rows) == _ROWS:
            out.write("".join(rows))
            rows.clear()
    if out is not None:
        out.write("".join(rows))


def _result(format: Format, tally: Tally, judging: Replay, files: list[str], seconds: float, out: Sink) -> str:
    if format is Format.JSON:
        import json

        return json.dumps(tally.result(seconds), indent=2) + "\n"
    from agentgate.output.replay_table import ReplayTable

    named = [] if "-" in files else files
    table = ReplayTable(tally, judging, files=named, width=_width(out), ascii=out.ascii)
    return "".join(f"{line}\n" for line in table.lines(seconds))


def _width(out: Sink) -> int | None:
    """Cells of a line on a terminal; None where lines may have any length."""
    import shutil

    return max(shutil.get_terminal_size().columns - 1, _NARROWEST) if out.can_erase else None
