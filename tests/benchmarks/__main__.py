"""`python -m tests.benchmarks [NAME…]`: measures, prints tables, asserts nothing."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = ("decision", "memory", "replay")


def main(names: list[str]) -> int:
    """Runs the named benchmarks, or all of them."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"unknown benchmark `{unknown[0]}`\nhelp: one of {', '.join(BENCHMARKS)}\n")
        return 2
    for name in names or BENCHMARKS:
        import_module(f"tests.benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
