"""What all engines are measured by: the standard library alone, in whatever environment the engine lives.

An engine is a script with a function `prepare(work)` that gives back `judge(tool, arguments)`: whether a call is allowed, given the tool's
name and the model's raw JSON text. `serve(prepare)` answers questions, one JSON object a line, until its input ends.
"""

from __future__ import annotations

import gc
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import Any

Judge = Callable[[str, str], bool]
_CUSTOMER = re.compile('"customer_id": [0-9]+')


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
    numbers = count(1_000_000)
    for line in sys.stdin:
        question = json.loads(line)
        around = fresh(calls, numbers) if question.get("fresh") else cycle(calls)
        _answer(answers, measured(judge, around, len(calls), question["seconds"]))


def fresh(calls: list[tuple[str, str]], numbers: Iterator[int]) -> Iterator[tuple[str, str]]:
    """The calls again and again, each time about another customer, so that no arguments ever come twice."""
    for tool, arguments in cycle(calls):
        yield tool, _CUSTOMER.sub(f'"customer_id": {next(numbers)}', arguments)


def measured(judge: Judge, around: Iterator[tuple[str, str]], least: int, seconds: float) -> dict[str, Any]:
    """The median and the 99th percentile of one decision's processor time in µs, without what reading the clock takes.

    Processor time, so that whoever judges slowly is not charged for being interrupted. At least so many calls are judged.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    clock = time.process_time_ns
    taken = []
    own = sorted(-(clock() - clock()) for _ in range(2001))[1000]
    until = clock() + int(seconds * 1e9)
    while len(taken) < least or clock() < until:
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
