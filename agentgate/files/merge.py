"""Puts policy files together. The order of files never matters, and nothing in one of them loosens another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from itertools import islice

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Place
from agentgate.core.policy import Limit, Policy
from agentgate.files.errors import error
from agentgate.files.parts import OF_LIMITS, Part
from agentgate.files.words import did_you_mean, tick

_MANY = 500
_CIRCLES = 20
_STRICTNESS = (Effect.ALLOW, Effect.ASK, Effect.BLOCK)


def merge(parts: list[Part], *, given: int | None = None) -> tuple[Policy, list[Finding]]:
    """One policy from at least one part: rules, roles and groups united, the strictest default, the tighter of the same limit.

    Args:
        parts: what each file contributes.
        given: how many of them, from the first on, were asked for; the others are extended by them, and give no name. All by default.
    """
    asked_for = parts[:given]
    findings = [*islice(_same_ids(parts), _MANY), *_different(parts, "role"), *_different(parts, "group")]
    strictest = max(parts, key=lambda part: _STRICTNESS.index(part.default))
    policy = Policy(
        name="+".join(sorted({part.name for part in asked_for})),
        default=strictest.default,
        rules=tuple(rule for part in parts for rule in part.rules),
        limits=tuple(_tightest(parts)),
        results=tuple(rule for part in parts for rule in part.results),
        redactions=tuple(redaction for part in parts for redaction in part.redactions),
        roles={role: includes for part in parts for role, includes in part.roles.items()},
        groups={group: tools for part in parts for group, tools in part.groups.items()},
        once=parts[0].once if len(parts) == 1 else tuple(sorted({tool for part in parts for tool in part.once})),
        description="\n".join(part.description for part in asked_for if part.description) or None,
        sha256=_digest(parts),
        files=tuple(sorted((part.file, part.sha256) for part in parts)),
        place=strictest.place,
    )
    findings.extend(islice(_unknown(parts, policy), _MANY))
    findings.extend(_cycles(policy.roles, {name: place for part in parts for name, place in part.role_places.items()}, "role"))
    inner = {group: tuple(tool[1:] for tool in tools if tool.startswith("@")) for group, tools in policy.groups.items()}
    findings.extend(_cycles(inner, {name: place for part in parts for name, place in part.group_places.items()}, "group"))
    return policy, findings


def _digest(parts: list[Part]) -> str:
    return parts[0].sha256 if len(parts) == 1 else sha256("".join(sorted(part.sha256 for part in parts)).encode()).hexdigest()


def _same_ids(parts: list[Part]) -> Iterator[Finding]:
    seen: dict[str, Place] = {}
    limits = {limit.id for part in parts for limit in part.limits}
    for part in parts:
        named = {limit.id: limit for limit in part.limits if not limit.id.startswith(OF_LIMITS)}
        rules = [*((rule.id, rule.place) for rule in part.rules), *part.refused_ids]
        rules.sort(key=lambda entry: (entry[1].line, entry[1].column) if entry[1] is not None else (0, 0))
        others = [(rule.rule.id, rule.rule.place) for rule in part.results]
        others += [(redaction.id, redaction.place) for redaction in part.redactions if redaction.id is not None]
        for id, place in (*rules, *others, *((limit.id, limit.place) for limit in named.values())):
            assert place is not None
            if id in seen:
                what = "a rule and a limit, or limits of two files," if id in limits else "two rules"
                what = "two entries" if (id, place) in others else what
                yield error("duplicate-id", place, f"{what} have the id {tick(id)}", "give each its own id", ((seen[id], "first here"),))
            else:
                seen[id] = place


def _different(parts: list[Part], what: str) -> Iterator[Finding]:
    seen: dict[str, tuple[tuple[str, ...], Place]] = {}
    for part in parts:
        contents, places = (part.roles, part.role_places) if what == "role" else (part.groups, part.group_places)
        for name, content in contents.items():
            known, place = seen.setdefault(name, (content, places[name]))
            if sorted(known) != sorted(content):
                message = f"the {what} {tick(name)} is defined differently in two files"
                yield error("different-content", places[name], message, "define it in one of them", ((place, "first here"),))


def _tightest(parts: list[Part]) -> Iterable[Limit]:
    kept: dict[tuple[str, str], Limit] = {}
    for part in parts:
        for limit in part.limits:
            other = kept.get((limit.id, limit.kind))
            if other is None or limit.value < other.value:
                kept[limit.id, limit.kind] = limit
    return kept.values()


def _unknown(parts: list[Part], policy: Policy) -> Iterator[Finding]:
    unread = {section for part in parts for section in part.unread}
    for part in parts:
        for name, place in part.named_groups:
            if name not in policy.groups and "groups" not in unread:
                help = did_you_mean(name, policy.groups) or "define it under `groups`"
                yield error("unknown-group", place, f"there is no group {tick('@' + name)}", help)
        for name, place in part.named_roles:
            if name not in policy.roles and "roles" not in unread:
                help = did_you_mean(name, policy.roles) or "define it under `roles`"
                yield error("unknown-role", place, f"there is no role {tick(name)}", help)


def _cycles(graph: Mapping[str, tuple[str, ...]], places: Mapping[str, Place], what: str) -> Iterator[Finding]:
    """A finding for each circle; circles that share a name are reported one at a time."""
    left = dict(graph)
    for _ in range(_CIRCLES):
        try:
            TopologicalSorter({name: [inner for inner in includes if inner in left] for name, includes in left.items()}).prepare()
        except CycleError as cycle:
            circle: list[str] = cycle.args[1][:0:-1]
        else:
            return
        first = min(circle, key=lambda name: (places[name].line, name))
        start = circle.index(first)
        way = " → ".join(tick(name) for name in (*circle[start:], *circle[:start], first))
        yield error("cycle", places[first], f"the {what} {tick(first)} includes itself", f"the way round: {way}")
        for name in circle:
            del left[name]
