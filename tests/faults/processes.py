"""Real `agentgate` commands in a folder, broken at any step, with tools that leave a witness of everything that they do."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agentgate.files.transcript_verify import UNENDED, verify
from tests.faults.lives import recorded

ROOT = Path(__file__).parents[2]
TOOLS = '''
import json
import os


def _effect(name: str, n: int) -> str:
    _moment("before", n)
    witness = os.open("witness", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(witness, f"{name} {n}\\n".encode())
    os.fsync(witness)
    os.close(witness)
    _moment("after", n)
    return f"{name} {n} done"


def _moment(when: str, n: int) -> None:
    """Sends the run a signal, where somebody wants that."""
    with open("moment.json") as file:
        wanted = json.load(file)
    if wanted and (wanted["when"], wanted["n"]) == (when, n):
        with open("pid") as file:
            os.kill(int(file.read()), wanted["signal"])


def read(n: int) -> str:
    """Reads something."""
    return _effect("read", n)


def pay(n: int) -> str:
    """Pays something."""
    return _effect("pay", n)


def drop(n: int) -> str:
    """Drops something."""
    return _effect("drop", n)


def charge(n: int) -> str:
    """Charges something."""
    return _effect("charge", n)
'''
POLICY: dict[str, Any] = {
    "version": 1,
    "name": "witnessed",
    "rules": [{"id": "read", "allow": ["read", "charge"]}, {"id": "big", "ask": "pay"}, {"id": "never", "block": "drop"}],
    "once": "charge",
    "limits": {"tokens": 5000, "tools": {"read": {"per_day": 4}}},
}
MODEL = [["read 1", "pay 2", "drop 3", "charge 4"], ["charge 4", "read 5"], ["pay 6"], []]
"""What the model proposes, an answer each; the last one has no calls."""
_PATIENCE = 180.0
"""Seconds for one command, however busy the machine is."""
EFFECTS = ("read 1", "pay 2", "charge 4", "read 5", "pay 6")
"""What comes of it, where nothing goes wrong."""
ALONE = ("--policy", "policy.yaml", "--model", "recorded")
OPTIONS = (*ALONE, "--approve", "always", "--idempotency-scope", "order-7")


@dataclass(frozen=True)
class Done:
    """What a process leaves."""

    code: int
    """Negative where a signal ended it."""
    out: str
    err: str
    log: tuple[str, ...]
    """What was counted of it."""

    @property
    def in_words(self) -> bool:
        """Whether it ended as commands end: one message at most, and never a traceback."""
        return "Traceback" not in self.out + self.err and self.err.count("error: ") <= 1


class Nursery:
    """Starts commands; to be closed."""

    def __init__(self) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def run(self, folder: Path, arguments: Sequence[str], faults: Mapping[str, Any] | None = None, **order: Any) -> Done:
        """Runs a command to its end, and waits for everything that it started.

        Args:
            folder: where.
            arguments: of the command line.
            faults: what breaks, as `Faults` takes it; a `signal` in place of SIGKILL.
            order: `back`, by how many seconds the machine's clock is wrong; `room`, how many bytes a file may have.
        """
        self.start(folder, arguments, faults, **order)
        return self.end(folder)

    def start(self, folder: Path, arguments: Sequence[str], faults: Mapping[str, Any] | None = None, **order: Any) -> None:
        """Does not wait for its end."""
        environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "HOME": str(folder)}
        order |= {"folder": str(folder), "arguments": [*arguments], "faults": dict(faults or {}), "environ": environ}
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()

    def end(self, folder: Path) -> Done:
        """Waits for what was started in that folder."""
        assert self._zygote.stdout is not None
        if not select.select([self._zygote.stdout], [], [], _PATIENCE)[0]:
            self._zygote.kill()
            raise AssertionError("a command does not come to its end")
        code, stayed = self._zygote.stdout.readline().split()
        assert stayed == "0", "processes outlived the one that started them"
        read = [(folder / name).read_text() for name in ("out", "err", "log")]
        return Done(int(code), read[0], read[1], tuple(read[2].split()))

    def close(self) -> None:
        self._zygote.communicate()


class Place:
    """A folder with a task, its tools, its recording and a policy; and one run in it."""

    def __init__(self, folder: Path, nursery: Nursery, *, policy: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self._nursery = nursery
        folder.mkdir(exist_ok=True)
        (folder / "tools.py").write_text(TOOLS)
        (folder / "policy.yaml").write_text(yaml.safe_dump({**POLICY, **(policy or {})}))
        (folder / "task.yaml").write_text(yaml.safe_dump(TASK))
        (folder / "played.jsonl").write_text(recording(MODEL))
        self.moment()

    def moment(self, **wanted: Any) -> None:
        """From now on a tool sends this signal `when` (before or after its effect) it is called with that `n`; without any, none does."""
        (self.folder / "moment.json").write_text(json.dumps(wanted))

    def command(self, *arguments: str, faults: Mapping[str, Any] | None = None, **order: Any) -> Done:
        """Runs `agentgate`, and checks that it ends in words and leaves a whole record."""
        done = self._nursery.run(self.folder, arguments, faults, **order)
        assert done.in_words, done.err + done.out
        self.check()
        return done

    def run(
        self,
        faults: Mapping[str, Any] | None = None,
        *,
        transcript: str = "run.jsonl",
        options: Sequence[str] = OPTIONS,
        **order: Any,
    ) -> Done:
        """The task from its beginning; for another transcript than the usual one, the task beside it."""
        task = "task.yaml" if transcript == "run.jsonl" else f"{transcript}.yaml"
        return self.command("run", task, *options, "--transcript", transcript, faults=faults, **order)

    def another_task(self, transcript: str, model: Sequence[Sequence[str]]) -> None:
        """A task that proposes other calls, for another transcript."""
        (self.folder / f"{transcript}.played").write_text(recording(model))
        (self.folder / f"{transcript}.yaml").write_text(yaml.safe_dump({**TASK, "recording": f"{transcript}.played"}))

    def records(self, name: str = "run.jsonl") -> list[dict[str, Any]]:
        """The whole lines of the transcript."""
        path = self.folder / name
        return recorded(path.read_bytes()) if path.exists() else []

    @property
    def transcripts(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("run*.jsonl"))

    @property
    def witnesses(self) -> list[str]:
        """What the tools really did, in order."""
        path = self.folder / "witness"
        return path.read_text().splitlines() if path.exists() else []

    def status(self, name: str = "run.jsonl") -> str | None:
        """How the run ended; None where it did not."""
        records = self.records(name)
        return records[-1].get("status") if records else None

    def go_on(self, name: str = "run.jsonl", *more: str, faults: Mapping[str, Any] | None = None, **order: Any) -> Done:
        """`resume`, with nobody to ask unless `more` says so. What was done, and has no answer on record, is told as perhaps run."""
        lost = self._lost(name)
        done = self.command("resume", name, *more, faults=faults, **order)
        if done.code in (0, 1):
            unknown = {event["call_id"] for event in self.records(name) if event["type"] == "tool_returned" and event["unknown"]}
            assert lost <= unknown
        return done

    def finish(self, name: str = "run.jsonl") -> None:
        """Goes on until the run is done: first with the answers that there are by default, then with yes to everything."""
        for more in ((), ("--approve", "always"), ("--approve", "always")):
            if self.status(name) == "done":
                break
            if not self.records(name):
                (self.folder / name).unlink(missing_ok=True)
                done = self.run(transcript=name)
            else:
                done = self.go_on(name, *more)
            assert done.code in (0, 1), done.err + done.out
        assert self.status(name) == "done"
        self.check_done(name)

    def _lost(self, name: str) -> set[str]:
        """Calls with a witness, and without an answer on record."""
        answered = {event["call_id"] for event in self.records(name) if event["type"] == "tool_returned"}
        decided = [event for event in self.records(name) if event["type"] == "call_decided" and event["effect"] != "block"]
        return {event["call_id"] for event in decided if _effect(event) in self.witnesses and event["call_id"] not in answered}

    def check(self) -> None:
        """Whatever happened: what was done is on record as let through, nothing was done twice, and the chains are whole."""
        counted = Counter(self.witnesses)
        assert max(counted.values(), default=1) == 1, counted
        permitted: set[str] = set()
        for name in self.transcripts:
            assert _problems(self.folder / name) == []
            permitted |= _permitted(self.records(name))
        assert set(counted) <= permitted

    def check_done(self, name: str = "run.jsonl") -> None:
        """A run that is over: every call has its one answer, and the answers are true."""
        assert verify(self.folder / name).problems == ()
        records = self.records(name)
        decided = {event["call_id"]: _effect(event) for event in records if "arguments" in event}
        returned = [event for event in records if event["type"] == "tool_returned"]
        assert sorted(event["call_id"] for event in returned) == sorted(decided)
        for event in returned:
            if event["executed"] and not event["unknown"]:
                assert decided[event["call_id"]] in self.witnesses


TASK: dict[str, Any] = {
    "version": 1,
    "name": "witnessed",
    "prompt": "do it",
    "model": "openai:scripted",
    "recording": "played.jsonl",
    "tools": [{"python": f"tools.py:{name}"} for name in ("read", "pay", "drop", "charge")],
}


def recording(answers: Sequence[Sequence[str]]) -> str:
    """A recording that plays these calls."""
    lines: list[dict[str, Any]] = [{"type": "run_started", "at": "2026-03-02T09:00:00Z", "run_id": "played", "model": "m", "messages": []}]
    count = 0
    for step, calls in enumerate(answers, 1):
        message: dict[str, Any] = {"role": "assistant", "content": None if calls else "done"}
        for call in calls:
            count += 1
            name, _, n = call.partition(" ")
            function = {"name": name, "arguments": json.dumps({"n": int(n)})}
            message.setdefault("tool_calls", []).append({"id": f"call_{count}", "type": "function", "function": function})
        lines.append(
            {
                "type": "model_replied",
                "at": "2026-03-02T09:00:01Z",
                "step": step,
                "message": message,
                "finish_reason": "tool_calls" if calls else "stop",
                "usage": {"input_tokens": 100, "output_tokens": 20},
            }
        )
    return "".join(json.dumps(line) + "\n" for line in lines)


def _effect(decided: Mapping[str, Any]) -> str:
    """The line that a call leaves as its witness."""
    return f"{decided['tool']} {json.loads(decided['arguments'])['n']}"


def _permitted(records: Sequence[Mapping[str, Any]]) -> set[str]:
    """What a record lets tools do, as `tool n`."""
    approved = {event["call_id"] for event in records if event["type"] == "approval_answered" and event["answer"] == "approve"}
    return {
        _effect(event)
        for event in records
        if event["type"] == "call_decided" and (event["effect"] == "allow" or (event["effect"] == "ask" and event["call_id"] in approved))
    }


def _problems(path: Path) -> list[str]:
    """What an audit finds in the whole lines, apart from a missing end."""
    data = path.read_bytes()
    whole = path.with_suffix(".whole")
    whole.write_bytes(data[: data.rfind(b"\n") + 1])
    found = [problem.what for problem in verify(whole).problems] if whole.stat().st_size else []
    whole.unlink()
    return [what for what in found if what != UNENDED]
