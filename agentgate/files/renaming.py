"""Finds ids that the native form takes for entries that are called something else, without changing which rule speaks first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

from agentgate.core.policy import Policy
from agentgate.files.native_writer import usual_id
from agentgate.files.parts import RESERVED
from agentgate.files.policy_schema import RULE_ID

_OTHER = re.compile(r"[^a-z0-9]+")
_NATIVE = re.compile(RULE_ID.strip("^$"))
_LONGEST = 100
_LONGEST_ID = 128


def native_ids(policy: Policy) -> dict[str, str]:
    """Every id of a rule or limit → its id in the native form; most stay as they are.

    Of several rules that match, the one whose id comes first speaks, so the new ids of rules stand in the order of the old ones.
    """
    rules = sorted({rule.id for rule in policy.rules})
    limits = sorted({limit.id for limit in policy.limits if limit.id != usual_id(limit)})
    taken = {id for id in (*rules, *limits) if _is_native(id)}
    taken |= {rule.rule.id for rule in policy.results} | {redaction.id for redaction in policy.redactions if redaction.id is not None}
    found = _in_order(rules, taken)
    if found is None:
        digits = len(str(len(rules)))
        found = {old: f"{number:0{digits}}-{kebab(old)}" for number, old in enumerate(rules, 1)}
    taken |= set(found.values())
    for old in limits:
        found[old] = old if _is_native(old) else next(name for name in _numbered(kebab(old)) if name not in taken)
        taken.add(found[old])
    return {limit.id: limit.id for limit in policy.limits} | found


def _in_order(rules: list[str], taken: set[str]) -> dict[str, str] | None:
    """New ids in the order of the old ones; None where the ids that need no change leave no room for that."""
    found: dict[str, str] = {}
    last, used = "", set(taken)
    for index, old in enumerate(rules):
        new = old if _is_native(old) else None
        if new is None:
            end = next((id for id in rules[index + 1 :] if _is_native(id)), None)
            tries = (name for start in _starts(kebab(old), last) for name in islice(_numbered(start), 3))
            new = next((name for name in tries if name not in used and last < name and (end is None or name < end)), None)
        if new is None or new <= last or len(new) > _LONGEST_ID:
            return None
        used.add(new)
        found[old] = last = new
    return found


def _starts(name: str, last: str) -> list[str]:
    return [name, f"0-{name}", *([f"{last}-{name}"] if last else [])]


def _numbered(name: str) -> Iterator[str]:
    """The name, and then with numbers behind it."""
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _is_native(id: str) -> bool:
    return _NATIVE.fullmatch(id) is not None and id not in RESERVED and len(id) <= _LONGEST_ID


def kebab(name: str) -> str:
    """A name in lower case with dashes between its words, as ids are."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    made = _OTHER.sub("-", plain)[:_LONGEST].strip("-") or "entry"
    return f"{made}-entry" if made in RESERVED else made
