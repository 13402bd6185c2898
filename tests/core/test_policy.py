"""What a policy's names stand for."""

from __future__ import annotations

import pytest

from agentgate.core.policy import expand, expand_sources, holders
from agentgate.core.rules import Selector

from .building import policy

GROUPS = {"reads": ("read", "list_*"), "all": ("@reads", "send", "read"), "round": ("@round", "x"), "none": ()}
ROLES = {"viewer": (), "operator": ("viewer",), "admin": ("operator",), "other": (), "one": ("two",), "two": ("one",)}


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (("read",), ("read",)),
        (("@reads",), ("read", "list_*")),
        (("@all", "read"), ("read", "list_*", "send")),
        (("send", "@reads"), ("send", "read", "list_*")),
        (("@round",), ("x",)),
        (("@none",), ()),
        ((), ()),
    ],
)
def test_a_group_stands_for_its_tools(written: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Through other groups too, each name once, in the order in which it is first met."""
    assert expand(policy(groups=GROUPS), written) == names


@pytest.mark.parametrize(
    ("operand", "sources"),
    [
        ("prompt", ["prompt"]),
        ("@reads#id", ["read#id", "list_*#id"]),
        (["prompt", "@reads", "read"], ["prompt", "read", "list_*"]),
        (["@all#a", "send#a", "send"], ["read#a", "list_*#a", "send#a", "send"]),
        (["read#a#b", "read#"], ["read#a#b", "read#"]),
        (["@none#a"], []),
        ([], []),
    ],
)
def test_a_field_belongs_to_each_tool_of_its_group(operand: str | list[str], sources: list[str]) -> None:
    """A text stands for a list of one; what comes after the first `#` stays with every tool; each source comes once."""
    assert expand_sources(policy(groups=GROUPS), operand) == sources


@pytest.mark.parametrize(
    ("roles", "held"),
    [
        (("viewer",), {"viewer", "operator", "admin"}),
        (("operator",), {"operator", "admin"}),
        (("admin",), {"admin"}),
        (("one",), {"one", "two"}),
        (("viewer", "other"), {"viewer", "operator", "admin", "other"}),
        (("unknown",), set()),
        ((), set()),
    ],
)
def test_a_role_is_held_by_those_that_include_it(roles: tuple[str, ...], held: set[str]) -> None:
    """Never by one that is only included, and an unknown one by nobody."""
    assert holders(policy(roles=ROLES), roles) == held


@pytest.mark.parametrize(
    ("names", "tool", "covered"),
    [
        (("a", "b"), "a", True),
        (("a", "b"), "c", False),
        (("read_*",), "read_x", True),
        (("read_*",), "a_read_x", False),
        (("*_x", "read_*"), "send_x", True),
        (("read_*",), "send", False),
        (("read_*", "send"), "send", True),
        (("*",), "x", True),
        (("read_*", "*"), "x", True),
        ((), "x", False),
    ],
)
def test_what_a_list_of_tools_covers(names: tuple[str, ...], tool: str, covered: bool) -> None:
    """Names, and patterns of which one has to fit as a whole; asked twice, the answer is the same."""
    selector = Selector(names)
    assert [tool in selector, tool in selector] == [covered, covered]
    assert selector.exact == {name for name in names if "*" not in name}
