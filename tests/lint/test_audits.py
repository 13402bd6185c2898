"""Each lint code has a policy that shows it, and what it says there is kept beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from rpds import HashTrieSet

from agentgate import Session, ToolCall, load_policy
from agentgate.core.findings import Severity
from agentgate.core.lint import AUDITS, lint
from agentgate.files.codes import CODES
from agentgate.files.policy_file import read_policy
from tests.lint.cases import CASES, FOLDER, WITH_TOOLS, findings_of, shown, tools

_CALL = re.compile(r"this call (?P<words>[^:]*): (?P<tool>[\w.-]+)\((?P<arguments>.*)\)", re.DOTALL)
_RESULT = re.compile(
    r"this result is (?P<fate>cut|blocked) by rule `(?P<rule>.*)`: (?P<size>\d+) bytes of (?P<tool>[\w.-]+)( \((?P<setting>.*)\))?$"
)
_SETTING = re.compile(r"(?P<call>.*\)) \((?P<setting>(?:role|after) [^()]*)\)$", re.DOTALL)
_EFFECTS = {"passes": "allow", "asked about": "ask", "blocked": "block", "blocks": "block"}
_REQUEST = re.compile(r"the first request to the model is blocked: (?P<reason>.*)|the model is still asked again")
_POLICIES = sorted(path for path in (Path(__file__).parents[2] / "policies").glob("*.yaml") if not path.name.endswith(".test.yaml"))


@pytest.mark.parametrize("case", CASES)
def test_lint_says_what_is_kept_beside_the_policy(case: str) -> None:
    """The findings of each case, as `check` shows them, are the ones in the text file beside it."""
    assert shown(case) == (FOLDER / f"{case}.txt").read_text()


@pytest.mark.parametrize("code", sorted(AUDITS))
def test_every_code_has_a_case_that_shows_it(code: str) -> None:
    """A policy of the same name shows each code, as grave as it can be: a warning that loses its proof would only be a note."""
    assert (code, AUDITS[code].severity) in {(finding.code, finding.severity) for finding in findings_of(code)[0]}


@pytest.mark.parametrize("code", sorted(AUDITS))
def test_every_code_is_documented(code: str) -> None:
    """Each audit has a stable code of its own, a summary in one line, and documentation."""
    audit = AUDITS[code]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
    assert code not in CODES
    assert audit.summary
    assert "\n" not in audit.summary
    assert not audit.summary.endswith(".")
    assert audit.documentation.endswith(".")


@pytest.mark.parametrize("case", CASES)
def test_every_warning_shows_a_call(case: str) -> None:
    """What is only a warning, and no error, is proven by a call with its fate, or by a request to the model."""
    for finding in findings_of(case)[0]:
        if finding.severity is Severity.WARNING:
            assert any(proof.search(finding.help or "") for proof in (_CALL, _REQUEST, _RESULT)), finding


@pytest.mark.parametrize("case", CASES)
def test_the_results_that_are_shown_have_the_fate_that_is_claimed(case: str) -> None:
    """Every result in a help text, judged anew through a session, is blocked or cut by the rule that is named."""
    findings, reading = findings_of(case)
    assert reading.policy is not None
    shown = [found for finding in findings if (found := _RESULT.search(finding.help or "")) is not None]
    assert bool(shown) == (case == "idle-result-rule")
    for found in shown:
        role, after = _role_and_history(found["setting"] or "")
        session = Session(reading.policy, role=role)
        session.state = replace(session.state, returned=HashTrieSet(after))
        verdict = session.admit(
            ToolCall("call_1", found["tool"], "{}"), json.dumps({"ok": True, "result": "x" * int(found["size"])})
        ).verdict
        assert (verdict.rule, verdict.effect.value) == (found["rule"], {"cut": "cut", "blocked": "block"}[found["fate"]])


@pytest.mark.parametrize("case", CASES)
def test_the_calls_that_are_shown_have_the_fate_that_is_claimed(case: str) -> None:
    """Every call in a help text, judged anew through a session, passes, is asked about or is blocked as the text says."""
    findings, reading = findings_of(case)
    assert reading.policy is not None
    for finding in findings:
        found = _CALL.search(finding.help or "")
        if found is None:
            continue
        whole = f"{found['tool']}({found['arguments']})"
        setting = _SETTING.fullmatch(whole)
        role, after = _role_and_history(setting["setting"] if setting else "")
        session = Session(reading.policy, role=role, tools=tools() if case in WITH_TOOLS else None)
        session.state = replace(session.state, returned=HashTrieSet(after))
        arguments = _arguments((setting["call"] if setting else whole).removeprefix(f"{found['tool']}(").removesuffix(")"))
        decision = session.propose(ToolCall(id="call_1", name=found["tool"], arguments=json.dumps(arguments)))
        assert decision.effect == next(effect for words, effect in _EFFECTS.items() if words in found["words"]), finding.help
        for rule in re.findall("by rule `(.*)`", found["words"]):
            assert decision.rule == rule


def _role_and_history(setting: str) -> tuple[str | None, list[str]]:
    """Reads `role viewer, after login, logout` back."""
    role, _, after = setting.partition("after ")
    return (role.removeprefix("role ").removesuffix(", ") or None) if role else None, after.split(", ") if after else []


def _arguments(text: str) -> dict[str, object]:
    """Reads `name=value, …` back: values are JSON, but with control characters in strings as they are."""
    decoder, found, at = json.JSONDecoder(strict=False), {}, 0
    text = text.replace("\\", "\\\\").replace('\\\\"', '\\"')
    while at < len(text):
        name, _, _ = text[at:].partition("=")
        value, at = decoder.raw_decode(text, at + len(name) + 1)
        found[name] = value
        at += len(", ")
    return found


@pytest.mark.parametrize("path", _POLICIES, ids=lambda path: path.stem)
def test_shipped_policies_are_clean(path: Path) -> None:
    """The policies that people start from have no findings at all."""
    assert lint(load_policy(str(path))) == []


def test_a_sensible_policy_has_no_warnings() -> None:
    """The policy that shows every feature of the language is not warned about, with or without the tools of its task."""
    reading = read_policy(str(FOLDER / "good" / "support-strict.yaml"))
    assert reading.policy is not None, reading.findings
    assert [finding for finding in lint(reading.policy) if finding.severity is not Severity.NOTE] == []


def test_findings_come_in_the_order_of_the_file() -> None:
    """However many audits speak, the findings are in the order of the lines that they are about."""
    places = [(finding.place.line, finding.place.column) for finding in findings_of("never-matches")[0]]
    assert places == sorted(places)
    assert len(places) > 5
