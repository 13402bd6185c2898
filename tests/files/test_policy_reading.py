"""Reading policy files as a whole: what is said when, and what comes of files that are read already."""

from __future__ import annotations

from io import BytesIO

import pytest

from agentgate.core.findings import Place
from agentgate.errors import FileError, UsageError
from agentgate.files.policy_file import load_policy, read_policy, understand
from agentgate.files.reading import POLICY_BYTES, Source
from agentgate.files.yaml import parse
from tests.files.cases import described

FAILS = "examples: {match: [{tool: t, arguments: {x: 2}}]}"
FAILING = "6:24+1 failing-example: the rule `a` does not match this call (help: its conditions do not hold)"


def source(text: str, name: str = "p.yaml") -> Source:
    """A file with this text; its version is added."""
    return Source(name, f"version: 1\n{text}".encode(), "0" * 64)


def test_no_policy_at_all_is_a_mistake() -> None:
    """The way on is named; so is a file that is given twice."""
    with pytest.raises(UsageError) as refused:
        understand([])
    assert (refused.value.message, refused.value.help) == ("no policy is given", "name a file with `--policy`")
    with pytest.raises(UsageError, match=r"^the policy `p.yaml` is given twice$"):
        understand([source("default: block"), source("default: allow")])


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (f"rules:\n  - id: a\n    allow: t\n    when: {{x: 1}}\n    {FAILS}\n", [FAILING]),
        (
            f"rules:\n  - id: a\n    allow: '@nope'\n    when: {{x: 1}}\n    {FAILS}\n",
            ["4:12+7 unknown-group: there is no group `@nope` (help: define it under `groups`)"],
        ),
        (
            "default: block\ndefault: allow\n",
            ["3:1+7 duplicate-key: the key `default` stands here twice (help: remove one of them) [2:1 first here]"],
        ),
        ("default: {", ["2:11+1 syntax: a value is expected here [2:11 begins here]"]),
    ],
    ids=["an example", "a group", "a key twice", "no YAML"],
)
def test_what_is_said_of_a_policy(text: str, findings: list[str]) -> None:
    """Examples are tried once all else is right; there is a policy only without errors."""
    read = understand([source(text)])
    assert list(described(read.findings)) == findings
    assert read.policy is None
    assert read.sources == {"p.yaml": tuple(f"version: 1\n{text}".split("\n"))}


def test_a_file_that_was_parsed_already_is_not_parsed_again() -> None:
    """What came of it then is what counts."""
    other = parse(b"version: 1\ndefault: allow\n", "p.yaml", max_bytes=POLICY_BYTES)
    read = understand([source("default: block\n")], {"p.yaml": other})
    assert read.policy is not None
    assert read.policy.default == "allow"
    plain = understand([source("default: block\n")], {"q.yaml": other})
    assert plain.policy is not None
    assert plain.policy.default == "block"


def test_a_policy_knows_its_files() -> None:
    """By name and digest; and where it begins."""
    policy = understand([source("limits: {steps: 1}\n")]).policy
    assert policy is not None
    assert policy.files == (("p.yaml", "0" * 64),)
    assert policy.place == Place("p.yaml", 1, 1, 10)


def test_a_policy_may_come_by_standard_input() -> None:
    """Of which one byte more is read than a policy may have, and no more."""
    text = b"version: 1\ndefault: ask\n"
    for policy in (load_policy("-", stdin=BytesIO(text)), read_policy("-", stdin=BytesIO(text)).policy):
        assert policy is not None
        assert (policy.name, policy.default) == ("stdin", "ask")
    stream = BytesIO(b"#" * (POLICY_BYTES + 100))
    with pytest.raises(FileError, match="larger than 8 MiB") as refused:
        load_policy("-", stdin=stream)
    assert stream.tell() == POLICY_BYTES + 1
    assert list(refused.value.sources) == ["<stdin>"]


@pytest.mark.parametrize(("text", "length"), [(b"[]", 1), (b"5", 1), (b"text", 4)])
def test_a_policy_is_a_mapping(text: bytes, length: int) -> None:
    """Nothing else is looked into."""
    read = understand([Source("p.yaml", text, "0" * 64)])
    assert list(described(read.findings)) == [f"1:1+{length} wrong-type: a policy is a mapping with `version`, `rules` and the like"]
    assert read.policy is None
