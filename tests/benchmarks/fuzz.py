"""How long hostile inputs take for each 100 kB, at each of the seven places where bytes come in.

Seeds of the fuzzing (hostile cases among them) are blown up to 100 kB: whole ones, and random windows of them, repeated; and texts that
parsers are known to be slow about. The worst of each place is reported, in processor time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random

from tests.benchmarks.report import Aim, Options, Report, Table
from tests.fuzz.entries import ENTRIES
from tests.fuzz.seeds import seeds

SIZE = 100_000
_KNOWN = {
    "open lists": b"[",
    "open objects": b'{"a":',
    "open flow lists": b"- [",
    "quotes": b'"',
    "backslashes": b"\\",
    "digits": b"9",
    "keys": b'"a":1,',
    "lines of keys": b"a: b\n",
    "rules": b"  - {id: a, allow: b}\n",
    "questions": b"? ",
    "comments": b"# x\n",
    "events": b"data: {}\n\n",
    "empty lines": b"\n",
    "half characters": b"\xed\xa0\x80",
    "turned text": "\u202e".encode(),
    "tabs": b"\t",
    "carriage returns": b"\r",
    "spaces": b" ",
}


def run(options: Options) -> Report:
    """Blows up and measures."""
    rows, worst = [], 0.0
    for name, entry in ENTRIES.items():
        slowest, which = 0.0, ""
        for kind, data in _inputs(name, 20 if options.quick else 60):
            began = time.process_time()
            entry(data)
            taken = (time.process_time() - began) / max(len(data), 10_000) * 100_000
            if taken > slowest:
                slowest, which = taken, kind
        worst = max(worst, slowest)
        rows.append((name, slowest * 1000, which))
    return Report(
        "fuzz",
        "python -m tests.benchmarks fuzz",
        str(__doc__),
        [Table("the slowest hostile inputs, processor ms for each 100 kB", ("where", "ms", "what"), rows)],
        [Aim("the slowest input of all, for each 100 kB", worst, most=1.0, unit="s")],
        ["a long search for errors and for slow inputs: `python -m tests.fuzz --seconds 3600`"],
    )


def _inputs(name: str, windows: int) -> Iterator[tuple[str, bytes]]:
    for kind, piece in _KNOWN.items():
        yield kind, piece * (SIZE // len(piece))
        yield f"{kind}, in a value", b'{"a": "' + piece * (SIZE // len(piece))
        yield f"{kind}, after a key", b"rules:\n" + piece * (SIZE // len(piece))
    random = Random(0)
    known = [seed for seed in seeds(name) if seed]
    for index, seed in enumerate(known):
        yield f"seed {index}, repeated", seed * (SIZE // len(seed) + 1)
    for _ in range(windows):
        seed = random.choice(known)
        start = random.randrange(len(seed))
        piece = seed[start : start + random.randint(1, 60)]
        head, tail = seed[:start], seed[start:]
        yield "a window of a seed, repeated in its place", head + piece * (SIZE // len(piece)) + tail
