"""What it costs to start: processor time of whole processes, interleaved, many times.

Beside agentgate: Python doing nothing, importing typer and rich, a bare typer application, and other programs that people start all day.
The median of each is divided by that of `python -c pass`, or of importing typer and rich, of the same run.
"""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.benchmarks.engines import ROOT
from tests.benchmarks.environments import Environments, Missing, environments, plain_environment
from tests.benchmarks.report import Aim, Chart, Line, Options, Report, Table
from tests.benchmarks.work import work

_TYPER_APP = """
import typer
app = typer.Typer()
@app.command()
def check(file: str) -> None: pass
@app.command()
def other(file: str) -> None: pass
app()
"""
_NAIVE = """
import json, sys, yaml, jsonschema
policy = yaml.safe_load(open(sys.argv[1]))
schema = json.load(open(sys.argv[2]))
print(len(list(jsonschema.Draft7Validator(schema).iter_errors(policy))))
"""
_PEERS = {"llm --version": ("llm", "llm"), "inspect --version": ("inspect-ai", "inspect"), "ruff --version": ("ruff", "ruff")}
PASS, TYPER = "python -c pass", "python -c 'import typer, rich'"
VERSION, CHECK, CHECK_1000, CHECK_10000 = (
    "agentgate --version",
    "agentgate check, a normal policy",
    "agentgate check, 1,000 rules",
    "agentgate check, 10,000 rules",
)


def run(options: Options) -> Report:
    """Starts everything again and again."""
    repetitions = 3 if options.quick else 21
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as name, environments(options) as peers:
        folder = Path(name)
        _write(folder)
        compileall.compile_dir(ROOT / "agentgate", quiet=2)  # as an installation does; else each start would compile what was edited
        commands = {**_own(folder), **_others(folder), **_peers(peers, notes)}
        environ = {**plain_environment(ROOT), "HOME": name, "COLUMNS": "80"}
        taken = measured(commands, repetitions, environ)
        taken |= measured(_large(folder), max(repetitions // 5, 1), environ)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    rows = [(name, ms * 1000, ms / medians[PASS], ms / medians[TYPER]) for name, ms in medians.items()]
    loading = loading_seconds(options)
    return Report(
        "start-up",
        "python -m tests.benchmarks start_up",
        str(__doc__),
        [Table("processor time of a process", ("process", "ms", "times `python -c pass`", "times importing typer and rich"), rows)],
        [
            Aim("`--version` against importing typer and rich", medians[VERSION] / medians[TYPER], most=1.15),
            Aim("`check` of a normal policy against importing typer and rich", medians[CHECK] / medians[TYPER], most=2.0),
            Aim("`check` of 1,000 rules against `python -c pass`", medians[CHECK_1000] / medians[PASS], most=10.0, missed=_WHY),
            Aim("loading 10,000 rules", loading, most=1.0, unit="s of processor time"),
        ],
        notes,
        [Chart("start_up", "Start-up", "", "ms of processor time", ["all"], [Line(name, [ms * 1000]) for name, ms in medians.items()])],
    )


_WHY = (
    "In multiples of `python -c pass`: Python itself 1; importing msgspec and PyYAML 3; jsonschema-rs 1, which reads the date of its own "
    "build with `email.utils`; RE2, rpds, jiter and OpenSSL's SHA-256 0.6; agentgate's own 150 modules 2. For 1,000 rules then: YAML 1.7, "
    "half of it libyaml and its events; making rules of it 1; compiling them 0.6; 35 audits 0.8. What is left of imports are libraries "
    "that a policy cannot be checked without, and typer is not among them any more."
)


def measured(commands: Mapping[str, Sequence[str | Path]], repetitions: int, environ: Mapping[str, str]) -> dict[str, list[float]]:
    """Processor seconds of each command, in turn; the first round warms files up and does not count."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for repetition in range(repetitions + 1):
        for name, command in commands.items():
            seconds = processor_seconds(command, environ)
            if repetition:
                taken[name].append(seconds)
    return taken


def processor_seconds(command: Sequence[str | Path], environ: Mapping[str, str]) -> float:
    """The processor time of a process, until it ends."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, env=dict(environ)
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"exit code {process.returncode}: {command}")
    return used.ru_utime + used.ru_stime


def loading_seconds(options: Options) -> float:
    """Processor seconds that `load_policy` takes for 10,000 rules, in a process that has loaded one before."""
    code = (
        "import sys, time; from agentgate import load_policy; load_policy(sys.argv[1]); began = time.process_time(); "
        "load_policy(sys.argv[2]); print(time.process_time() - began)"
    )
    taken = []
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name))
        for _ in range(1 if options.quick else 5):
            command: list[str | Path] = [sys.executable, "-c", code, Path(name, "10.yaml"), Path(name, "10000.yaml")]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=plain_environment(ROOT))
            taken.append(float(done.stdout))
    return statistics.median(taken)


def _own(folder: Path) -> dict[str, list[str | Path]]:
    own: list[str | Path] = [sys.executable, "-m", "agentgate"]
    return {
        PASS: [sys.executable, "-c", "pass"],
        TYPER: [sys.executable, "-c", "import typer, rich"],
        VERSION: [*own, "--version"],
        "agentgate --help": [*own, "--help"],
        CHECK: [*own, "check", "policies/strict.yaml"],
        "agentgate replay, one run": [*own, "replay", "tasks/upgrade_customer.recorded.jsonl", "--policy", "policies/strict.yaml"],
    }


def _large(folder: Path) -> dict[str, list[str | Path]]:
    own: list[str | Path] = [sys.executable, "-m", "agentgate", "check"]
    return {
        CHECK_1000: [*own, folder / "1000.yaml"],
        CHECK_10000: [*own, folder / "10000.yaml"],
        "PyYAML and jsonschema, 1,000 rules": [sys.executable, "-c", _NAIVE, folder / "1000.yaml", "policies/policy.schema.json"],
    }


def _others(folder: Path) -> dict[str, list[str | Path]]:
    (folder / "app.py").write_text(_TYPER_APP)
    return {
        "a bare typer application, --help": [sys.executable, folder / "app.py", "--help"],
        "a bare typer application, a command": [sys.executable, folder / "app.py", "check", "file"],
    }


def _peers(peers: Environments, notes: list[str]) -> dict[str, list[str | Path]]:
    found: dict[str, list[str | Path]] = {}
    for name, (distribution, program) in _PEERS.items():
        try:
            found[name] = [peers.python(distribution, [distribution]).parent / program, "--version"]
        except Missing as missing:
            notes.append(f"{distribution}: missing: {missing}")
    return found


def _write(folder: Path) -> None:
    """Policies of several sizes, as YAML."""
    for size in (10, 1_000, 10_000):
        rules = []
        for rule in work(size)["rules"]:
            made: dict[str, object] = {"id": rule["id"], rule["effect"]: rule["tool"]}
            if rule["test"]:
                made["when"] = {rule["argument"]: rule["value"] if rule["test"] == "is" else {"search": f"(?is){rule['value']}"}}
            made["message"] = f"this is what the owner of the tool wants to be told when {rule['id']} decides"
            rules.append(made)
        policy = {"version": 1, "name": f"rules-{size}", "rules": rules, "limits": {"steps": 10, "tool_calls": 20}}
        (folder / f"{size}.yaml").write_text(yaml.dump(policy, Dumper=yaml.CSafeDumper, sort_keys=False, width=1_000))
