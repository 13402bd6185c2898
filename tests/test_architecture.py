"""The dependencies point one way, the core touches nothing outside, and starting up imports no more than it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMPURE = {"asyncio", "io", "os", "pathlib", "random", "secrets", "socket", "subprocess", "sys", "tempfile", "threading", "time"}
MAY_DECIDE = {ROOT / "agentgate" / "session.py", ROOT / "agentgate" / "__init__.py"}
SHOW_IMPORTS = """
import os, sys
os._exit = sys.exit
sys.argv = ["agentgate", *{arguments}]
from agentgate.__main__ import main
try:
    main()
finally:
    print("imported", *sys.modules)
"""


def _imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_layers() -> None:
    """The import contracts in pyproject.toml hold."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", sorted((ROOT / "agentgate" / "core").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_the_core_is_pure(file: Path) -> None:
    """No module of the core imports what reads files, clocks, the network or chance."""
    assert not _imports(file) & IMPURE


@pytest.mark.parametrize("file", sorted((ROOT / "agentgate").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_session_and_the_core_import_the_engine(file: Path) -> None:
    """Nobody gets a decision but through a session."""
    inside = file.is_relative_to(ROOT / "agentgate" / "core") or file in MAY_DECIDE
    assert inside or "agentgate.core.engine" not in _imports(file)


def test_one_place_executes_tools() -> None:
    """Whoever lets a call run comes through it, with the decision."""

    def executes(node: ast.AST) -> bool:
        call = node.func if isinstance(node, ast.Call) else None
        return isinstance(call, ast.Attribute) and call.attr == "execute" and ast.unparse(call.value).endswith("toolbox")

    files = (ROOT / "agentgate").rglob("*.py")
    assert [file.name for file in files if any(map(executes, ast.walk(ast.parse(file.read_text()))))] == ["executing.py"]


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["--version"], {"typer", "rich", "msgspec"}),
        (["--help"], {"pydantic", "openai", "jsonschema", "yaml", "re2", "jiter", "msgspec"}),
        (["check", "policies/strict.yaml"], {"pydantic", "openai", "jsonschema", "httpx2", "sqlglot"}),
        (["test", "policies/support-roles.yaml"], {"pydantic", "openai", "jsonschema", "httpx2", "sqlglot"}),
        (["explain", "policies/strict.yaml", "--tool", "customer_db"], {"pydantic", "openai", "jsonschema", "httpx2", "sqlglot"}),
        (
            ["replay", "tasks/upgrade_customer.recorded.jsonl", "--policy", "policies/strict.yaml"],
            {"pydantic", "openai", "jsonschema", "httpx2", "agentgate.executing", "agentgate.tools.toolbox", "agentgate.tools.sources"},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_start_up(arguments: list[str], forbidden: set[str]) -> None:
    """Commands that call no model do not import a client for one, nor what is slow and not needed, nor, where nothing may run, tools."""
    code = SHOW_IMPORTS.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    imported = set(done.stdout.splitlines()[-1].split())
    assert done.returncode == 0, done.stderr
    assert "imported" in imported
    assert not imported & forbidden
