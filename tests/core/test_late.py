"""Expressions that are compiled when they are first asked for something."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import agentgate.core
import agentgate.files
from agentgate.core.late import late


def test_the_same_answers() -> None:
    """It answers as what `re.compile` gives, the first time and afterwards."""
    for _ in range(2):
        written = late(r"(a)|b", re.IGNORECASE)
        found = written.search("xA")
        assert found is not None
        assert found[1] == "A"
        assert written.fullmatch("ab") is None
        assert [match[0] for match in written.finditer("aB")] == ["a", "B"]
        assert written.sub("-", "ab") == "--"
        assert written.pattern == r"(a)|b"


def test_not_compiled_before() -> None:
    """What is wrong with it shows when it is used, so ours are all used by some test."""
    broken = late("(")
    with pytest.raises(re.error):
        broken.search("x")


def test_all_of_ours_compile() -> None:
    """Each expression in the core and among the files is one."""
    found = [
        value
        for package in (agentgate.core, agentgate.files)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        for value in vars(importlib.import_module(module.name)).values()
        if type(value) is type(late(""))
    ]
    assert len(found) > 40
    assert all(value.pattern for value in found)
