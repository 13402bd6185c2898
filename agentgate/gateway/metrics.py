"""Counters and times in the text form that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from agentgate.core.events import CallDecided, Effect
from agentgate.files.gateway_records import Denial

_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds: upper bounds of the histogram's buckets."""


class Metrics:
    """What a gateway counts. Labels come from routes, statuses, the policy's own rules and closed lists: never from clients or models."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        """Route and status → requests."""
        self.decisions: Counter[tuple[str, str]] = Counter()
        """Effect, and rule or code → calls, and requests that were refused themselves."""
        self.trials: Counter[tuple[str, str]] = Counter()
        """Effect, and rule on trial → calls that it matched."""
        self.answers: Counter[str] = Counter()
        """`released` or `withheld` → answers."""
        self.upstream_errors: Counter[str] = Counter()
        """Kind → requests."""
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0

    def decided(self, calls: Iterable[CallDecided]) -> None:
        """Counts decisions."""
        for call in calls:
            self.decisions[call.effect._value_, call.rule or call.code._value_] += 1  # not `value`, which is a slow property
            for trial in call.trials:
                self.trials[trial.effect.value, trial.rule] += 1

    def denied(self, request: Denial) -> None:
        """Counts a request that was not sent on, or would not have been."""
        self.decisions[Effect.BLOCK.value, request.rule or request.code] += 1

    def added(self, seconds: float) -> None:
        """Notes how much longer an answer took than the upstream did."""
        self._sum += seconds
        for place, bound in enumerate(_BOUNDS):
            if seconds <= bound:
                self._buckets[place] += 1
                return
        self._buckets[-1] += 1

    def text(self) -> str:
        """All of it."""
        lines = _counter("agentgate_requests_total", "Requests by route and status.", ("route", "status"), self.requests)
        lines += _counter("agentgate_decisions_total", "Decisions by effect and rule.", ("effect", "rule"), self.decisions)
        lines += _counter("agentgate_trials_total", "Calls that rules on trial matched.", ("effect", "rule"), self.trials)
        lines += _counter("agentgate_answers_total", "Answers of the model.", ("result",), {(key,): n for key, n in self.answers.items()})
        kinds = {(key,): n for key, n in self.upstream_errors.items()}
        lines += _counter("agentgate_upstream_errors_total", "Requests that failed upstream.", ("kind",), kinds)
        name = "agentgate_added_seconds"
        lines += [f"# HELP {name} Time that the gateway added to an answer.", f"# TYPE {name} histogram"]
        count = 0
        for bound, found in zip((*map(str, _BOUNDS), "+Inf"), self._buckets, strict=True):
            count += found
            lines.append(f'{name}_bucket{{le="{bound}"}} {count}')
        lines += [f"{name}_sum {self._sum:.9g}", f"{name}_count {count}"]
        return "\n".join(lines) + "\n"


def _counter(name: str, help: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> list[str]:
    lines = [f"# HELP {name} {help}", f"# TYPE {name} counter"]
    for values, number in sorted(counts.items(), key=lambda item: tuple(map(str, item[0]))):
        shown = ",".join(f'{label}="{_escaped(str(value))}"' for label, value in zip(labels, values, strict=True))
        lines.append(f"{name}{{{shown}}} {number}")
    return lines


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
