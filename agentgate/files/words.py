"""The words that other tools use, and near misses of our own: what `help: did you mean …` says."""

from __future__ import annotations

import json
from collections.abc import Iterable

from agentgate.core.late import late

EFFECTS = {
    **dict.fromkeys(("deny", "denied", "forbid", "reject", "refuse", "disallow", "prohibit", "blocked", "drop", "stop"), "block"),
    **dict.fromkeys(("prompt", "confirm", "approve", "approval", "require_approval", "needs_approval", "review", "escalate"), "ask"),
    **dict.fromkeys(("permit", "accept", "grant", "allowed", "allowlist", "whitelist", "pass"), "allow"),
    **dict.fromkeys(("denylist", "blocklist", "blacklist"), "block"),
}
"""Other tools' word for an effect → ours."""

_BUDGET = dict.fromkeys(("budget", "budgets", "quota", "quotas", "limit"), "agentgate says `limits`")
_EFFECT_KEY = "write the effect and the tools in one: `allow: customer_db`, `ask: …` or `block: …`"
_ARGUMENTS = "conditions on arguments stand under `when`: `when: {action: read}`"
_IN_RULES = "tools are named in rules: `rules: [{id: …, allow: …}]`"
_LIMITS = "limits stand at the top of the file: `limits: {tools: {…: {calls: 1}}}`"
_FLAT_TOOLS = "this form says `blocked_tools` or `allowed_tools`"
_PER = "over time, agentgate limits `per_hour` and `per_day`"
_PER_HOUR, _PER_DAY = "agentgate says `per_hour`", "agentgate says `per_day`"
_THEN = "agentgate says `then`: `then: block`, or `then: {effect: block, rule: …}`"
_COMMAND_LINE = "this is given on the command line"

WORDS: dict[str, dict[str, str]] = {
    "policy": {
        **_BUDGET,
        **dict.fromkeys(
            ("tools", "statements", "permissions", "allow", "ask", "block", "deny"),
            _IN_RULES,
        ),
        **dict.fromkeys(("default_action", "default_effect", "default_decision", "fallback"), "agentgate says `default`"),
        **dict.fromkeys(("policy", "rule"), "agentgate says `rules`"),
        **dict.fromkeys(("tool_groups", "sets"), "agentgate says `groups`"),
        **dict.fromkeys(("idempotent", "exactly_once", "dedupe", "deduplicate", "idempotency"), "agentgate says `once`"),
        "mode": f"{_COMMAND_LINE}: `--observe` or `--dry-run`",
        "role": f"{_COMMAND_LINE}: `--role`",
        **dict.fromkeys(("include", "includes", "import", "imports", "inherits", "base", "parent"), "agentgate says `extends`"),
        "title": "agentgate says `name`",
    },
    "result rule": {
        **dict.fromkeys(("deny", "reject", "refuse", "forbid", "drop"), "agentgate says `block`"),
        **dict.fromkeys(("truncate", "shorten", "limit", "trim"), "agentgate says `cut`, with `max_bytes`"),
        **dict.fromkeys(("max_size", "size", "max_length", "bytes", "max_chars"), "agentgate says `max_bytes`"),
        **dict.fromkeys(("allow", "ask"), "whether a call runs is said under `rules`; results are blocked or cut"),
        **dict.fromkeys(("tool", "tools"), "the tools stand beside `block` or `cut`"),
        **dict.fromkeys(("redact", "mask"), "`redact` stands beside `results`"),
    },
    "redaction": {
        **dict.fromkeys(("detector", "detectors", "kind", "type", "entity", "entities"), "agentgate says `detect`"),
        **dict.fromkeys(("regex", "regexp", "matches", "search"), "agentgate says `pattern`"),
        **dict.fromkeys(("where", "scope"), "agentgate says `in`"),
        **dict.fromkeys(("replacement", "with", "mask", "label"), "agentgate says `replace`"),
        **dict.fromkeys(("tools", "tool", "roles"), "`redact` is about all tools and roles"),
        **dict.fromkeys(("name",), "agentgate says `id`"),
    },
    "rule": {
        "redact": "`redact` stands beside `rules`, and is about all tools",
        "results": "`results` stands beside `rules`, and is a list of rules about results",
        **dict.fromkeys(("tool", "tools", "tool_name", "action", "actions", "effect", "decision", "verdict"), _EFFECT_KEY),
        **dict.fromkeys(("args", "arguments", "argument", "conditions", "condition", "if", "where", "match", "params"), _ARGUMENTS),
        **dict.fromkeys(("reason", "error", "description", "msg"), "agentgate says `message`"),
        **dict.fromkeys(("name", "rule_id", "key"), "agentgate says `id`"),
        **dict.fromkeys(("role", "who", "principal", "users"), "agentgate says `roles`"),
        **dict.fromkeys(("not_roles", "exclude_roles"), "agentgate says `except_roles`"),
        **dict.fromkeys(("exclude", "not", "except_tools"), "agentgate says `except`"),
        **dict.fromkeys(("exception", "exceptions", "unless_when"), "agentgate says `unless`"),
        **dict.fromkeys(("dry_run", "trial", "monitor", "shadow", "log"), "agentgate says `observe: true`"),
        **dict.fromkeys(("priority", "order"), "the order of rules does not matter: block wins over ask, and ask over allow"),
        **dict.fromkeys(("tests", "test"), "agentgate says `examples`"),
        "enabled": "remove the rule, or put it on trial with `observe: true`",
        "schema": "a schema is a test of one argument: `when: {customer_id: {schema: …}}`",
        **dict.fromkeys(("budget", "budgets", "limits", "max_calls"), _LIMITS),
        **dict.fromkeys(("once", "idempotent", "dedupe"), "this stands at the top of the file: `once: [TOOL]`"),
    },
    "limits": {
        **dict.fromkeys(("max_steps", "turns", "max_turns", "iterations", "max_iterations"), "agentgate says `steps`"),
        **dict.fromkeys(("calls", "max_calls", "max_tool_calls"), "agentgate says `tool_calls`"),
        **dict.fromkeys(("max_tokens", "token", "token_budget"), "agentgate says `tokens`"),
        **dict.fromkeys(("timeout", "time", "max_seconds", "duration", "wall_clock", "minutes"), "agentgate says `seconds`"),
        **dict.fromkeys(("cost", "budget", "max_cost", "usd", "dollars", "max_cost_per_session_usd"), "agentgate says `cost_usd`"),
        **dict.fromkeys(("per_tool", "tool"), "agentgate says `tools`"),
        **dict.fromkeys(("hour", "hourly"), _PER_HOUR),
        **dict.fromkeys(("day", "daily"), _PER_DAY),
        **dict.fromkeys(("per_minute", "per_second", "per_week", "per_month"), _PER),
    },
    "window": {
        **dict.fromkeys(("calls", "max_calls", "max_tool_calls"), "agentgate says `tool_calls`"),
        **dict.fromkeys(("cost", "budget", "max_cost", "usd", "dollars"), "agentgate says `cost_usd`"),
        **dict.fromkeys(("tools", "tool"), "for one tool it stands beside its `calls`: `tools: {email_service: {per_hour: 5}}`"),
        **dict.fromkeys(("tokens", "steps", "seconds", "repeats", "refusals"), "over time, agentgate limits `tool_calls` and `cost_usd`"),
    },
    "tool limit": {
        **dict.fromkeys(("hour", "hourly"), _PER_HOUR),
        **dict.fromkeys(("day", "daily"), _PER_DAY),
        **dict.fromkeys(("per_minute", "per_second", "per_week", "per_month"), _PER),
        **dict.fromkeys(("max_calls", "tool_calls", "max", "limit", "count"), "agentgate says `calls`"),
        **dict.fromkeys(("reason", "error"), "agentgate says `message`"),
        "name": "agentgate says `id`",
    },
    "limit": {
        **dict.fromkeys(("value", "limit", "at_most", "count", "calls"), "agentgate says `max`"),
        **dict.fromkeys(("reason", "error"), "agentgate says `message`"),
        "name": "agentgate says `id`",
    },
    "operators": {
        **dict.fromkeys(("pattern", "regex", "regexp", "re"), "agentgate says `matches` for the whole string, `search` for a part of it"),
        **dict.fromkeys(("eq", "is", "equal", "value", "const"), "agentgate says `equals`"),
        **dict.fromkeys(("one_of", "oneof", "any_of", "enum", "values", "allowed"), "agentgate says `in`"),
        **dict.fromkeys(("not", "ne", "neq", "not_equals", "not_equal", "none_of"), "agentgate says `not_in: [...]`"),
        **dict.fromkeys(("contains", "includes", "find"), "agentgate says `search`"),
        **dict.fromkeys(("startswith", "starts_with", "prefix", "endswith", "ends_with", "suffix", "like"), "agentgate says `glob`"),
        **dict.fromkeys(("minimum", "gte", "ge", "gt", "at_least"), "agentgate says `min`"),
        **dict.fromkeys(("maximum", "lte", "le", "lt", "at_most"), "agentgate says `max`"),
        **dict.fromkeys(("minlength", "min_len", "minitems"), "agentgate says `min_length`"),
        **dict.fromkeys(("maxlength", "max_len", "maxitems", "length"), "agentgate says `max_length`"),
        **dict.fromkeys(("required", "present", "absent", "missing"), "agentgate says `exists`"),
        **dict.fromkeys(("type", "properties", "json_schema"), "agentgate says `schema: {type: …}`"),
    },
    "task": {
        **dict.fromkeys(("policy", "policies", "rules"), f"{_COMMAND_LINE}: `--policy`"),
        **dict.fromkeys(("mode", "observe", "dry_run"), f"{_COMMAND_LINE}: `--observe` or `--dry-run`"),
        **dict.fromkeys(("auto_approve", "approve", "approvals", "yes"), f"{_COMMAND_LINE}: `--approve`"),
        **dict.fromkeys(("role", "roles"), f"{_COMMAND_LINE}: `--role`"),
        **dict.fromkeys(("base_url", "api_key_env", "temperature", "max_output_tokens", "price"), "this stands under `model`"),
        **dict.fromkeys(("task", "user", "input", "goal", "question", "messages"), "agentgate says `prompt`"),
        **dict.fromkeys(("system_prompt", "instructions", "developer"), "agentgate says `system`"),
        **dict.fromkeys(("functions", "tool"), "agentgate says `tools`"),
        **dict.fromkeys(("max_turns", "steps", "max_iterations"), "agentgate says `max_steps`"),
        **dict.fromkeys(("budget", "budgets", "limits", "max_tokens"), "limits stand in the policy"),
        **dict.fromkeys(("transcript", "replay", "cassette"), "agentgate says `recording`"),
        **dict.fromkeys(("allowed_tools", "required_function_name"), "this stands under `tool_choice`"),
        "api_key": "a key never stands in a file: name the variable that has it, `model: {api_key_env: …}`",
    },
    "model": {
        **dict.fromkeys(("api_key", "key", "token"), "a key never stands in a file: name the variable that has it with `api_key_env`"),
        **dict.fromkeys(("max_tokens", "max_completion_tokens"), "agentgate says `max_output_tokens`"),
        **dict.fromkeys(("model", "id"), "agentgate says `name`"),
        **dict.fromkeys(("url", "endpoint", "api_base"), "agentgate says `base_url`"),
        **dict.fromkeys(("cost", "prices", "pricing"), "agentgate says `price`"),
        **dict.fromkeys(("type", "api", "vendor"), "agentgate says `provider`"),
    },
    "tool": {
        **dict.fromkeys(("function", "module", "path", "file", "callable", "entrypoint"), "agentgate says `python: FILE.py:FUNCTION`"),
        **dict.fromkeys(("timeout", "seconds"), "agentgate says `timeout_seconds`"),
        **dict.fromkeys(("schema", "arguments", "args", "input_schema", "inputschema"), "agentgate says `parameters`"),
        **dict.fromkeys(("fake", "stub", "result"), "agentgate says `mock`"),
        **dict.fromkeys(("shell", "bash", "cmd", "exec", "argv", "program"), "agentgate says `command: [program, argument, …]`"),
        **dict.fromkeys(("url", "request", "rest", "endpoint"), "agentgate says `http: {method: GET, url: …}`"),
        **dict.fromkeys(("cwd", "folder", "directory"), "agentgate says `workdir`"),
        **dict.fromkeys(("environment", "environ", "variables"), "agentgate says `env: [NAMES]`"),
        **dict.fromkeys(("read_only", "readonly", "side_effects", "writes", "annotations"), "agentgate says `effect: read` or `write`"),
        **dict.fromkeys(("max_bytes", "max_output", "output_limit", "max_response_bytes"), "agentgate says `max_output_bytes`"),
        "title": "agentgate says `name`",
    },
    "http": {
        **dict.fromkeys(("params", "parameters"), "agentgate says `query`; the JSON Schema stands beside `http`"),
        **dict.fromkeys(("json", "form", "data", "payload"), "agentgate says `body: {json: …}` or `body: {form: …}`"),
        **dict.fromkeys(("timeout", "timeout_seconds", "max_output_bytes", "effect", "name"), "this stands beside `http`"),
        **dict.fromkeys(("auth", "token", "bearer", "api_key"), "write a header: `headers: {Authorization: 'Bearer ${NAME}'}`"),
        **dict.fromkeys(("endpoint", "uri", "host"), "agentgate says `url`"),
    },
    "tests": {
        **dict.fromkeys(("cases", "test", "examples", "scenarios"), "agentgate says `tests`"),
        **dict.fromkeys(("policies", "file"), "agentgate says `policy`"),
        **dict.fromkeys(("role", "prompt", "given"), "this stands in each test"),
        **dict.fromkeys(("symlinks",), "agentgate says `links`"),
        **dict.fromkeys(("cwd", "folder"), "agentgate says `workdir`"),
    },
    "test": {
        **dict.fromkeys(("expect", "expected", "assert", "result", "outcome", "effect", "decision", "rule", "code"), _THEN),
        **dict.fromkeys(("call", "input", "request", "proposes"), "agentgate says `when`: `when: {tool: …, arguments: {…}}`"),
        **dict.fromkeys(("args", "params", "parameters"), "agentgate says `arguments`"),
        **dict.fromkeys(("tool_name", "function"), "agentgate says `tool`"),
        **dict.fromkeys(("setup", "history", "before", "after", "earlier"), "agentgate says `given`: calls that were made before"),
        **dict.fromkeys(("examples", "rows", "table", "parametrize", "variations"), "agentgate says `cases`"),
        **dict.fromkeys(("title", "id", "test", "it"), "agentgate says `name`"),
        **dict.fromkeys(("user", "message", "task"), "agentgate says `prompt`"),
    },
    "then": {
        **dict.fromkeys(("decision", "action", "result", "verdict"), "agentgate says `effect`"),
        **dict.fromkeys(("by", "id", "limit", "decided_by"), "agentgate says `rule`"),
        **dict.fromkeys(("message", "error"), "agentgate says `reason`"),
    },
    "flat policy": dict.fromkeys(
        ("rules", "limits", "default", "roles", "groups", "once", "results", "redact"),
        "a file has either `rules` or `policies`; give two files",
    ),
    "flat entry": {
        **dict.fromkeys(("tools", "deny", "deny_tools", "denied_tools", "block", "blocklist"), _FLAT_TOOLS),
        **dict.fromkeys(("allow", "allow_tools", "allowlist"), "this form says `allowed_tools`"),
        **dict.fromkeys(("id", "policy"), "this form says `name`"),
        **dict.fromkeys(("tool",), "this form says `tool_name`"),
        **dict.fromkeys(("regex", "search", "matches"), "this form says `pattern`"),
        **dict.fromkeys(("arg", "parameter"), "this form says `argument`"),
        **dict.fromkeys(("max_cost_usd", "max_cost", "cost_usd"), "this form says `max_cost_per_session_usd`"),
        **dict.fromkeys(("reason", "error"), "this form says `message`"),
    },
}
"""Where → another tool's key → what to do about it."""

NOT_YET: dict[str, dict[str, str]] = {
    "tool": {"mcp": ""},
}
"""Where → a key that agentgate knows and does not enforce yet → the way on."""

_TRIED = 200
"""Comparing letter by letter takes its time; with more names than this, only some are tried."""
_SPACING = late(r"[\s-]+")


def tick(text: object, limit: int = 80) -> str:
    """The user's own text in backticks, visible, and cut where it is long."""
    shown = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, default=str)
    return f"`{visible(shown if len(shown) <= limit else shown[: limit - 1] + '…')}`"


def visible(text: str) -> str:
    """A text with everything escaped that shows nothing, or that a screen would act upon."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def plain_form(word: str) -> str:
    """A word as the tables have it: lower case, no spaces around it, underscores."""
    return _SPACING.sub("_", word.strip().lower())


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant: the same but for case, spaces and dashes, or within a few letters."""
    names = list(candidates)
    form = plain_form(word)[:100]
    for name in names:
        if plain_form(name) == form:
            return name
    from difflib import get_close_matches

    found = get_close_matches(form, [name for name in names[:_TRIED] if name], n=1, cutoff=0.65)
    return found[0] if found else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """`did you mean …?`, or None where nothing is near."""
    found = closest(word, candidates)
    return f"did you mean `{found}`?" if found else None


def key_help(scope: str, key: str, candidates: Iterable[str]) -> str | None:
    """The way on for a key that does not exist here: other tools' words first, then near misses, then what there is."""
    names, words = list(candidates), WORDS.get(scope, {})
    found = words.get(plain_form(key)[:100]) or did_you_mean(key, names)
    if found:
        return found
    word = closest(key, words)
    if word:
        return words[word]
    return f"known here: {', '.join(f'`{name}`' for name in names)}" if 0 < len(names) <= 20 else None
