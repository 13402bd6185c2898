"""`agentgate check --fix` mends what is safe, and nothing else in the file changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agentgate.cli.command_line import command_line

BEFORE = """\
# what nobody may lose
version: 1
defalt: deny        # strict

rules:
  - id: reports
    allow: search_database
    when: {table: orders}
  - id: sql   # "DROP" and friends
    block: search_database
    when:
      query:
        search: '\\b(DROP|DELETE)\\b'   # single quotes
  - {id: more, blok: search_database, when: {note: {search: SECRET, max_length: 80}}}
limit:
  steps: 6
"""
AFTER = """\
# what nobody may lose
version: 1
default: block        # strict

rules:
  - id: reports
    allow: search_database
    when: {table: orders}
  - id: sql   # "DROP" and friends
    block: search_database
    when:
      query:
        search: '(?i)\\b(DROP|DELETE)\\b'   # single quotes
  - {id: more, block: search_database, when: {note: {search: (?i)SECRET, max_length: 80}}}
limits:
  steps: 6
"""


def fix(*arguments: str, stdin: str | None = None) -> Result:
    """Runs the command."""
    return CliRunner().invoke(command_line(), ["check", "--fix", "--format", "text", *arguments], input=stdin)


@pytest.mark.parametrize("change", [lambda text: text, lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_typos_and_patterns_are_mended_in_place(tmp_path: Path, change: object) -> None:
    """Misspelt keys, other tools' words and case-sensitive patterns are mended; comments, layout, line ends and a BOM stay."""
    assert callable(change)
    file = tmp_path / "policy.yaml"
    file.write_bytes(change(BEFORE).encode())
    file.chmod(0o640)
    result = fix(str(file))
    assert file.read_bytes() == change(AFTER).encode()
    assert file.stat().st_mode & 0o777 == 0o640
    assert "no findings" in result.stdout
    assert result.stderr.count("mended ") == 6
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]


def test_mending_twice_changes_nothing(tmp_path: Path) -> None:
    """A mended file has nothing left to mend, and is not written again."""
    file = tmp_path / "policy.yaml"
    file.write_text(AFTER)
    modified = file.stat().st_mtime_ns
    assert "mended" not in fix(str(file)).stderr
    assert (file.read_text(), file.stat().st_mtime_ns) == (AFTER, modified)


@pytest.mark.parametrize(
    "content",
    [
        "version: 1\nrules:\n  - id: x\n    permit: customer_db\n",
        "version: 1\nrules:\n  - id: x\n    alow: customer_db\n",
        "version: 1\ndefault: block\ndefalt: block\n",
        "version: 1\nrules: [\n",
        "version: 1\nrules:\n  - id: x\n    block: a\n    when:\n      q:\n        search: |-\n          DROP\nlimits: {steps: 1}\n",
    ],
    ids=["other word for allow", "misspelt allow", "would be there twice", "not YAML", "block scalar"],
)
def test_what_is_not_safe_is_left_alone(tmp_path: Path, content: str) -> None:
    """Nothing is mended that would let something through, that is ambiguous, or that cannot be mended in place."""
    file = tmp_path / "policy.yaml"
    file.write_text(content)
    fix(str(file))
    assert file.read_text() == content


def test_flags_are_put_in_front_of_patterns_in_flow_style(tmp_path: Path) -> None:
    """Case and line breaks alike, in both forms of a policy, whatever the quotes."""
    native = """{version: 1, rules: [{id: a, block: t, when: {q: {search: "dr\\\\sop"}, r: {matches: Xy.*}}}, {id: s, allow: t}]}\n"""
    flat = """policies: [{name: f, type: argument_filter, action: block, tool_name: t, pattern: 'A.B'}]  # end\n"""
    for content, mended in (
        (native, native.replace('"dr', '"(?i)dr').replace("Xy", "(?s)(?i)Xy")),
        (flat, flat.replace("A.B", "(?s)(?i)A.B")),
    ):
        file = tmp_path / "policy.yaml"
        file.write_text(content)
        fix(str(file))
        assert file.read_text() == mended


def test_links_still_lead_to_the_file(tmp_path: Path) -> None:
    """Through a symbolic link the file behind it is mended, and the link stays one."""
    file, link = tmp_path / "policy.yaml", tmp_path / "link.yaml"
    file.write_text("version: 1\nlimit: {steps: 1}\n")
    link.symlink_to(file)
    fix(str(link))
    assert link.is_symlink()
    assert file.read_text() == "version: 1\nlimits: {steps: 1}\n"


def test_standard_input_cannot_be_mended() -> None:
    """There is no file to write, and that is said."""
    result = fix("-", stdin="version: 1\nlimit: {steps: 1}\n")
    assert result.exit_code == 2
    assert "standard input cannot be mended" in result.stderr
