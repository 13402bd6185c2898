"""Read-only tools for a folder of text files. They can list, read and search; there is nothing in here that writes."""

from pathlib import Path

_MOST_BYTES = 200_000
_MOST_HITS = 100


def list_files(folder: str = ".") -> list[dict[str, object]]:
    """Lists the files of a folder and of the folders below it, with their sizes in bytes.

    Args:
        folder: where to look.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return [{"path": path.as_posix(), "bytes": path.stat().st_size} for path in files]


def read_file(path: str) -> str:
    """Reads a text file.

    Args:
        path: which file.
    """
    with Path(path).open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace")


def search_files(folder: str, words: str) -> list[dict[str, object]]:
    """Finds the lines that contain the given words, in any letter case.

    Args:
        folder: where to look.
        words: what to look for.
    """
    hits: list[dict[str, object]] = []
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        for number, line in enumerate(read_file(path.as_posix()).splitlines(), 1):
            if words.lower() in line.lower():
                hits.append({"path": path.as_posix(), "line": number, "text": line[:200]})
                if len(hits) == _MOST_HITS:
                    return hits
    return hits
