"""What the benchmarks stand on: the same rules and calls for everybody, peers that say what they need, aims, tables and charts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.charts import svg
from tests.benchmarks.engines import PEERS, ROOT
from tests.benchmarks.environments import Environments, Missing, plain_environment, requirements
from tests.benchmarks.recording import Taken, record
from tests.benchmarks.report import Aim, Chart, Line, Report, Table, number
from tests.benchmarks.work import work
from tests.benchmarks.writing import as_markdown, as_text

SCRIPTS = sorted(path.stem for path in PEERS.glob("*.py") if path.stem not in ("__init__", "measuring"))


def test_agentgate_and_a_plain_loop_agree() -> None:
    """The work says one thing: two engines that share no code decide the same, and both answers occur."""
    answers = []
    for name in ("agentgate_session", "plain_loop"):
        asked = json.dumps(work(100)) + "\n" + json.dumps({"seconds": 0}) + "\n"
        done = subprocess.run(
            [sys.executable, PEERS / f"{name}.py"], input=asked, capture_output=True, text=True, check=True, env=plain_environment(ROOT)
        )
        prepared, measured = (json.loads(line) for line in done.stdout.splitlines())
        assert measured["decisions"] >= len(work(100)["timed"])
        answers.append(prepared["decisions"])
    assert answers[0] == answers[1]
    assert 10 < sum(answers[0]) < len(answers[0]) - 10


@pytest.mark.parametrize("name", SCRIPTS)
def test_peers_say_what_they_need(name: str) -> None:
    """Each says so at its top; those that need nothing are agentgate itself and the plain loop."""
    own = name in ("agentgate_session", "plain_loop")
    assert bool(requirements(PEERS / f"{name}.py")) is not own


@pytest.mark.parametrize("peers", ["none", "installed"])
def test_nothing_is_installed_unasked(peers: str, tmp_path: Path) -> None:
    """A peer that may not be installed is missing, and said to be."""
    with pytest.raises(Missing):
        Environments(tmp_path, peers).python("peer", ["something"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", ["a dangling link", "a dangling interpreter", "a file"])
def test_broken_environments(left: str, tmp_path: Path) -> None:
    """What a cache holds of an environment that is gone is made anew, and where that is not wanted, or fails, the peer is missing."""
    cached = tmp_path / "peer"
    if left == "a dangling link":
        cached.symlink_to(tmp_path / "gone")
    elif left == "a file":
        cached.write_text("")
    else:
        (cached / "bin").mkdir(parents=True)
        (cached / "bin" / "python").symlink_to(tmp_path / "gone")
        (cached / "installed.txt").write_text("./nothing-of-that-name")
    with pytest.raises(Missing, match="does not work any more"):
        Environments(tmp_path, "installed").python("peer", ["./nothing-of-that-name"])
    with pytest.raises(Missing, match="cannot be installed"):
        Environments(tmp_path, "all").python("peer", ["./nothing-of-that-name"])
    assert (cached / "bin" / "python").exists()
    assert not cached.is_symlink()


@pytest.mark.parametrize(
    ("aim", "met"),
    [
        (Aim("a", 5.0, most=5.0), True),
        (Aim("a", 5.1, most=5.0), False),
        (Aim("a", 5.0, least=5.0), True),
        (Aim("a", 4.9, least=5.0), False),
    ],
    ids=lambda value: str(value) if isinstance(value, bool) else "",
)
def test_aims(aim: Aim, met: bool) -> None:
    """An aim is met up to its bound; one that is missed says so loudly."""
    assert aim.met is met
    assert ("MISSED" in aim.sentence) is not met


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.0042, "0.0042"), (4.56, "4.56"), (45.6, "45.6"), (45678.9, "45,679")])
def test_figures(value: float | None, shown: str) -> None:
    """Figures have as many digits as mean something."""
    assert number(value) == shown


def test_reports() -> None:
    """A report is the same as text and as Markdown; its charts are well-formed, whatever the names are."""
    lines = Chart("c", "A & B", "rules", "µs", ["10", "100"], [Line("agentgate", [1.0, 1.1]), Line("<peer>", [10.0, None])])
    bars = Chart("b", "Bars", "", "ms", ["all"], [Line("agentgate", [1.0]), Line("other", [3.0])])
    report = Report(
        "name",
        "command",
        "what is measured",
        [Table("title", ("engine", "µs"), [("agentgate", 1.5)])],
        [Aim("a", 1.0, most=2.0)],
        ["note"],
        [lines, bars],
    )
    text, page = as_text(report), as_markdown([Taken(report, {"date": "today"}, 5.0, quick=True)])
    for part in ("agentgate", "1.50", "note", "met: a"):
        assert part in text
        assert part in page
    for chart in (lines, bars):
        assert ET.fromstring(svg(chart)).tag.endswith("svg")


def test_what_was_recorded_stays_until_it_is_taken_anew(tmp_path: Path) -> None:
    """One benchmark can be taken again without the others; the page has all of them in their order, each with its own date."""
    files = {"results": tmp_path / "results.json", "page": tmp_path / "RESULTS.md", "charts": tmp_path / "charts"}
    bars = Chart("b", "Bars", "", "ms", ["all"], [Line("agentgate", [1.0])])

    def taken(name: str, date: str) -> dict[str, Taken]:
        report = Report(name, "command", "", [Table("title", ("engine", "µs"), [("agentgate", 1.5), ("other", None)])], charts=[bars])
        return {name: Taken(report, {"date": date}, 5.0)}

    record(taken("second", "monday"), ("first", "second"), **files)
    record(taken("first", "tuesday"), ("first", "second"), **files)
    record(taken("second", "wednesday"), ("first", "second"), **files)
    page = files["page"].read_text()
    assert page.index("tuesday") < page.index("wednesday")
    assert "monday" not in page
    assert page.count("## first") == page.count("## second") == 1
    assert (files["charts"] / "b.svg").exists()
