"""`GET /metrics`: what a gateway counted, and how much time it added, as Prometheus reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agentgate.gateway.metrics import Metrics
from agentgate.gateway.stopwatch import Stopwatch
from tests.gateway.serving import Served, call_delta, sse
from tests.scripted_server import ScriptedServer, call, chat, error

ALLOWED, REFUSED = chat(calls=[call("read")]), chat(calls=[call("delete")])


def samples(text: str) -> Mapping[str, float]:
    """What the lines say, by name and labels."""
    return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*(?: \S+=\S+)*) (\S+)$", text, re.MULTILINE)}


def test_everything_that_happened_is_counted(tmp_path: Path) -> None:
    """Requests by route and status, decisions by effect and rule, answers by what became of them, failures by kind."""
    with ScriptedServer(ALLOWED, REFUSED, error(500, "no")) as upstream, Served(tmp_path, upstream) as gateway:
        assert [gateway.ask().status for _ in range(3)] == [200, 409, 500]
        gateway.send("GET", "/nowhere")
        found = samples(gateway.send("GET", "/metrics").raw.decode())
    route = 'route="/v1/chat/completions"'
    assert {name: value for name, value in found.items() if "_added_" not in name} == {
        f'agentgate_requests_total{{{route},status="200"}}': 1,
        f'agentgate_requests_total{{{route},status="409"}}': 1,
        f'agentgate_requests_total{{{route},status="500"}}': 1,
        'agentgate_requests_total{route="other",status="404"}': 1,
        'agentgate_decisions_total{effect="allow",rule="allow-read"}': 1,
        'agentgate_decisions_total{effect="block",rule="default"}': 1,
        'agentgate_answers_total{result="released"}': 1,
        'agentgate_answers_total{result="withheld"}': 1,
        'agentgate_upstream_errors_total{kind="status"}': 1,
    }


def test_the_time_that_was_added_is_noted_of_every_answer(tmp_path: Path) -> None:
    """Of those that were let go, of those that were withheld, and of streams; where the upstream gave none, nothing was added to it."""
    stream = sse({"content": "Well. "}, call_delta("read"), finish="tool_calls")
    with ScriptedServer(ALLOWED, REFUSED, stream, error(500, "no")) as upstream, Served(tmp_path, upstream) as gateway:
        asked: list[dict[str, Any]] = [{}, {}, {"stream": True}, {}]
        assert [gateway.ask(**more).status for more in asked] == [200, 409, 200, 500]
        found = samples(gateway.send("GET", "/metrics").raw.decode())
    assert found["agentgate_added_seconds_count"] == 3
    assert found["agentgate_added_seconds_sum"] > 0
    assert found['agentgate_added_seconds_bucket{le="+Inf"}'] == 3


def test_what_is_waited_for_the_upstream_is_not_added() -> None:
    """The clock stands still from asking to the last byte, each time."""
    times = iter([10.0, 11.0, 21.0, 21.5, 31.5, 33.5])
    watch = Stopwatch(times.__next__)
    for _ in range(2):
        watch.pause()
        watch.go_on()
    assert watch.seconds() == 1.0 + 0.5 + 2.0


def test_each_bucket_holds_those_below_it() -> None:
    """A time at a bound belongs to it, and the last bucket has all."""
    metrics = Metrics()
    for seconds in (0.00005, 0.0005, 0.0006, 7.0):
        metrics.added(seconds)
    found = samples(metrics.text())
    bounds = ("0.0001", "0.0005", "0.001", "1.0", "+Inf")
    assert [found[f'agentgate_added_seconds_bucket{{le="{bound}"}}'] for bound in bounds] == [1, 2, 3, 3, 4]
    assert found["agentgate_added_seconds_sum"] == 7.00115
