"""`python -m tests.benchmarks.agentdojo CORPUS`: judges, scores, prints a table, and with `--plot FILE` draws it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.agentdojo.judging import CONFIGURATIONS, Corpus, disagreements
from tests.benchmarks.agentdojo.plot import svg
from tests.benchmarks.agentdojo.scoring import environment, score


def main() -> None:
    """Everything, one configuration after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="the folder with agentdojo.jsonl, policies, reference, scripts and tools")
    parser.add_argument("--environment", type=Path, help="where AgentDojo is, or shall be, installed; a throw-away folder by default")
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    arguments = parser.parse_args()
    corpus = Corpus(arguments.corpus.resolve())
    with tempfile.TemporaryDirectory() as throw_away:
        python = environment(arguments.environment or Path(throw_away))
        scores = {}
        _say(f"{'':<28}{'benign':>10}{'attacked':>10}{'attacks':>10}{'refused':>16}")
        for name, decide in CONFIGURATIONS.items():
            decisions = decide(corpus)
            found = scores[name] = score(corpus, decisions, python)
            percent = f"{found.utility:>9.1f}%{found.utility_under_attack:>9.1f}%{found.attack_success:>9.1f}%"
            _say(f"{name:<28}{percent}{found.refused:>8,} of {found.calls:,}")
    differing = disagreements(corpus, CONFIGURATIONS["Progent's manual policies"](corpus))
    _say(f"calls that Progent's own decisions and ours differ about: {len(differing)}")
    for id, index in differing:
        _say(f"  {id}#{index}")
    if arguments.plot is not None:
        arguments.plot.write_text(svg(scores))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
