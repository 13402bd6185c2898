"""What the mutation tests stand on: written reasons that can be read, and the comparison of them with what survived."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.reasons import Malformed, Outcome, Survivor, compare, read, readable, written
from tests.mutation.rows import ROWS

ROOT = Path(__file__).parents[1]
DECIDES_NOTHING = ("lint.", "findings.", "coverage.", "explain.", "changes.", "events.", "verdict.")
LIST = """# Survivors

## `m`

The answer is the same, only
later.

```diff
m.Class.method
-    return quick(x)
+    return slow(x)

-    y = 1
-    z = 1
+    y = z = 1

m.function
-    a
+    b
```

It is never asked.

```diff
m.other
-    a
+    b
```
"""
FIRST = Survivor("m.Class.method", "-    return quick(x)\n+    return slow(x)", "The answer is the same, only\nlater.")


def outcome(survivor: Survivor, result: str) -> Outcome:
    """What became of a mutant that is written down."""
    return Outcome("m", survivor.function, survivor.change, result)


def test_each_change_has_its_function_and_its_reason() -> None:
    """A block is about several changes of several functions, for the one reason above it."""
    found = list(read(LIST, "m.md"))
    assert found[0] == FIRST
    assert [(one.function, one.reason.split()[0]) for one in found] == [
        ("m.Class.method", "The"),
        ("m.Class.method", "The"),
        ("m.function", "The"),
        ("m.other", "It"),
    ]
    assert found[1].change == "-    y = 1\n-    z = 1\n+    y = z = 1"


@pytest.mark.parametrize(
    "text",
    ["```diff\nm.f\n-a\n+b\n```\n", "# Title\n```diff\nm.f\n-a\n+b\n```\n", "Why.\n```diff\n-a\n+b\n```\n", "Why.\n```diff\nm.f\n-a\n+b\n"],
    ids=["no reason", "a title is no reason", "no function", "no end"],
)
def test_a_change_without_a_reason_is_refused(text: str) -> None:
    """Nothing is excused by leaving something out."""
    with pytest.raises(Malformed):
        list(read(text, "m.md"))


def test_a_reason_holds_for_one_block_alone() -> None:
    """What follows a block needs a reason of its own."""
    with pytest.raises(Malformed):
        list(read(LIST.replace("It is never asked.\n", ""), "m.md"))


def test_what_survives_without_a_reason_is_told() -> None:
    """A survivor that nobody wrote about, and the second of two that look alike where one is written."""
    reasons = list(read(LIST, "m.md"))
    outcomes = [outcome(one, "survived") for one in reasons]
    assert compare(outcomes, reasons) == ([], [])
    assert compare(outcomes, reasons[1:]) == ([(FIRST.function, FIRST.change)], [])
    assert compare([*outcomes, outcomes[0]], reasons) == ([(FIRST.function, FIRST.change)], [])


def test_a_reason_for_what_is_noticed_is_told() -> None:
    """The list never names more than what survives in the modules that were tried."""
    reasons = list(read(LIST, "m.md"))
    outcomes = [outcome(reasons[0], "killed"), *(outcome(one, "survived") for one in reasons[1:])]
    assert compare(outcomes, reasons) == ([], [(FIRST.function, FIRST.change)])
    assert compare([Outcome("mm", "mm.f", "-a\n+b", "killed")], reasons) == ([], [])


def test_functions_are_called_what_they_are_called() -> None:
    """mutmut's names for functions and methods become Python's."""
    assert readable("a.b.x_f") == "a.b.f"
    assert readable("a.b.x__g") == "a.b._g"
    assert readable("a.b.xǁNameǁ__init__") == "a.b.Name.__init__"
    assert readable("a.b.xǁ_NameǁmethodX") == "a.b._Name.methodX"


def test_all_written_reasons_can_be_read() -> None:
    """The lists in the repository are well formed, and about modules that are tried."""
    modules = tuple(f"{module}." for row in ROWS for module in row.modules)
    assert [one for one in written() if not one.function.startswith(modules)] == []


def test_every_module_of_the_core_that_decides_is_tried() -> None:
    """A new module of the core stands in a row, or is named among those that decide nothing."""
    tried = {module for row in ROWS for module in row.modules}
    files = (file for file in (ROOT / "agentgate/core").rglob("*.py") if file.name != "__init__.py")
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    core = "agentgate.core."
    assert sorted(name for name in names if name not in tried and not f"{name.removeprefix(core)}.".startswith(DECIDES_NOTHING)) == []


def test_what_rows_name_exists() -> None:
    """Modules and tests of the rows are there."""
    for row in ROWS:
        assert all((ROOT / (module.replace(".", "/") + ".py")).is_file() for module in row.modules)
        assert all((ROOT / test.partition("::")[0]).exists() for test in row.tests)
