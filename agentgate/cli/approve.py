"""`agentgate approve`: answers what a waiting run was asked, from wherever the person is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import State
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from agentgate.files.transcript_continued import Continued
    from agentgate.unfinished import Past, Proposal

_Run = Annotated[str, typer.Argument(metavar="RUN", show_default=False, help="A run: its id, the beginning of it, or its transcript.")]
_Call = Annotated[str | None, typer.Argument(metavar="CALL", show_default=False, help="The id of the call; not needed where one waits.")]
_Yes = Annotated[bool | None, typer.Option("--yes/--no", help="The answer; without one, what waits is shown.", show_default=False)]
_All = Annotated[bool, typer.Option("--all", help="The same answer for every call that waits.")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Why; the model is told with a no.", metavar="TEXT")]
_By = Annotated[str | None, typer.Option("--by", help="Who answers; by default who is logged in.", metavar="NAME")]

_LONGEST = 500


def approve(
    run: _Run,
    call: _Call = None,
    yes: _Yes = None,
    all: _All = False,
    reason: _Reason = None,
    by: _By = None,
    state: State = None,
) -> None:
    """Shows the calls that a run waits with, and answers them.

    Nothing is executed: that is done by `agentgate resume`. An answer counts for exactly the call that is shown, once.

    Exit codes: 0 answered, or nothing waits; 1 calls wait, and were shown; 2 wrong usage, or the run cannot be answered; 3 its transcript
    cannot be written, for instance because somebody else is writing it.
    """
    from agentgate.cli.person import who
    from agentgate.files.state_folder import DEFAULT, StateFolder, find_run
    from agentgate.files.transcript_continued import continue_transcript
    from agentgate.unfinished import Past

    if yes is None and (all or reason is not None or by is not None):
        raise UsageError("there is no answer", help="--yes or --no")
    if call is not None and all:
        raise UsageError("a call and --all", help="choose one of them")
    for name, text in (("reason", reason), ("by", by)):
        if text is not None and (not text.isprintable() or not text.strip() or len(text) > _LONGEST):
            raise UsageError(f"`--{name}` cannot be recorded", help=f"one line of up to {_LONGEST} characters")
    path = find_run(run, StateFolder(state or DEFAULT))
    continued = continue_transcript(path)
    with continued.writer:
        past = Past(continued.items)
        asking = _asking(past, path)
        if yes is None:
            _show(asking if call is None else [_named(past, call, path)], path)
            raise typer.Exit(1 if asking else 0)
        chosen = _chosen(past, asking, call, path, all=all)
        if yes:
            _check_known(chosen, path)
        _answer(continued, past, chosen, yes=yes, reason=reason, by=f"{by or who()} (agentgate approve)")
    _said(chosen, path, yes=yes, left=len(asking) - len(chosen))


def _asking(past: Past, path: Path) -> list[Proposal]:
    """The calls that can be answered.

    Raises:
        UsageError: the run does not wait.
    """
    if past.status == "waiting":
        return past.asking
    if past.status is None:
        help = f"`agentgate resume {path}` goes on with it, and asks"
        raise UsageError(f"the run `{past.started.run_id}` does not wait: it is still going, or was killed", help=help)
    way_on = None if past.status == "done" else f"`agentgate resume {path}` goes on with it, and asks where the policy does"
    raise UsageError(f"the run `{past.started.run_id}` does not wait: it ended as {past.status}", help=way_on)


def _chosen(past: Past, asking: list[Proposal], call: str | None, path: Path, *, all: bool) -> list[Proposal]:
    if call is not None:
        return [_named(past, call, path)]
    if not asking:
        raise UsageError("every call was answered already", help=f"`agentgate resume {path}` goes on")
    if len(asking) > 1 and not all:
        _show(asking, path)
        raise UsageError(f"{len(asking)} calls wait", help="name one of them, or answer them alike with --all")
    return asking


def _check_known(chosen: list[Proposal], path: Path) -> None:
    """Whether what is approved could still be executed.

    Raises:
        UsageError: the record does not hold it.
    """
    for proposal in chosen:
        if proposal.lost:
            message = f"the call `{proposal.call.id}` cannot be executed any more: parts of its arguments were taken out of the record"
            raise UsageError(message, help=f"--no; or `agentgate resume {path}`, which tells the model to propose it again")


def _named(past: Past, call: str, path: Path) -> Proposal:
    calls = past.last.calls if past.last is not None else []
    found = [proposal for proposal in calls if proposal.call.id == call and not proposal.blocked]
    for proposal in found:
        if proposal.asks:
            return proposal
    for proposal in found:
        if proposal.approval is not None:
            raise UsageError(f"the call `{call}` was answered already: {proposal.approval.answer} by {proposal.approval.by}")
    names = ", ".join(f"`{proposal.call.id}`" for proposal in past.asking)
    raise UsageError(f"no call `{call}` waits for an answer", help=f"these do: {names}" if names else f"`agentgate resume {path}` goes on")


def _answer(continued: Continued, past: Past, chosen: list[Proposal], *, yes: bool, reason: str | None, by: str) -> None:
    from agentgate.clock import steady_clock
    from agentgate.core.events import ApprovalAnswered

    clock = steady_clock()
    for proposal in chosen:
        decided = proposal.decided
        assert decided is not None
        continued.writer(
            ApprovalAnswered(
                at=clock(),
                run_id=past.started.run_id,
                call_id=proposal.call.id,
                tool=proposal.call.name,
                args_hash=decided.args_hash,
                policy=None if past.policy is None else past.policy.sha256,
                answer="approve" if yes else "reject",
                by=by,
                note=reason,
            )
        )


def _show(asking: list[Proposal], path: Path) -> None:
    """Every call whole, and why somebody is asked; the answer to give stands below it, so that no call can hide it."""
    import shlex

    from agentgate.output.calls import call_text
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    out = Sink(sys.stdout)
    for proposal in asking:
        decided = proposal.decided
        assert decided is not None
        reason = safe(f"{decided.reason} ({decided.rule or decided.code.value})", ascii=out.ascii)
        out.write(f"? {call_text(proposal.call.name, proposal.call.arguments, ascii=out.ascii)}\n  {reason}\n")
        if proposal.lost:
            out.write("  parts of its arguments were taken out of the record: it cannot be executed any more\n")
        answer = "--no" if proposal.lost else "--yes"
        command = f"agentgate approve {shlex.quote(str(path))} {shlex.quote(str(proposal.call.id))} {answer}"
        out.write(f"  {safe(command, ascii=out.ascii)}\n")
    if not asking:
        out.write(f"nothing waits for an answer; agentgate resume {safe(shlex.quote(str(path)), ascii=out.ascii)} goes on\n")
    out.check()


def _said(chosen: list[Proposal], path: Path, *, yes: bool, left: int) -> None:
    import shlex

    from agentgate.output.calls import call_text
    from agentgate.output.plural import plural
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    out = Sink(sys.stdout)
    for proposal in chosen:
        text = call_text(proposal.call.name, proposal.call.arguments, ascii=out.ascii)
        out.write(f"{'approved' if yes else 'rejected'}  {text}\n")
    named = safe(shlex.quote(str(path)), ascii=out.ascii)
    command = f"agentgate approve {named}" if left else f"agentgate resume {named}"
    lead = f"{plural(left, 'call')} left" if left else "next"
    out.write(f"  {lead}   {command}\n")
    out.check()
