"""The documentation of test files stays honest: its example passes, and its tables name every key."""

from __future__ import annotations

import re
from pathlib import Path

from agentgate.cases import run_suite
from agentgate.files.test_schema import schema_of_tests
from agentgate.suites import load_suites

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "policies" / "README.md").read_text(encoding="utf-8").split("\n## Testing a policy\n")[1].split("\n## ")[0]


def test_the_example_passes(tmp_path: Path) -> None:
    """As it stands, beside the policy that it names."""
    found = re.search(r"<!-- example -->\n```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    (tmp_path / "support-roles.yaml").write_bytes((ROOT / "policies" / "support-roles.yaml").read_bytes())
    (tmp_path / "example.test.yaml").write_text(found[1], encoding="utf-8")
    (suite,) = load_suites([str(tmp_path / "example.test.yaml")])
    result = run_suite(suite)
    assert (result.passed, result.failed) == (5 + sum(result.examples.values()), 0)


def test_every_key_is_documented() -> None:
    """Those of the file, of a test, of a line, and of what they hold."""
    schema = schema_of_tests()
    definitions = schema["definitions"]
    keys = {*schema["properties"], *(key for name in ("test", "case", "given", "used") for key in definitions[name]["properties"])}
    keys |= set(definitions["then"]["else"]["properties"])
    assert [key for key in sorted(keys) if not re.search(rf"`{key}\b|\b{key}:", TEXT)] == []
