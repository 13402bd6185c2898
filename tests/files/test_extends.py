"""Policies that build on others: `extends` reads like several files given together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import chdir
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate import Session, ToolCall
from agentgate.checking import check_files
from agentgate.core.events import Decision
from agentgate.core.findings import Severity
from agentgate.core.policy import Policy
from agentgate.errors import FileError
from agentgate.files.extending import MAX_FILES
from agentgate.files.native_writer import native_text
from agentgate.files.policy_file import load_policy, read_policy
from tests.reference.cases import Proposal, random_case
from tests.sayable import sayable

BASE = """
version: 1
name: base
description: What holds for everybody.
groups: {dangerous: [delete_all]}
rules:
  - {id: no-deleting, block: "@dangerous", message: nobody deletes}
  - {id: pay-with-care, ask: pay}
limits: {steps: 6, tool_calls: 3}
"""
APP = """
version: 1
name: app
description: One application.
extends: base.yaml
default: allow
rules:
  - {id: all, allow: "*"}
  - {id: "delete-what", allow: "@dangerous"}
limits: {steps: 9, tool_calls: 2}
"""
FLAT = """
extends: [base.yaml]
policies:
  - {name: no-shell, type: tool_filter, action: block, blocked_tools: [shell]}
"""


def folder(path: Path, files: Mapping[str, str]) -> Path:
    """The folder with these files in it."""
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def said(path: Path) -> list[str]:
    """What is wrong with a file, with the names of files alone."""
    findings = read_policy(str(path)).findings
    return [f"{Path(one.place.file).name}:{one.place.line}:{one.place.column} {one.code}: {one.message}" for one in findings]


def decide(policy: Policy, tool: str) -> Decision:
    """The decision on the first call of a run."""
    return Session(policy).propose(ToolCall("c1", tool, "{}"))


def test_an_extended_file_is_merged(tmp_path: Path) -> None:
    """Its rules, groups and limits hold, the strictest default and the tighter limits win, and its name stays in the background."""
    folder(tmp_path, {"base.yaml": BASE, "app.yaml": APP})
    policy = load_policy(str(tmp_path / "app.yaml"))
    assert (policy.name, policy.description, policy.default.value) == ("app", "One application.", "block")
    assert [rule.id for rule in policy.rules] == ["all", "delete-what", "no-deleting", "pay-with-care"]
    assert {limit.id: limit.value for limit in policy.limits} == {"limits.steps": 6, "limits.tool_calls": 2}
    assert [Path(name).name for name, _ in policy.files] == ["app.yaml", "base.yaml"]
    assert [decide(policy, tool).rule for tool in ("read", "delete_all", "pay")] == ["all", "no-deleting", "pay-with-care"]


def test_it_is_the_same_as_giving_both(tmp_path: Path) -> None:
    """In either order, and also where the extended file is given beside the one that extends it; only the name differs."""
    folder(tmp_path, {"base.yaml": BASE, "app.yaml": APP, "alone.yaml": APP.replace("extends: base.yaml\n", "")})
    app, base, alone = (str(tmp_path / name) for name in ("app.yaml", "base.yaml", "alone.yaml"))
    one, other, both = load_policy(app), load_policy(app, base), load_policy(base, app)
    given = load_policy(base, alone)
    for policy in (other, both, given):
        assert sorted(rule.id for rule in policy.rules) == sorted(rule.id for rule in one.rules)
        assert {(limit.id, limit.value) for limit in policy.limits} == {(limit.id, limit.value) for limit in one.limits}
        assert (policy.default, policy.groups) == (one.default, one.groups)
    assert one.sha256 == other.sha256 == both.sha256
    assert both.name == "app+base"


def test_the_digest_covers_every_file(tmp_path: Path) -> None:
    """A change in an extended file changes the policy's digest."""
    folder(tmp_path, {"base.yaml": BASE, "app.yaml": APP})
    before = load_policy(str(tmp_path / "app.yaml")).sha256
    (tmp_path / "base.yaml").write_text(BASE.replace("nobody", "no one"))
    assert load_policy(str(tmp_path / "app.yaml")).sha256 != before


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    """Also up from there, and down, through several files; the flat form extends and is extended alike."""
    files = {
        "apps/one/app.yaml": "version: 1\nextends: [../shared/flat.yaml, more/extra.yaml]\n",
        "apps/one/more/extra.yaml": "version: 1\nrules: [{id: extra, allow: extra}]\n",
        "apps/shared/flat.yaml": FLAT.replace("base.yaml", "../../base.yaml"),
        "base.yaml": BASE,
    }
    policy = load_policy(str(folder(tmp_path, files) / "apps/one/app.yaml"))
    assert {rule.id for rule in policy.rules} == {"extra", "no-shell", "no-deleting", "pay-with-care"}
    assert len(policy.files) == 4


def test_standard_input_extends_from_the_working_directory(tmp_path: Path) -> None:
    """It has no folder of its own."""
    folder(tmp_path, {"base.yaml": BASE})
    with chdir(tmp_path):
        policy = load_policy("-", stdin=BytesIO(APP.encode()))
    assert [name for name, _ in policy.files] == ["<stdin>", "base.yaml"]


def test_what_is_reached_twice_counts_once(tmp_path: Path) -> None:
    """Whether by two files, by two spellings of its path, or by a link."""
    files = {
        "a.yaml": "version: 1\nextends: [b.yaml, ./c.yaml]\n",
        "b.yaml": "version: 1\nextends: [base.yaml, ./base.yaml, link.yaml]\n",
        "c.yaml": "version: 1\nextends: sub/../base.yaml\n",
        "sub/x": "",
        "base.yaml": BASE,
    }
    folder(tmp_path, files)
    (tmp_path / "link.yaml").symlink_to("base.yaml")
    assert [rule.id for rule in load_policy(str(tmp_path / "a.yaml")).rules] == ["no-deleting", "pay-with-care"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"a.yaml": "version: 1\nextends: [nowhere.yaml]\n"},
            ["a.yaml:2:11 missing-file: cannot read `nowhere.yaml`: there is no such file"],
        ),
        ({"a.yaml": "version: 1\nextends: sub\n", "sub/x": ""}, ["a.yaml:2:10 missing-file: cannot read `sub`: it is not a file"]),
        ({"a.yaml": "version: 1\nextends: '-'\n"}, ["a.yaml:2:10 bad-value: standard input cannot be extended"]),
        ({"a.yaml": "version: 1\nextends: /etc/passwd\n"}, ["a.yaml:2:10 bad-value: `/etc/passwd` is an absolute path"]),
        ({"a.yaml": "version: 1\nextends: []\n"}, ["a.yaml:2:10 empty-list: an empty list: this would be about nothing"]),
        ({"a.yaml": "version: 1\nextends: {b: 1}\n"}, ["a.yaml:2:10 wrong-type: a mapping where the path of a file is expected"]),
        ({"a.yaml": "version: 1\ninclude: b.yaml\n"}, ["a.yaml:2:1 unknown-key: unknown key `include`"]),
    ],
    ids=["missing", "folder", "stdin", "absolute", "empty", "mapping", "other-word"],
)
def test_what_cannot_be_extended_is_an_error_at_the_entry(tmp_path: Path, files: Mapping[str, str], expected: list[str]) -> None:
    """With its place and a way on."""
    assert said(folder(tmp_path, files) / "a.yaml") == expected


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Only files are extended."""
    os.mkfifo(tmp_path / "pipe.yaml")
    folder(tmp_path, {"a.yaml": "version: 1\nextends: pipe.yaml\n"})
    assert said(tmp_path / "a.yaml") == ["a.yaml:2:10 missing-file: cannot read `pipe.yaml`: it is not a file"]


def test_errors_in_an_extended_file_have_their_place_there(tmp_path: Path) -> None:
    """All of them at once, the file that was asked for first."""
    files = {"a.yaml": "version: 1\nextends: b.yaml\nalow: x\n", "b.yaml": "version: 1\nrules:\n  - {id: B, allow: x}\n"}
    folder(tmp_path, files)
    assert [one.split(":")[0] for one in said(tmp_path / "a.yaml")] == ["a.yaml", "b.yaml"]
    with pytest.raises(FileError) as caught:
        load_policy(str(tmp_path / "a.yaml"))
    assert {Path(name).name for name in caught.value.sources} == {"a.yaml", "b.yaml"}


@pytest.mark.parametrize(
    "files",
    [
        {"a.yaml": "version: 1\nextends: a.yaml\n"},
        {"a.yaml": "version: 1\nextends: b.yaml\n", "b.yaml": "version: 1\nextends: [a.yaml]\n"},
        {
            "a.yaml": "version: 1\nextends: [b.yaml, c.yaml]\n",
            "b.yaml": "version: 1\nextends: c.yaml\n",
            "c.yaml": "version: 1\nextends: b.yaml\n",
        },
    ],
    ids=["itself", "two", "below"],
)
def test_a_circle_is_an_error(tmp_path: Path, files: Mapping[str, str]) -> None:
    """However long it is; nothing is read for ever."""
    (finding,) = said(folder(tmp_path, files) / "a.yaml")
    assert " cycle: " in finding
    assert finding.endswith("extends itself")


def test_too_many_files_are_an_error(tmp_path: Path) -> None:
    """A chain that has no end is given up."""
    files = {f"f{number}.yaml": f"version: 1\nextends: f{number + 1}.yaml\n" for number in range(MAX_FILES + 5)}
    assert [one.split(" ")[1] for one in said(folder(tmp_path, files) / "f0.yaml")] == ["too-many-files:"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("version: 1\nextends: b.yaml\nrules: [{id: one, allow: x}]\n", "version: 1\nrules: [{id: one, block: x}]\n"),
        ("version: 1\nextends: b.yaml\nrules: [{id: one, allow: x}]\n", "policies: [{name: one, type: budget, max_tokens: 5}]\n"),
        (
            "extends: b.yaml\npolicies: [{name: one, type: budget, max_tokens: 5}]\n",
            "policies: [{name: one, type: budget, max_tokens: 9}]\n",
        ),
    ],
    ids=["rules", "rule-and-budget", "budgets"],
)
def test_ids_that_clash_name_both_places(tmp_path: Path, first: str, second: str) -> None:
    """Whatever has the id: a decision names one thing."""
    folder(tmp_path, {"a.yaml": first, "b.yaml": second})
    (finding,) = read_policy(str(tmp_path / "a.yaml")).findings
    assert (finding.code, Path(finding.place.file).name) == ("duplicate-id", "b.yaml")
    assert [(Path(place.file).name, words) for place, words in finding.related] == [("a.yaml", "first here")]


def test_groups_that_differ_name_both_places(tmp_path: Path) -> None:
    """A group means one thing in the whole policy."""
    folder(tmp_path, {"base.yaml": BASE, "a.yaml": "version: 1\nextends: base.yaml\ngroups: {dangerous: []}\n"})
    assert [one.split(" ")[1] for one in said(tmp_path / "a.yaml")] == ["different-content:"]


def test_check_speaks_of_the_whole_policy(tmp_path: Path) -> None:
    """Lint sees what is merged, and `--fix` leaves extended files alone."""
    files = {
        "base.yaml": "version: 1\nrules:\n  - {id: drop, block: q, when: {sql: {search: DROP}}}\n",
        "a.yaml": "version: 1\nextends: base.yaml\nrules:\n  - {id: q, allow: q}\nlimits: {steps: 5}\n",
    }
    folder(tmp_path, files)
    (checked,) = check_files([str(tmp_path / "a.yaml")], fix=True).files
    found = {(one.code, Path(one.place.file).name) for one in checked.findings if one.severity is Severity.WARNING}
    assert ("case-sensitive", "base.yaml") in found
    assert "no-limits" not in {code for code, _ in found}
    assert (tmp_path / "base.yaml").read_text() == files["base.yaml"]


STRICTNESS = ("allow", "ask", "block")


@pytest.mark.parametrize("block", range(4))
def test_nothing_of_a_part_is_loosened(tmp_path: Path, block: int) -> None:
    """Whatever a block or ask rule of one file says about a call, the merged policy says the same or something stricter."""
    judged = 0
    for seed in range(block * 40, block * 40 + 40):
        random = Random(seed)
        one, other = (sayable(random_case(random).policy) for _ in range(2))
        other = replace(other, rules=tuple(replace(rule, id=f"other-{rule.id}") for rule in other.rules))
        (tmp_path / "one.yaml").write_text(native_text(replace(one, limits=())))
        (tmp_path / "other.yaml").write_text(f"extends: one.yaml\n{native_text(replace(other, limits=()))}")
        merged = load_policy(str(tmp_path / "other.yaml"))
        assert merged == replace(load_policy(str(tmp_path / "one.yaml"), str(tmp_path / "other.yaml")), **unlike(merged))
        for part in (one, other):
            case = random_case(random)
            for call in [step.call for step in case.script if isinstance(step, Proposal)]:
                alone, together = (Session(policy, role=case.setting.role).propose(call) for policy in (replace(part, limits=()), merged))
                if alone.code == "rule" and alone.effect != "allow":
                    judged += 1
                    assert STRICTNESS.index(together.effect) >= STRICTNESS.index(alone.effect), (seed, call)
    assert judged > 50


def unlike(policy: Policy) -> dict[str, Any]:
    """What differs by the order in which files are given."""
    return {"name": policy.name, "rules": policy.rules, "place": policy.place, "description": policy.description}
