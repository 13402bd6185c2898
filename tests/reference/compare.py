"""Compares the session with the reference on as many pairs of policy and call as are wanted.

From the root of the repository: `python -m tests.reference.compare 1000000`, optionally with the first seed after it.
"""

from __future__ import annotations

import sys
from collections import Counter
from random import Random

from .cases import play, random_case


def main(pairs: int, seed: int = 0) -> int:
    """Plays random cases until `pairs` calls were judged by both; 1 if they ever disagreed."""
    done = cases = 0
    disagreed = 0
    verdicts: Counter[str] = Counter()
    while done < pairs:
        case = random_case(Random(seed))
        for outcome in play(case):
            done += 1
            verdicts[f"{outcome.expected.effect.value} {outcome.expected.code.value}"] += 1
            if outcome.said != outcome.expected:
                disagreed += 1
                sys.stdout.write(f"seed {seed}: {outcome.call!r}\n  session   {outcome.said!r}\n  reference {outcome.expected!r}\n")
        seed += 1
        cases += 1
    counted = ", ".join(f"{count} {name}" for name, count in verdicts.most_common())
    sys.stdout.write(f"{done} pairs from {cases} cases, {disagreed} disagreements: {counted}\n")
    return 1 if disagreed else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
