"""The corpora about paths, URLs, commands, SQL and mail, judged by the operators made for them."""

from __future__ import annotations

import json

import pytest

from agentgate import Session, ToolCall, load_policy
from agentgate.cases import resolver

from .test_hostile_calls import CORPUS, cases_in, fits
from .translation import DATA, tools_of

FILES = {"05_paths": "P_FILES", "06_urls": "P_HTTP", "07_shell": "P_SHELL", "08_sql": "P_SQL", "10_mail_headers": "P_MAIL"}


@pytest.mark.parametrize("name", FILES)
def test_the_operators_hold_against_the_corpus(name: str) -> None:
    """Nothing that must be blocked is allowed, and nothing that must be allowed is refused."""
    file = CORPUS / f"{name}.jsonl"
    if not file.exists():
        pytest.skip(f"the hostile corpus is not here; set AGENTGATE_HOSTILE to the folder that holds {file.name}")
    policy = load_policy(str(DATA / "operators" / f"{FILES[name]}.yaml"))
    specification = json.loads((CORPUS / "policies.json").read_text(encoding="utf-8"))[FILES[name]]
    tools = tools_of(FILES[name], specification, in_rules=True)
    wrong, allowed = [], 0
    for case in cases_in(file):
        links = (case.get("fixture") or {}).get("symlinks", {})
        session = Session(policy, tools=tools, workdir="/srv/project", resolve=resolver(links))
        for proposed, expected in zip(case["tool_calls"], case["expected_calls"], strict=True):
            decision = session.propose(ToolCall(proposed.get("id"), proposed.get("name"), proposed.get("arguments")))
            passes = decision.effect == "allow"
            allowed += passes
            if not fits(decision, passes, expected, case.get("alt_ok") or []):
                wrong.append((case["id"], proposed["arguments"], expected, decision.reason))
    assert wrong == []
    assert allowed > 0
