"""Names: the one that was probably meant, and those that say what an argument is."""

from collections.abc import Iterable

PATHS = frozenset((
    "path", "file", "filename", "file_name", "file_path", "filepath", "destination", "dest", "target", "target_path", "output",
    "output_path", "out", "folder", "directory", "dir", "source", "src", "paths", "files",
))  # fmt: skip
"""What arguments are called that lead to a file or folder."""


def nearest(name: str, possible: Iterable[str]) -> str | None:
    """The one of the possible names that was probably meant, or None where none is near."""
    lowered = {other.lower(): other for other in possible}
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), lowered, n=1, cutoff=0.7)
    return lowered[near[0]] if near else None


def did_you_mean(name: str, possible: Iterable[str]) -> str | None:
    """`did you mean …?` with the nearest of the possible names, or None where none is near."""
    near = nearest(name, possible)
    return f"did you mean `{near}`?" if near is not None else None
