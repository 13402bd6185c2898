"""The name that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, possible: Iterable[str]) -> str | None:
    """`did you mean …?` with the nearest of the possible names, or None where none is near."""
    names = list(possible)
    lowered = {other.lower(): other for other in names}
    near = get_close_matches(name.lower(), lowered, n=1, cutoff=0.7)
    return f"did you mean `{lowered[near[0]]}`?" if near else None
