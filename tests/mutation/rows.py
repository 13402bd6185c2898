"""Which modules have their mutants tried, and by which tests: those that are about them, so that a mutant takes a tenth of a second."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """Modules that are tried together."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    """Files or folders."""


def _row(package: str, modules: str, tests: str) -> Row:
    """Modules of one package; a word among the tests stands for `tests/core/test_WORD.py`."""
    paths = (test if "/" in test else f"tests/core/test_{test}.py" for test in tests.split())
    return Row(tuple(f"agentgate.{package}.{module}" for module in modules.split()), tuple(paths))


ROWS = (
    _row("core", "patterns late", "patterns stops late"),
    _row("core", "policy", "policy decisions check_order windows"),
    _row(
        "core",
        "reasons needs past admission stops telling offers",
        """decisions check_order stops result_rules redaction trying_and_noting remembered approvals offers needs past admission telling
        state""",
    ),
    _row(
        "core",
        "engine compiled limits",
        """whole_decisions remembered reserve limits windows once check_order decisions engine failing_closed runnable cost_limits index
        result_rules carried_hash far_limits""",
    ),
    _row("core", "arguments quick_json", "arguments strict_json quick_json"),
    _row(
        "core",
        "rules",
        """conditions decisions check_order index failing_closed policy whole_decisions result_rules tests/explain
        tests/conditions/test_rules_with_operators.py""",
    ),
    _row(
        "core",
        "state own",
        "state own limits approvals once failing_closed cost_limits remembered trying_and_noting windows tests/test_session_together.py",
    ),
    _row("core", "schemas flat", "schemas tool_schemas flat state"),
    _row("core", "results once ledger", "result_rules once ledger state tests/test_session_sharing.py"),
    _row(
        "core",
        "index windows",
        "index conditions decisions check_order windows tests/reference/test_index.py tests/test_session_sharing.py",
    ),
    _row("core", "remembered again", "remembered again"),
    _row(
        "core.conditions",
        "bounds command email equals exists fields glob hosts in_ links_seen_in matches max max_length min min_length not_in occurrences",
        "conditions index remembered tests/conditions",
    ),
    _row(
        "core.conditions",
        "path schema search seen_in shell_words test text url",
        "conditions windows once remembered decisions tests/conditions",
    ),
    _row("core.conditions", "sql sql_text sql_tree", "tests/conditions"),
    _row(
        "core.redaction",
        "redactor records secrets finding readings detectors",
        "redacting redaction records secrets readings finding tests/hostile/test_hostile_secrets.py",
    ),
    _row(
        "files",
        "yaml scalars syntax reading",
        "tests/files/test_yaml_findings.py tests/files/test_strict_yaml.py tests/files/test_refusals.py tests/files/test_reading.py",
    ),
    _row("files", "policy_file", "tests/files/test_policy_reading.py tests/files/test_policy_file.py tests/files/test_flat_policy.py"),
    _row("files", "task_file", "tests/files/test_task_reading.py tests/files/test_task_file.py"),
    _row(
        "files",
        "transcript_chain",
        "tests/files/test_transcript_links.py tests/files/test_transcript_chain.py",
    ),
    _row("gateway", "envelope sse shapes", "tests/gateway/test_envelope.py"),
    _row(
        "gateway",
        "bodies chat_usual",
        "tests/gateway/test_bodies.py tests/gateway/test_usual_answers.py tests/core/test_quick_json.py tests/gateway/test_requests.py",
    ),
    _row(
        "gateway",
        "chat responses calls",
        """tests/gateway/test_requests.py tests/gateway/test_whole_answers.py tests/gateway/test_hostile_envelopes.py
        tests/gateway/test_new_shapes.py tests/gateway/test_responses_answers.py""",
    ),
    _row("gateway", "chat_stream", "tests/gateway/test_chat_chunks.py tests/gateway/test_hostile_streams.py"),
    _row(
        "gateway",
        "responses_stream",
        "tests/gateway/test_responses_events.py tests/gateway/test_responses_answers.py tests/gateway/test_whole_answers.py",
    ),
)
"""Of the core are left out `lint` and `findings`, which warn, and `coverage`, `explain` and `changes`, which tell of decisions."""
