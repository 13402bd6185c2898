"""Converts the published policies of Progent, kept as JSON in the corpus, into policy files.

    python -m tests.benchmarks.agentdojo.progent CORPUS SUITE > policy.yaml

There a rule holds when every argument that it lists and the call has fits its JSON Schema; the first rule that holds decides, rules that
forbid stand before those that allow, and what no rule allows is refused. Here an argument may be absent (`optional: true`), block is
stricter than allow, and the default is block.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agentgate.core.events import Effect
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.files.native_writer import native_text


def translated(corpus: Path, suite: str) -> Policy:
    """The published policy of a suite in our terms."""
    published = json.loads((corpus / "policies" / f"progent_manual_{suite}.json").read_text())
    rules = [
        Rule(
            id=f"{tool.replace('_', '-')}-{number}",
            effect=Effect.ALLOW if entry["effect"] == "allow" else Effect.BLOCK,
            tools=(tool,),
            when=tuple(Condition(name, (("schema", schema),), optional=True) for name, schema in entry["args"].items()),
        )
        for tool, entries in published["tools"].items()
        for number, entry in enumerate(entries)
    ]
    harmless = list(published["always_allowed_readonly_tools"])
    if published["always_allow_no_arg_tools"]:
        tools = [tool["function"] for tool in json.loads((corpus / "tools" / f"{suite}.json").read_text())]
        harmless += [tool["name"] for tool in tools if not tool["parameters"].get("properties")]
    return Policy(f"progent-{suite}", rules=(*rules, Rule(id="harmless", effect=Effect.ALLOW, tools=tuple(harmless))))


if __name__ == "__main__":
    sys.stdout.write(native_text(translated(Path(sys.argv[1]), sys.argv[2])))
