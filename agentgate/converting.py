"""Writes a policy in the native form, and proves that what was written says the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import PurePath

from msgspec import Struct
from msgspec.structs import replace

from agentgate.comparing import compare
from agentgate.core.events import Decision, Trial
from agentgate.core.findings import Severity
from agentgate.core.policy import Condition, Limit, Policy, Rule
from agentgate.core.rules import CompiledRule
from agentgate.errors import AgentgateError
from agentgate.files.native_writer import native_text
from agentgate.files.policy_file import understand
from agentgate.files.reading import Source
from agentgate.files.renaming import native_ids
from agentgate.files.words import tick, visible

_REPORT = "nothing was written; this is a fault of agentgate, please report it with the policy"


class NotTheSame(AgentgateError):
    """What would be written says something else. It is kept back."""

    exit_code = 1


class Converted(Struct, frozen=True):
    """A policy in the native form."""

    text: str
    compared: int
    """How many calls and model requests were judged by both policies, with the same outcome."""
    renamed: Mapping[str, str]
    """Ids that the native form does not know as ids → what they are called now."""
    dropped: tuple[str, ...]
    """What was left out because it can never decide anything, in words."""


def convert(policy: Policy, *, remarks: Iterable[str] = ()) -> Converted:
    """Writes a policy, whatever files it came from, as one file in the native form.

    Args:
        policy: from `load_policy`.
        remarks: what is to be said at the head of the file, a line each.

    Raises:
        NotTheSame: what was written does not load, loads to something else, or decides a call in another way; says which.
    """
    kept, dropped = _reduced(policy)
    ids = native_ids(kept)
    wanted = _renamed(kept, ids)
    renamed = {old: new for old, new in ids.items() if old != new}
    sources = ", ".join(PurePath(name).name for name, _ in policy.files) or policy.name
    about = [f"Written by `agentgate convert` from {sources}.", *remarks, *dropped]
    text = native_text(wanted, about=about, remarks={new: f"was called {tick(old)}" for old, new in renamed.items()})
    written = _read(text)
    compared, difference = compare(policy, written, _Renaming(kept, wanted, ids))
    if difference is not None:
        raise NotTheSame(f"the native form would decide otherwise: {visible(str(difference))}", help=_REPORT)
    if _bare(written) != _bare(wanted):
        raise NotTheSame("the native form would say something else", help=_REPORT)
    return Converted(text, compared, renamed, tuple(dropped))


def _reduced(policy: Policy) -> tuple[Policy, list[str]]:
    """The policy without what can never decide anything and has no native form, and a line on each such thing."""
    dropped = [f"Left out: {tick(rule.id)} names no tools." for rule in policy.rules if not rule.tools]
    tightest: dict[tuple[str, str | None, str | None], Limit] = {}
    for limit in sorted(policy.limits, key=lambda limit: (limit.value, limit.id)):
        first = tightest.setdefault((limit.kind, limit.tools, limit.window), limit)
        if first is not limit:
            dropped.append(f"Left out: {tick(limit.id)} ({limit.kind} {limit.value:g}); {tick(first.id)} is always reached first.")
    limits = tuple(limit for limit in policy.limits if tightest[limit.kind, limit.tools, limit.window] is limit)
    return replace(policy, rules=tuple(rule for rule in policy.rules if rule.tools), limits=limits), dropped


def _renamed(policy: Policy, ids: Mapping[str, str]) -> Policy:
    rules = tuple(replace(rule, id=ids[rule.id]) for rule in policy.rules)
    return replace(policy, rules=rules, limits=tuple(replace(limit, id=ids[limit.id]) for limit in policy.limits))


def _read(text: str) -> Policy:
    data = text.encode()
    reading = understand([Source("<native form>", data, sha256(data).hexdigest())])
    if reading.policy is None:
        first = next(one for one in reading.findings if one.severity is Severity.ERROR)
        raise NotTheSame(f"the native form cannot say this: {first.message}", help=_REPORT)
    return reading.policy


def _bare(policy: Policy) -> Policy:
    """What a policy says, without where it says so and what it is called."""
    limits = (replace(limit, place=None) for limit in policy.limits)
    return replace(
        policy,
        name="",
        description=None,
        sha256="",
        files=(),
        place=None,
        rules=tuple(map(_bare_rule, policy.rules)),
        results=tuple(replace(rule, rule=_bare_rule(rule.rule)) for rule in policy.results),
        redactions=tuple(replace(redaction, place=None) for redaction in policy.redactions),
        limits=tuple(sorted(limits, key=lambda limit: (limit.kind, limit.tools or "", limit.window or ""))),
    )


def _bare_rule(rule: Rule) -> Rule:
    def bare(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        return tuple(replace(condition, place=None) for condition in conditions)

    examples = tuple(replace(example, place=None) for example in rule.examples)
    return replace(rule, place=None, when=bare(rule.when), unless=bare(rule.unless), examples=examples)


class _Renaming:
    """Tells whether two decisions are the same but for the new ids: as the rule, and in the sentence of a rule without a message."""

    def __init__(self, policy: Policy, renamed: Policy, ids: Mapping[str, str]) -> None:
        self._ids = ids
        pairs = [(old, new) for old, new in zip(policy.rules, renamed.rules, strict=True) if old.id != new.id]
        self._reasons = {(old.id, CompiledRule(old, policy).reason): CompiledRule(new, renamed).reason for old, new in pairs}

    def __call__(self, old: Decision, new: Decision) -> bool:
        wanted = replace(
            old,
            rule=old.rule and self._ids.get(old.rule, old.rule),
            reason=self._reasons.get((old.rule or "", old.reason), old.reason),
            trials=tuple(Trial(self._ids[trial.rule], trial.effect) for trial in old.trials),
        )
        return wanted == new
