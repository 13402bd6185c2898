"""The documentation of policies says what the code says, and its examples are policies."""

from __future__ import annotations

import re
from textwrap import indent

import pytest
from typer.testing import CliRunner

from agentgate.cli.command_line import command_line
from agentgate.core.conditions import OPERATORS
from agentgate.core.events import Code
from agentgate.core.lint import lint
from agentgate.files.policy_file import PolicyReading, understand
from agentgate.files.reading import Source
from agentgate.files.test_file import ReadingOfTests
from agentgate.files.test_file import understand as understand_tests

from .documentation import COMMAND, MEANINGS, PAGE, page, table

EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_page_is_current() -> None:
    """Whoever changes a description, a key, an operator or a shipped policy writes the page anew."""
    assert PAGE.read_text() == page(), f"policies/README.md is not current: run `{COMMAND}`"


def read(example: str) -> PolicyReading | ReadingOfTests:
    """An example as a policy or as tests of one: as it stands, or, where it shows only a part, with the rest around it."""
    if "\ntests:" in example:
        return understand_tests(Source(str(PAGE.parent / "example.test.yaml"), example.encode(), ""))
    if example.startswith(("limits:", "once:")):
        example = f"version: 1\n{example}"
    if example.startswith("when:"):
        example = f"version: 1\nrules:\n  - id: example\n    allow: tool\n{indent(example, '    ')}"
    return understand([Source("example.yaml", example.encode(), "")])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0])
def test_every_example_loads(example: str) -> None:
    """What stands in the page can be copied."""
    assert read(example).findings == []


def test_the_first_policy_is_wise() -> None:
    """`check` has nothing to say about the policy that the page begins with."""
    reading = read(EXAMPLES[0])
    assert isinstance(reading, PolicyReading)
    assert reading.policy is not None
    assert lint(reading.policy) == []


def test_every_operator_has_an_example() -> None:
    """Its section shows the operator at work."""
    shown = {key for key in OPERATORS for example in EXAMPLES if example.startswith(f"when: {{argument: {{{key}: ")}
    assert shown == OPERATORS.keys()


def test_every_code_of_a_decision_has_a_meaning() -> None:
    """The list of codes is closed, and the page has all of it."""
    assert MEANINGS.keys() == set(Code)


def test_the_page_and_check_explain_the_same_codes() -> None:
    """`agentgate check --codes` lists what the page lists."""
    told = re.findall(
        r"^([a-z-]+) \((?:error|warning|note)\)$", CliRunner().invoke(command_line(), ["check", "--codes"]).stdout, re.MULTILINE
    )
    written = PAGE.read_text().split("## What check says")[1]
    assert sorted(told) == sorted(re.findall(r"^(?:\| `|#### )([a-z-]+)(?:` \||$)", written, re.MULTILINE))


def test_links_lead_somewhere() -> None:
    """To files beside the page, and to its own headings."""
    text = PAGE.read_text()
    headings = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    links = set(re.findall(r"\]\(([^)]+)\)", text))
    assert links
    assert {link for link in links if not (link.startswith("#") or (PAGE.parent / link).exists())} == set()
    assert {link for link in links if link.startswith("#") and link[1:] not in headings} == set()


def test_no_heading_is_there_twice() -> None:
    """So that a link leads to one place."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", PAGE.read_text(), flags=re.DOTALL), re.MULTILINE)
    assert len(set(headings)) == len(headings)


def test_a_bar_does_not_break_a_table() -> None:
    """A pattern with `|` stays in its cell."""
    assert table(("a", "b"), [("`x|y`", "z")]).split("\n")[2] == r"| `x\|y` | z |"
