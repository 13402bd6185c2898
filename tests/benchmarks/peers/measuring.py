"""What all engines are measured by: the standard library alone, in whatever environment the engine lives.

An engine is a script with a function `prepare(work)` that gives back `judge(tool, arguments)`: whether a call is allowed, given the tool's
name and the model's raw JSON text. `serve(prepare)` answers questions, one JSON object a line, until its input ends.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

Judge = Callable[[str, str], bool]


def serve(prepare: Callable[[dict[str, Any]], Judge]) -> None:
    """Prepares the first line's work, says what it decides about every call, then measures as often as it is asked."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    work = json.loads(sys.stdin.readline())
    began = time.process_time()
    judge = prepare(work)
    loading = time.process_time() - began
    _answer(answers, {"seconds": loading, "decisions": [judge(call["tool"], call["arguments"]) for call in work["calls"]]})
    calls = [(call["tool"], call["arguments"]) for call in work["timed"]]
    for line in sys.stdin:
        _answer(answers, measured(judge, calls, json.loads(line)["seconds"]))


def measured(judge: Judge, calls: list[tuple[str, str]], seconds: float) -> dict[str, Any]:
    """The median and the 99th percentile of one decision's processor time in µs, without what reading the clock takes.

    Processor time, so that whoever judges slowly is not charged for being interrupted. Every call is judged once at least.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    clock = time.process_time_ns
    taken = []
    around = cycle(calls)
    own = sorted(-(clock() - clock()) for _ in range(2001))[1000]
    until = clock() + int(seconds * 1e9)
    while len(taken) < len(calls) or clock() < until:
        tool, arguments = next(around)
        began = clock()
        judge(tool, arguments)
        taken.append(max(clock() - began - own, 1))
    gc.enable()
    taken.sort()
    return {"p50": taken[len(taken) // 2] / 1000, "p99": taken[min(len(taken) * 99 // 100, len(taken) - 1)] / 1000, "decisions": len(taken)}


def _answer(answers: Any, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()
