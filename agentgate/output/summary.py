"""Numbers, places and outcomes in words: what every format says about a run in the same way."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path, PurePath

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Digest,
    Effect,
    Mode,
    PolicyDigest,
    RunEnded,
    RunResumed,
    RunStarted,
    Scope,
    Totals,
)
from agentgate.core.findings import Place
from agentgate.core.late import late
from agentgate.core.state import CUT_OFF
from agentgate.output.plural import plural
from agentgate.output.safe import safe
from agentgate.output.seen import Seen

_STOPPED_BY = late(r"(?P<reason>.*) \((?P<rule>[^()\s]+)\)", re.DOTALL)
"""How the reason of a stopped run names the limit: `limit of 6 steps reached (limits.steps)`."""


_GO_ON = ("waiting", "interrupted", "failed")
"""Ends after which it is likely that somebody wants to go on."""


def size_text(text: str) -> str:
    """How many bytes a text takes in UTF-8: `94 B`, `1.2 kB`, `3.4 MB`."""
    count = len(text.encode("utf-8", "surrogatepass"))
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 999_950 else f"{count / 1e6:.1f} MB"


def time_text(seconds: float) -> str:
    """A span of time: `4 ms`, `3.1 s`, `2 min 5 s`."""
    if seconds < 0.9995:
        return "<1 ms" if 0 < seconds < 0.0005 else f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def money_text(dollars: float) -> str:
    """An amount of US dollars: `$0.0007`, `$12.30`; what is less than that but not nothing is `<$0.0001`."""
    if 0 < dollars < 0.00005:
        return "<$0.0001"
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"


def place_text(place: Place) -> str:
    """`strict.yaml:30`."""
    return f"{PurePath(place.file).name}:{place.line}"


def label(event: CallDecided, places: Mapping[str, Place]) -> str:
    """What decided, with its place: `read-customer:12`, `default`, `unknown_tool`. Not yet safe to show."""
    if event.rule is None:
        name = event.code.value
        return f"{name}:{places[name].line}" if event.code is Code.DEFAULT and name in places else name
    return rule_label(event.rule, places)


def rule_label(rule: str, places: Mapping[str, Place]) -> str:
    """A rule or limit with its place, and its file too where there are several. Not yet safe to show."""
    place = places.get(rule)
    if place is None:
        return rule
    if len({other.file for other in places.values()}) > 1:
        return f"{rule} {place_text(place)}"
    return f"{rule}:{place.line}"


def decision_word(event: CallDecided) -> str:
    """`allow`, `ask`, `block`; `would ask`, `would block` where nothing was enforced."""
    if event.enforced or event.effect is Effect.ALLOW:
        return event.effect.value
    return f"would {event.effect.value}"


def policy_text(event: RunStarted, name: str | None = None) -> str | None:
    """`strict.yaml@3f9c2a8`; None where the run has no policy. Not yet safe to show."""
    return name if event.policy is None else _named(event.policy, name)


def _named(policy: PolicyDigest, name: str | None = None) -> str:
    if name is None:
        name = PurePath(policy.files[0].name).name if len(policy.files) == 1 else policy.name
    return f"{name}@{policy.sha256[:7]}" if policy.sha256 else name


def title(started: RunStarted, task: Digest | None = None) -> str:
    """What a run is called: its task, or its id. Not yet safe to show."""
    task = task or started.task
    return PurePath(task.name).name if task else started.run_id


def outcome(event: RunEnded, seen: Seen, places: Mapping[str, Place], *, ascii: bool = False) -> str:
    """How the run ended, in a few words and with the place of the limit that stopped it. Safe to show.

    `Done, 2 calls blocked`, `Stopped by limits.tool_calls (strict.yaml:30)`, `Failed: connection refused`, `Interrupted`,
    `Waiting: 2 calls need approval`.
    """
    reason = safe(event.reason, ascii=ascii)
    match event.status:
        case "done":
            text = "Done" + _blocked(event.totals, seen)
            return f"{text}: {reason}" if reason else text
        case "stopped":
            return _stopped(event.reason, places, ascii)
        case "failed":
            return f"Failed: {reason}" if reason else "Failed"
        case "interrupted":
            return "Interrupted"
        case "waiting":
            return f"Waiting: {reason}" if reason else "Waiting"
        case status:
            return f"Ended as {safe(status, ascii=ascii)}: {reason}"


def _blocked(totals: Totals, seen: Seen) -> str:
    blocked = seen.held if seen.mode is Mode.OBSERVE else totals.blocked
    let_pass = totals.blocked - blocked
    text = f", {plural(blocked, 'call')} blocked" if blocked else ""
    return text + (f", {plural(let_pass, 'call')} would have been blocked" if let_pass else "")


def _stopped(reason: str, places: Mapping[str, Place], ascii: bool) -> str:
    found = _STOPPED_BY.fullmatch(reason)
    rule = found["rule"] if found else ""
    if found is None or not (rule in places or rule == "max_steps" or rule.startswith("limits.")):
        return f"Stopped: {safe(reason, ascii=ascii)}" if reason else "Stopped"
    where = f" ({safe(place_text(places[rule]), ascii=ascii)})" if rule in places else ""
    return f"Stopped by {safe(rule, ascii=ascii)}{where}: {safe(found['reason'], ascii=ascii)}"


def counts(event: RunEnded, seen: Seen, *, ascii: bool = False) -> list[str]:
    """What the run came to: steps, calls, tokens, cost, time, and how the last answer ended where that is unusual. Safe to show.

    Blocked calls of a run that is done stand in `outcome`, and so does an answer that was cut off.
    """
    totals, mode = event.totals, seen.mode
    parts = [plural(totals.steps, "step"), f"{totals.allowed:,} allowed"]
    if totals.asked:
        parts.append(f"{totals.asked:,} asked")
    if totals.blocked and event.status != "done":
        parts.append(f"{totals.blocked:,} blocked")
    if mode is not Mode.ENFORCE:
        parts.append(f"{totals.executed:,} executed")
    parts.append(tokens_text(totals.input_tokens + totals.output_tokens, seen.cached_tokens))
    if totals.cost_usd is not None:
        parts.append(money_text(totals.cost_usd))
    parts.append(time_text(totals.seconds))
    if seen.finish_reason not in (None, "stop", "tool_calls", *CUT_OFF):
        parts.append(f"finished by {safe(str(seen.finish_reason), ascii=ascii)}")
    return parts


def tokens_text(count: int, cached: int) -> str:
    """`1,245 tokens`, `1,245 tokens (1,024 cached)`."""
    return plural(count, "token") + (f" ({cached:,} cached)" if cached else "")


def resumed_text(event: RunResumed, started: RunStarted | None, *, loud: bool = True) -> list[str]:
    """What goes on, under which policy, and what is not as it was; the mode in capitals where `loud`. Not yet safe to show."""
    parts = [title(started, event.task)] if started is not None else []
    if started is not None:
        parts += [started.model or "", started.mode.value.replace("-", " ").upper() if loud else started.mode.value]
    if event.policy is not None:
        parts.append(f"policy {_named(event.policy)}")
    if started is not None and started.role is not None:
        parts.append(f"role {started.role}")
    if event.overrides:
        parts.append(f"changed and accepted: {', '.join(event.overrides)}")
    if event.retry_unknown:
        parts.append("calls that may have run are run again")
    return [part for part in parts if part]


def scope_text(event: ApprovalAnswered) -> str:
    """How far an approval goes, where it is not for the one call."""
    if event.answer != "approve":
        return ""
    return {Scope.CALL: "", Scope.RUN: "for the rest of this run", Scope.RETRY: "to be run again"}[event.scope]


def ways_on(event: RunEnded, seen: Seen, transcript: Path | None, *, ascii: bool = False) -> list[tuple[str, str]]:
    """Where the run is kept, and the commands that explain its first blocked call, answer what it waits for, and go on with it."""
    if transcript is None:
        return []
    named = safe(shlex.quote(str(transcript)), ascii=ascii)
    lines = [("saved", safe(str(transcript), ascii=ascii))]
    if seen.first_refused is not None:
        lines.append(("why", f"agentgate explain {named}#{seen.first_refused}"))
    if event.status == "waiting":
        lines.append(("decide", f"agentgate approve {named}"))
    if event.status in _GO_ON:
        lines.append(("resume", f"agentgate resume {named}"))
    return lines
