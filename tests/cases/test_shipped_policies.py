"""The tests of the shipped policies would notice: every rule, limit and condition that is taken away makes one of them fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from agentgate.cases import run_suite
from agentgate.core.policy import Policy
from agentgate.core.redaction.redactor import ARGUMENTS, RESULTS, TEXT, Redactor
from agentgate.policy_tests import Suite
from agentgate.suites import load_suites

ROOT = Path(__file__).parents[2]
LOCKED_TWICE = {
    "read-business (0)", "pay-named (1)", "pay-named (2)", "own-data-named (0)", "password-named (1)",
    "address-from-document (0)", "address-from-document (1)",
}  # fmt: skip
"""Conditions of an allow rule that an ask or block rule states once more, so that one of them may go without anything being let through."""
RECORDED = {
    "banking": {
        "Card 4111 1111 1111 1111, to GB29NWBK60161331926819": "Card [redacted:credit_cards], to GB29NWBK60161331926819",
        "https://anna:hunter2secret@bank.example/": "https://anna:[redacted:passwords_in_urls]@bank.example/",
        '{"password": "hunter2secret", "street": "Main St 1"}': '{"password": "[redacted:named_secrets]", "street": "Main St 1"}',
        "write to anna@example.com": "write to anna@example.com",
    },
    "support-roles": {
        "sk-ant-api03-FAKEFAKEFAKEFAKEFAKE": "[redacted:api_keys]",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----": "[redacted:private_keys]",
        "token=abcdefgh12345": "token=[redacted:named_secrets]",
        "write to anna@example.com": "write to [redacted:email_addresses]",
    },
}
"""What the shipped policies with `redact` leave of a text in the record, a text for each detector."""
SUITES = load_suites([str(ROOT / "policies")])


def weakened(policy: Policy) -> Iterator[tuple[str, Policy]]:
    """The policy with one thing less, and what that is."""
    for index, limit in enumerate(policy.limits):
        yield limit.id, replace(policy, limits=policy.limits[:index] + policy.limits[index + 1 :])
    for index, result_rule in enumerate(policy.results):
        yield result_rule.rule.id, replace(policy, results=policy.results[:index] + policy.results[index + 1 :])
    for index, rule in enumerate(policy.rules):
        before, after = policy.rules[:index], policy.rules[index + 1 :]
        yield rule.id, replace(policy, rules=before + after)
        less = [replace(rule, when=rule.when[:one] + rule.when[one + 1 :]) for one in range(len(rule.when))]
        less += [replace(rule, unless=rule.unless[:one] + rule.unless[one + 1 :]) for one in range(len(rule.unless))]
        less += [replace(rule, **{key: None}) for key in ("after", "before", "roles") if getattr(rule, key) is not None]
        less += [replace(rule, tools=rule.tools[:one] + rule.tools[one + 1 :]) for one in range(len(rule.tools)) if len(rule.tools) > 1]
        for condition in rule.when:
            for one in range(len(condition.operators) if len(condition.operators) > 1 else 0):
                fewer = replace(condition, operators=condition.operators[:one] + condition.operators[one + 1 :])
                less.append(replace(rule, when=tuple(fewer if each is condition else each for each in rule.when)))
        for number, changed in enumerate(less):
            yield f"{rule.id} ({number})", replace(policy, rules=(*before, changed, *after))


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: Path(suite.policies[0]).stem)
def test_whatever_is_taken_away_is_noticed(suite: Suite) -> None:
    """A rule on trial decides nothing, so nothing can notice that it is gone; everything else is missed, unless it is locked twice."""
    on_trial = {rule.id for rule in suite.policy.rules if rule.observe}
    unnoticed = [
        what
        for what, policy in weakened(suite.policy)
        if what.split(" ")[0] not in on_trial and what not in LOCKED_TWICE and run_suite(replace(suite, policy=policy)).failed == 0
    ]
    assert unnoticed == []


REDACTING = {Path(suite.policies[0]).stem: suite.policy for suite in SUITES if suite.policy.redactions}


@pytest.mark.parametrize("name", REDACTING)
def test_what_is_redacted(name: str) -> None:
    """In arguments, results and all other text; and each detector that is taken away is missed."""
    policy, wanted = REDACTING[name], RECORDED[name]
    redactor = Redactor(policy.redactions)
    for kind in (ARGUMENTS, RESULTS, TEXT):
        assert {text: redactor.record(text, kind) for text in wanted} == wanted
    for index, entry in enumerate(policy.redactions):
        for detector in entry.detect:
            less = replace(entry, detect=tuple(name for name in entry.detect if name != detector))
            weaker = Redactor((*policy.redactions[:index], *([less] if less.detect else []), *policy.redactions[index + 1 :]))
            assert {text: weaker.record(text) for text in wanted} != wanted, detector


def test_who_sees_mail_addresses() -> None:
    """The model of a support agent, which has to write to them; the record does not, and so it is with nothing else."""
    redactor = Redactor(REDACTING["support-roles"].redactions)
    assert (
        redactor.for_model("write to anna@example.com, token=abcdefgh12345") == "write to anna@example.com, token=[redacted:named_secrets]"
    )
