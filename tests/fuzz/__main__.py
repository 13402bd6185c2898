"""`python -m tests.fuzz [NAME…] [--seconds N] [--seed N] [--keep FOLDER]`: fuzzes the entries for as long as it is told.

Every input that lets something else than our own errors out, or takes longer than a second for each 100 kB, is kept as a file; exits 1
then.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random

from tests.fuzz.entries import ENTRIES
from tests.fuzz.mutations import mutated, random_changes
from tests.fuzz.seeds import seeds

_SHORT = 10_000
"""Shorter inputs count as so many bytes: starting takes its time, too."""


def slow(seconds: float, size: int) -> bool:
    """Whether that is longer than a second for each 100 kB."""
    return seconds > max(size, _SHORT) / 100_000


def main(argv: list[str]) -> int:
    """Fuzzes, one entry after the other in short turns."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*ENTRIES, []], metavar="NAME", help=f"which entries; all by default: {', '.join(ENTRIES)}"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, all entries together")
    parser.add_argument("--seed", type=int, default=0, help="where chance begins")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="the folder for inputs that were found")
    asked = parser.parse_args(argv)
    names = asked.names or list(ENTRIES)
    known = {name: seeds(name) for name in names}
    random, until = Random(asked.seed), time.monotonic() + asked.seconds
    tried, found = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    while time.monotonic() < until:
        for name in names:
            for _ in range(50):
                data = mutated(random.choice(known[name]), random_changes(random), random.choice(known[name]))
                problem = _problem(name, data)
                tried[name] += 1
                if problem is not None:
                    found[name] += 1
                    _keep(asked.keep, name, data, problem)
    for name in names:
        sys.stdout.write(f"{name}: {tried[name]:,} inputs from {len(known[name])} seeds, {found[name]} findings\n")
    return int(any(found.values()))


def _problem(name: str, data: bytes) -> str | None:
    began = time.process_time()
    try:
        ENTRIES[name](data)
    except Exception as error:  # whatever it is, it is what is looked for
        return f"{type(error).__name__}: {str(error)[:200]}"
    seconds = time.process_time() - began
    return f"{seconds:.2f} s for {len(data)} bytes" if slow(seconds, len(data)) else None


def _keep(folder: Path, name: str, data: bytes, problem: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{abs(hash(data)):016x}"
    file.write_bytes(data)
    sys.stdout.write(f"{name}: {problem!r}: {file}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
