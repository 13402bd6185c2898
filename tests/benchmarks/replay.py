"""How fast recorded calls are judged again, beside a script with `json` and `fnmatch` over the same file."""

from __future__ import annotations

import json
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console

from agentgate.files.transcript import Transcript
from agentgate.files.transcript_reader import read_transcripts
from agentgate.replay import Replay, Tally
from tests.benchmarks.decision import policy

CONVERSATIONS = 2_000


def corpus(path: Path) -> None:
    """Writes conversations of four calls each, with results of a usual size."""
    names = ("customer_db", "http_get", "tool_4", "send_mail")
    with path.open("w") as file:
        for number in range(CONVERSATIONS):
            messages: list[dict[str, object]] = [{"role": "user", "content": f"Please look after customer {number}."}]
            for index, name in enumerate(names):
                arguments = json.dumps({"action": "read", "customer_id": number, "note": "a few words, as they occur in calls"})
                call = {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
                messages.append({"role": "tool", "tool_call_id": f"call_{index}", "content": "a result " * 100})
            file.write(json.dumps({"id": f"run-{number}", "messages": messages}) + "\n")


def judge(path: Path) -> int:
    """Replays the file and says how many calls it held."""
    replay, tally = Replay(policy(1_000)), Tally()
    for found in read_transcripts([path]):
        assert isinstance(found, Transcript)
        for _ in tally.run(replay.judge(found)):
            pass
    return tally.calls


def judge_plainly(path: Path) -> int:
    """What a short script would do: every rule of the policy, by tool name alone."""
    patterns = [rule.tools[0] for rule in policy(1_000).rules]
    calls = 0
    with path.open() as file:
        for line in file:
            for message in json.loads(line)["messages"]:
                for call in message.get("tool_calls", ()):
                    json.loads(call["function"]["arguments"])
                    any([fnmatchcase(call["function"]["name"], pattern) for pattern in patterns])  # noqa: C419 - all are tried
                    calls += 1
    return calls


def main() -> None:
    """Prints calls and megabytes a second, and the ratio."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "corpus.jsonl")
        corpus(path)
        size = path.stat().st_size / 1e6
        speeds = {}
        for name, work in (("agentgate", judge), ("json + fnmatch", judge_plainly)):
            began = time.perf_counter()
            calls = work(path)
            seconds = time.perf_counter() - began
            speeds[name] = calls / seconds
            console.print(f"replay, 1,000 rules, {name}: {calls / seconds:,.0f} calls/s, {size / seconds:.0f} MB/s")
    console.print(f"agentgate / json + fnmatch: {speeds['agentgate'] / speeds['json + fnmatch']:.1f} ×")
