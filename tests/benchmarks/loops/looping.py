"""What all loops are measured by, with the standard library alone: conversations of so many steps, and what they took."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

PROMPT = "Please add up {} numbers, one call after the other."
FEW, MANY = 5, 45
"""Steps of short and of long conversations; what a step takes is the difference."""


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def main(prepare: Callable[[str], Callable[[int], str]]) -> None:
    """Takes the server's URL and a number of conversations from the command line; the first conversation does not count."""
    url, conversations = sys.argv[1], int(sys.argv[2])
    os.environ.update({"OPENAI_API_KEY": "none", "OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false"})
    answers, sys.stdout = sys.stdout, sys.stderr
    converse = prepare(url)
    _taken(converse, FEW)
    taken = [_pair(converse) for _ in range(conversations)]
    step, waiting, besides = (sum(part) / conversations * 1000 for part in zip(*taken, strict=True))
    answers.write(json.dumps({"cpu_ms": step, "ms": waiting, "run_cpu_ms": besides}) + "\n")
    answers.flush()
    os._exit(0)


def _pair(converse: Callable[[int], str]) -> tuple[float, float, float]:
    """Seconds of processor time and of waiting that a step takes, and of processor time that a conversation takes besides."""
    few, many = _taken(converse, FEW), _taken(converse, MANY)
    step = (many[0] - few[0]) / (MANY - FEW)
    return step, (many[1] - few[1]) / (MANY - FEW), max(few[0] - FEW * step, 0.0)


def _taken(converse: Callable[[int], str], steps: int) -> tuple[float, float]:
    """Seconds of processor time, that of child processes too, and of waiting."""
    before, began = os.times(), time.perf_counter()
    answer = converse(steps)
    waited, after = time.perf_counter() - began, os.times()
    assert answer == "done", answer
    return sum(after[:4]) - sum(before[:4]), waited
