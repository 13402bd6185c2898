"""Links on a real disk, resolved as the system would, and refused where nobody can know."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentgate.files.links import resolve


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with links of all kinds."""
    top = tmp_path.resolve()
    (top / "docs" / "deep").mkdir(parents=True)
    (top / "docs" / "a.txt").write_text("x")
    (top / "out").symlink_to("/etc")
    (top / "in").symlink_to("docs/deep")
    (top / "docs" / "up").symlink_to("../../")
    (top / "loop").symlink_to("loop")
    (top / "chain").symlink_to("in")
    (top / "broken").symlink_to("nowhere/at/all")
    (top / "cwd").symlink_to("/proc/self/cwd")
    return top


@pytest.mark.parametrize(
    "path",
    [
        "docs/a.txt", "docs//./a.txt/", "docs/../docs", "out/passwd", "in", "in/../a.txt", "chain/../../x", "docs/up/x", "broken",
        "broken/x", "missing/../docs", "missing/deep/x", "docs/a.txt/x", "../../..", "docs/up/../..",
    ],
)  # fmt: skip
def test_paths_resolve_like_realpath(root: Path, path: str) -> None:
    """Where the standard library knows the answer, it is the same."""
    assert resolve(f"{root}/{path}") == os.path.realpath(f"{root}/{path}")


@pytest.mark.parametrize(("path", "found"), [("/", "/"), ("/..", "/"), ("/../../nowhere", "/nowhere"), ("//nowhere//x/", "/nowhere/x")])
def test_the_root_has_nothing_above_it(path: str, found: str) -> None:
    """`..` at the root stays there."""
    assert resolve(path) == found


@pytest.mark.parametrize("path", ["loop", "loop/x", "cwd", "cwd/x"])
def test_what_nobody_can_know_is_an_error(root: Path, path: str) -> None:
    """Loops, and links that lead somewhere else in every process, do not resolve."""
    with pytest.raises(OSError, match=r"Too many levels|every process"):
        resolve(f"{root}/{path}")


def test_names_that_are_too_long_are_an_error(root: Path) -> None:
    """What the system refuses to look at is not judged."""
    with pytest.raises(OSError, match="too long"):
        resolve(f"{root}/{'a' * 300}")


@pytest.mark.parametrize("path", ["docs/a.txt", "", "~/x"])
def test_relative_paths_are_refused(path: str) -> None:
    """There is no start for a relative path here."""
    with pytest.raises(ValueError, match="absolute"):
        resolve(path)


def test_nul_is_refused(root: Path) -> None:
    """NUL is no part of a path."""
    with pytest.raises(ValueError, match="null"):
        resolve(f"{root}/a\x00b")
