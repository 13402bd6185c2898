"""Tries mutants in forks of one process that has collected the tests: each by the tests that reach the function which it changes.

Collecting and importing happen once, and a fork stops at the first test that fails; so a mutant takes a tenth of a second, not ten. Runs
inside the copy that `tests.mutation` makes, where the modules in question are replaced by what mutmut makes of them.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from difflib import unified_diff
from functools import _lru_cache_wrapper
from itertools import accumulate
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from mutmut.mutation import trampoline
from mutmut.mutation.file_mutation import mutate_file_contents

from tests.mutation.reasons import OUTCOMES, Outcome, readable

MEMORY_BYTES = 4 * 1024**3
_KNOWN = Path("mutants.jsonl")
_OUTCOMES = {0: "survived", **dict.fromkeys((-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL), "timeout")}
"""Exit code → what became of a mutant. With any other it was killed: a test failed, or the process broke down."""


@dataclass(frozen=True)
class Mutant:
    """One change of one function."""

    name: str
    function: str
    """With its module, as mutmut spells it."""
    version: str
    """A hash of the function as it was, so that what was found about it holds as long as it stays the same."""
    change: str

    @property
    def module(self) -> str:
        """Where it is."""
        return self.name.rpartition(".")[0]


@dataclass
class Reach:
    """What the tests do without a mutant."""

    tests: dict[str, set[int]] = field(default_factory=dict)
    """Function → places of the tests that reach it."""
    seconds: list[float] = field(default_factory=list)
    """Place of a test → the processor time that it takes."""


def main(children: int, seconds: float, tests: Sequence[str], modules: Sequence[str]) -> int:
    """Makes the mutants of these modules, and tries all that nothing is known about."""
    mutants = [mutant for module in modules for mutant in made(module)]
    trial = Trial(mutants, children, seconds)
    options = ["-qs", "--assert=plain", "--tb=no", "-pno:cacheprovider", "-pno:logging", "-oaddopts=", "--import-mode=importlib"]
    failed = pytest.main([*options, *tests], plugins=[trial])
    with Path(OUTCOMES).open("w") as file:
        for mutant in mutants:
            outcome = Outcome(mutant.module, readable(mutant.function), mutant.change, trial.known.get(mutant.name, "not tried"))
            file.write(json.dumps(asdict(outcome)) + "\n")
    return 2 if failed else 0


def made(module: str) -> list[Mutant]:
    """Replaces a module by one with all its mutants in it."""
    file = Path(*module.split(".")).with_suffix(".py")
    mutated = mutate_file_contents(str(file), file.read_text())
    file.write_text(mutated.code)
    lines = mutated.code.splitlines(keepends=True)

    def text(name: str) -> list[str]:
        span = mutated.line_span_by_function_name[name]
        return dedent("".join(lines[span.start - 1 : span.end])).replace(name, "f").splitlines()

    mutants = []
    for name in mutated.mutant_names:
        function = name.rpartition("__mutmut_")[0]
        diff = list(unified_diff(text(f"{function}__mutmut_orig"), text(name), n=0, lineterm=""))[2:]
        change = "\n".join(line for line in diff if not line.startswith("@@"))
        mutants.append(Mutant(f"{module}.{name}", f"{module}.{function}", mutated.hash_by_function_name[function], change))
    return mutants


class Trial:
    """A plugin of pytest that tries mutants in place of running the tests."""

    def __init__(self, mutants: Sequence[Mutant], children: int, seconds: float) -> None:
        self._children = children
        self._seconds = seconds
        self._running: dict[int, Mutant] = {}
        self._killers: dict[str, Counter[int]] = {}
        """Function → places of the tests that noticed its mutants: the first to be asked about the next one."""
        self._turn: list[int] = []
        """Place of a test → which case of its function it is. The first ones of all functions tell more than all of one."""
        self.known = _known(mutants)
        """Mutant → what became of it."""
        self._wanted = [mutant for mutant in mutants if mutant.name not in self.known]

    def pytest_sessionstart(self) -> None:
        """Has Hypothesis try few examples, always the same ones."""
        from hypothesis import HealthCheck, settings

        few = settings(max_examples=20, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        settings.register_profile("mutation", few)
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measures once, then forks."""
        if session.testsfailed:
            raise session.Interrupted("the tests cannot be collected")
        began = time.monotonic()
        seen: Counter[str] = Counter()
        for item in session.items:
            seen[(test := item.nodeid.partition("[")[0])] += 1
            self._turn.append(seen[test])
        reach = _measured(session.items)
        if reach is None:
            raise session.Failed("a test fails without any mutant")
        gc.freeze()  # so that no fork copies what all have in common
        _say(f"{len(session.items)} tests take {sum(reach.seconds):.0f} s; {len(self._wanted)} mutants to try")
        for done, mutant in enumerate(self._wanted):
            while len(self._running) >= self._children:
                self._wait()
            self._start(mutant, session.items, reach)
            if done % 100 == 99:
                _say(f"{done + 1} of {len(self._wanted)}, {(time.monotonic() - began) / (done + 1):.2f} s each")
        while self._running:
            self._wait()
        return True

    def _start(self, mutant: Mutant, items: Sequence[pytest.Item], reach: Reach) -> None:
        known = self._killers.setdefault(mutant.function, Counter())
        likely = sorted(reach.tests.get(mutant.function, ()), key=lambda place: (-known[place], self._turn[place], reach.seconds[place]))
        so_far = accumulate(reach.seconds[place] for place in likely)
        chosen = [place for place, spent in zip(likely, so_far, strict=True) if spent <= self._seconds]
        pid = os.fork()
        if not pid:
            _under_test(mutant.name)
            expected = sum(reach.seconds[place] for place in chosen)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(30 + 5 * expected))
            resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + 5 + 3 * expected),) * 2)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            _silenced()
            failed = next((place for place in chosen if _fails(items[place], None)), None)
            Path(f"killer.{os.getpid()}").write_text("" if failed is None else str(failed))
            os._exit(int(failed is not None))
        self._running[pid] = mutant

    def _wait(self) -> None:
        pid, status = os.wait()
        mutant, code = self._running.pop(pid), os.waitstatus_to_exitcode(status)
        killer = Path(f"killer.{pid}")
        if killer.exists():
            if text := killer.read_text():
                self._killers[mutant.function][int(text)] += 1
            killer.unlink()
        outcome = self.known[mutant.name] = _OUTCOMES.get(code, "killed")
        with _KNOWN.open("a") as file:
            file.write(json.dumps({"name": mutant.name, "version": mutant.version, "outcome": outcome}) + "\n")


def _measured(items: Sequence[pytest.Item]) -> Reach | None:
    """Which tests reach which functions, found out in a fork so that nothing is remembered here; None where one fails."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        _silenced()
        reached: set[str] = set()
        _under_test("stats")
        trampoline.MutmutCallStack = _NoStack
        trampoline.record_trampoline_hit = lambda name, caller: reached.add(name)
        reach = Reach()
        caches = [
            found for found in gc.get_objects() if isinstance(found, _lru_cache_wrapper) and found.__module__.startswith("agentgate.")
        ]
        for place, item in enumerate(items):
            for cache in caches:
                cache.cache_clear()  # else only the first test that needs a result reaches what makes it
            began = time.process_time()
            reached.clear()
            if _fails(item, items[place + 1] if place + 1 < len(items) else None):
                os.write(write, pickle.dumps(item.nodeid))
                os._exit(1)
            reach.seconds.append(time.process_time() - began)
            for function in reached:
                reach.tests.setdefault(function, set()).add(place)
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(reach, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        found: Any = pickle.load(pipe)
    os.waitpid(pid, 0)
    if isinstance(found, Reach):
        return found
    _say(f"{found} fails")
    return None


class _NoStack:
    """In place of mutmut's account of who calls whom, which nobody asks for here and which takes its time."""

    get = staticmethod(lambda: (None, 0))
    set = staticmethod(lambda value: None)
    reset = staticmethod(lambda token: None)


def _under_test(name: str) -> None:
    """Says which mutant is meant from now on; without a look at the environment at each call of whatever function."""
    trampoline.get_mutant_under_test = lambda: name


def _fails(item: pytest.Item, following: pytest.Item | None) -> bool:
    before = item.session.testsfailed
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return item.session.testsfailed > before


def _silenced() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _known(mutants: Iterable[Mutant]) -> dict[str, str]:
    """What an earlier run found about mutants of functions that are still the same. Those that survived are tried again."""
    versions = {mutant.name: mutant.version for mutant in mutants}
    known: dict[str, str] = {}
    for line in _KNOWN.read_text().splitlines() if _KNOWN.exists() else ():
        entry = json.loads(line)
        if versions.get(entry["name"]) == entry["version"]:
            known[entry["name"]] = entry["outcome"]
    return {name: outcome for name, outcome in known.items() if outcome != "survived"}


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3].split(), sys.argv[4:]))
