"""Policies that load: what becomes of every key, and what several files make together."""

from __future__ import annotations

from io import BytesIO
from itertools import permutations
from pathlib import Path

import pytest

from agentgate import Session, ToolCall
from agentgate.core.events import Effect
from agentgate.core.findings import Place
from agentgate.core.policy import Policy
from agentgate.errors import FileError, UsageError
from agentgate.files.policy_file import load_policy, read_policy
from tests.files.cases import DATA

EVERYTHING = str(DATA / "policies" / "good" / "everything.yaml")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder for policies."""
    return tmp_path


def written(folder: Path, name: str, text: str) -> str:
    """The path of a policy with this text; its version is added."""
    path = folder / name
    path.write_text("version: 1\n" + text, encoding="utf-8")
    return str(path)


def refused(*paths: str) -> list[tuple[str, str, int]]:
    """Code, file name and line of every finding."""
    with pytest.raises(FileError) as caught:
        load_policy(*paths)
    return [(finding.code, Path(finding.place.file).name, finding.place.line) for finding in caught.value.findings]


def effect(policy: Policy, tool: str, arguments: str = "{}", role: str | None = None) -> tuple[str, str | None]:
    """Effect and rule of one call."""
    decision = Session(policy, role=role).propose(ToolCall(id="c", name=tool, arguments=arguments))
    return decision.effect.value, decision.rule


def test_every_key_of_the_native_form_loads() -> None:
    """The example of the documentation, key by key."""
    policy = load_policy(EVERYTHING)
    rules = {rule.id: rule for rule in policy.rules}
    assert (policy.name, policy.default, len(rules)) == ("support-strict", Effect.BLOCK, 5)
    assert policy.roles == {"viewer": (), "operator": ("viewer",), "admin": ("operator",)}
    assert policy.groups["outside"] == ("@untrusted", "http_*")
    assert rules["change-tier"].when[1].operators == (("in", ["free", "pro"]),)
    assert rules["change-tier"].except_roles == ("admin",)
    assert rules["read-customer"].when[0].operators == (("equals", "read"),)
    assert rules["read-customer"].roles is None
    assert rules["destructive-sql"].hint == "ask for a report instead"
    assert rules["money-to-strangers"].after == ("@untrusted",)
    assert len(rules["money-to-strangers"].examples) == 2
    assert rules["on-trial"].observe
    assert rules["on-trial"].before == ("get_webpage",)
    assert rules["on-trial"].when[1].optional
    assert {limit.id: limit.value for limit in policy.limits} == {
        "limits.steps": 6,
        "limits.tool_calls": 10,
        "limits.tokens": 50_000,
        "limits.seconds": 300.5,
        "limits.repeats": 3,
        "limits.refusals": 4,
        "limits.tools.email_service": 1,
        "limits.tools.http_*": 20,
        "limits.tools.@untrusted": 5,
        "limits.per_hour.tool_calls": 100,
        "limits.per_hour.cost_usd": 2.0,
        "limits.per_day.tool_calls": 500,
        "limits.tools.email_service.per_hour": 5,
        "mails-a-day": 20,
    }
    assert {limit.id: (limit.kind, limit.tools, limit.window) for limit in policy.limits if limit.window is not None} == {
        "limits.per_hour.tool_calls": ("tool_calls", None, "per_hour"),
        "limits.per_hour.cost_usd": ("cost_usd", None, "per_hour"),
        "limits.per_day.tool_calls": ("tool_calls", None, "per_day"),
        "limits.tools.email_service.per_hour": ("calls", "email_service", "per_hour"),
        "mails-a-day": ("calls", "email_service", "per_day"),
    }
    assert [limit.message for limit in policy.limits if limit.id == "limits.per_day.tool_calls"] == ["enough for today"]
    assert policy.once == ("send_money", "@outside")


def test_rules_conditions_and_limits_know_their_places() -> None:
    """Decisions and lints point at the file."""
    policy = load_policy(EVERYTHING)
    rule = policy.rules[0]
    assert rule.place == Place(EVERYTHING, 18, 9, 13)
    assert rule.when[0].place == Place(EVERYTHING, 20, 12, 6)
    assert policy.place == Place(EVERYTHING, 15, 10, 5)
    assert policy.limits[0].place == Place(EVERYTHING, 55, 3, 5)


def test_a_loaded_policy_judges() -> None:
    """The rules do what the file says."""
    policy = load_policy(EVERYTHING)
    assert effect(policy, "customer_db", '{"action": "read"}') == ("allow", "read-customer")
    assert effect(policy, "customer_db", '{"action": "update_tier", "new_tier": "pro"}', "operator") == ("ask", "change-tier")
    assert effect(policy, "customer_db", '{"action": "update_tier", "new_tier": "pro"}', "viewer")[0] == "block"


def test_the_smallest_policy_blocks_everything() -> None:
    """A version alone is a policy: nothing is allowed."""
    policy = load_policy("-", stdin=BytesIO(b"version: 1\n"))
    assert (policy.default, policy.name) == (Effect.BLOCK, "stdin")
    assert effect(policy, "anything") == ("block", None)


def test_a_policy_is_called_like_its_file_unless_it_says_otherwise(files: Path) -> None:
    """The name by default is the file's, without its ending."""
    assert load_policy(written(files, "strict.yaml", "")).name == "strict"
    assert load_policy(written(files, "strict.yaml", "name: very strict\n")).name == "very strict"


def test_equals_is_exact_about_types(files: Path) -> None:
    """A plain value keeps the type that it has in the file."""
    policy = load_policy(written(files, "p.yaml", "rules: [{id: a, allow: x, when: {n: 1, s: '1', b: true}}]"))
    assert effect(policy, "x", '{"n": 1, "s": "1", "b": true}')[0] == "allow"
    assert effect(policy, "x", '{"n": "1", "s": "1", "b": true}')[0] == "block"
    assert effect(policy, "x", '{"n": 1, "s": 1, "b": true}')[0] == "block"
    assert effect(policy, "x", '{"n": 1, "s": "1", "b": 1}')[0] == "block"


def test_the_sha256_of_one_file_is_its_own(files: Path) -> None:
    """So that `sha256sum` gives the same."""
    from hashlib import sha256

    path = written(files, "p.yaml", "")
    assert load_policy(path).sha256 == sha256(Path(path).read_bytes()).hexdigest()


def test_the_order_of_files_does_not_matter(files: Path) -> None:
    """Every order of three files gives the same law."""
    paths = (
        written(files, "a.yaml", "default: allow\nroles: {viewer: []}\nlimits: {steps: 9}\nrules: [{id: a, allow: '@web'}]"),
        written(files, "b.yaml", "default: ask\ngroups: {web: [x]}\nlimits: {steps: 5, tools: {x: {calls: 1}}}"),
        written(files, "c.yaml", "default: ask\nrules: [{id: c, block: x, roles: viewer}]\nlimits: {steps: 7, tools: {x: {calls: 2}}}"),
    )
    loaded = [load_policy(*order) for order in permutations(paths)]
    assert len({policy.sha256 for policy in loaded}) == 1
    assert {policy.name for policy in loaded} == {"a+b+c"}
    assert {policy.default for policy in loaded} == {Effect.ASK}
    assert {tuple(sorted(rule.id for rule in policy.rules)) for policy in loaded} == {("a", "c")}
    for policy in loaded:
        assert {limit.id: limit.value for limit in policy.limits} == {"limits.steps": 5, "limits.tools.x": 1}
        assert effect(policy, "x", role="viewer") == ("block", "c")
        assert effect(policy, "x") == ("allow", "a")
        assert policy.files == loaded[0].files


def test_the_strictest_default_wins(files: Path) -> None:
    """A file that says nothing about it means block."""
    loose = written(files, "a.yaml", "default: allow")
    assert load_policy(loose).default is Effect.ALLOW
    assert load_policy(loose, written(files, "b.yaml", "default: ask")).default is Effect.ASK
    assert load_policy(loose, written(files, "c.yaml", "")).default is Effect.BLOCK


def test_the_same_id_in_two_files_is_an_error_with_both_places(files: Path) -> None:
    """Neither file wins quietly."""
    first = written(files, "a.yaml", "rules: [{id: x, allow: y}]")
    second = written(files, "b.yaml", "name: b\nrules: [{id: x, allow: y}]")
    assert refused(first, second) == [("duplicate-id", "b.yaml", 3)]
    _, (finding,), sources = read_policy(first, second)
    assert finding.related == ((Place(first, 2, 14, 1), "first here"),)
    assert set(sources) == {first, second}


def test_roles_and_groups_must_agree(files: Path) -> None:
    """The same definition in two files is one; a different one is an error."""
    first = written(files, "a.yaml", "roles: {v: [], o: [v]}\ngroups: {g: [x, y]}")
    assert load_policy(first, written(files, "b.yaml", "roles: {v: []}\ngroups: {g: [y, x]}")).groups["g"]
    second = written(files, "c.yaml", "roles: {v: [o], o: []}\ngroups: {g: [x]}")
    assert {code for code, _, _ in refused(first, second)} == {"different-content"}
    _, findings, _ = read_policy(first, second)
    assert all(finding.related for finding in findings)


def test_findings_of_several_files_come_in_their_order(files: Path) -> None:
    """First the first file, by line, then the next one."""
    first = written(files, "z.yaml", "rulez: []\nlimits: {steps: -1}")
    second = written(files, "a.yaml", "rules: [{id: x, allow: '@nobody'}]\ndefalt: ask")
    assert refused(first, second) == [
        ("unknown-key", "z.yaml", 2),
        ("out-of-range", "z.yaml", 3),
        ("unknown-group", "a.yaml", 2),
        ("unknown-key", "a.yaml", 3),
    ]


def test_the_message_says_the_first_finding_and_how_many_more(files: Path) -> None:
    """One line is enough to begin with."""
    path = written(files, "a.yaml", "rulez: []\nlimits: {steps: -1}")
    with pytest.raises(FileError) as caught:
        load_policy(path)
    assert caught.value.message == f"{path}:2:1: error[unknown-key]: unknown key `rulez` (and 1 more error)"
    assert caught.value.help == "did you mean `rules`?"
    assert caught.value.exit_code == 2


def test_a_file_that_cannot_be_read_is_said_clearly(files: Path) -> None:
    """Missing, a folder, a path that no system takes."""
    for path, reason in (
        (str(files / "none.yaml"), "no such file or directory"),
        (str(files), "is a directory"),
        ("a\0b", "embedded null byte"),
    ):
        with pytest.raises(FileError, match=reason) as caught:
            read_policy(path)
        assert caught.value.exit_code == 2
        assert "\0" not in caught.value.message


def test_no_file_and_the_same_file_twice_are_usage_errors(files: Path) -> None:
    """Both are slips on the command line."""
    path = written(files, "a.yaml", "")
    with pytest.raises(UsageError, match="no policy is given"):
        load_policy()
    with pytest.raises(UsageError, match="given twice"):
        load_policy(path, path)


def test_a_policy_of_more_than_eight_mebibytes_is_refused(files: Path) -> None:
    """The limit is on bytes, comments too."""
    path = written(files, "a.yaml", "#" * (8 * 1024 * 1024))
    assert refused(path) == [("too-large", "a.yaml", 1)]


def test_a_rule_with_an_error_still_has_an_id_and_names_roles_and_groups(files: Path) -> None:
    """Ids that clash, and roles and groups that are not there, are said together with whatever else is wrong."""
    text = """rules:
  - {id: a, allow: x, deny: y, roles: [ghost]}
  - {id: a, allow: "@none", colour: red}
  - {id: b, block: z}
  - {id: b, block: z, after: "@nobody", when: {n: {min: one}}}
"""
    found = refused(written(files, "bad.yaml", text))
    assert sorted({(code, line) for code, _, line in found}) == [
        ("duplicate-id", 4),
        ("duplicate-id", 6),
        ("unknown-effect", 3),
        ("unknown-group", 4),
        ("unknown-group", 6),
        ("unknown-key", 4),
        ("unknown-role", 3),
        ("wrong-type", 6),
    ]
    assert [line for *_, line in found] == sorted(line for *_, line in found)


@pytest.mark.parametrize(("text", "words"), [("default: true", "`true` is not an effect"), ("default: [block]", '`["block"]` is not')])
def test_values_are_shown_as_they_are_written(files: Path, text: str, words: str) -> None:
    """As YAML and JSON write them, not as Python does."""
    with pytest.raises(FileError) as caught:
        load_policy(written(files, "bad.yaml", text))
    assert words in str(caught.value)


def test_more_errors_than_anybody_reads_are_cut() -> None:
    """The last finding says that there are more."""
    text = "version: 1\nrules:\n" + "- {id: A, allow: x}\n" * 5000
    _, findings, _ = read_policy("-", stdin=BytesIO(text.encode()))
    assert len(findings) == 201
    assert findings[-1].code == "too-many"
    assert findings[-2].place.line < findings[-1].place.line < 250


def test_errors_far_down_a_long_list_keep_their_places() -> None:
    """Long lists are checked piece by piece, which nobody notices."""
    text = "version: 1\nrules:\n" + "".join(f"- {{id: r{n}, allow: x}}\n" for n in range(1000)) + "- {id: last, alow: x}\n"
    _, findings, _ = read_policy("-", stdin=BytesIO(text.encode()))
    assert [(finding.code, finding.place.line) for finding in findings] == [("unknown-key", 1003)]


def test_limits_are_the_tighter_of_each_kind(files: Path) -> None:
    """Merging never loosens a limit."""
    first = written(files, "a.yaml", "limits: {tokens: 10, seconds: 0.5}")
    second = written(files, "b.yaml", "limits: {tokens: 5, steps: 0}")
    limits = load_policy(first, second).limits
    assert {(limit.id, limit.value) for limit in limits} == {("limits.tokens", 5), ("limits.seconds", 0.5), ("limits.steps", 0)}
    assert all(limit.place for limit in limits)


def test_limits_over_time_and_once_are_merged_to_the_strictest(files: Path) -> None:
    """Each window is a limit of its own; what one file wants once, the whole policy does once."""
    first = written(files, "a.yaml", "once: [send, pay]\nlimits: {per_hour: {tool_calls: 10}, tools: {send: {per_day: 3}}}")
    second = written(
        files, "b.yaml", "once: pay\nlimits: {per_hour: {tool_calls: 5}, per_day: {tool_calls: 7}, tools: {send: {per_day: 4}}}"
    )
    for order in ((first, second), (second, first)):
        policy = load_policy(*order)
        assert set(policy.once) == {"send", "pay"}
        assert {limit.id: limit.value for limit in policy.limits} == {
            "limits.per_hour.tool_calls": 5,
            "limits.per_day.tool_calls": 7,
            "limits.tools.send.per_day": 3,
        }
