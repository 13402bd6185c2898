"""The README stays honest: its commands run, its policy loads and is clean, its Python runs, its links lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agentgate.core.conditions import OPERATORS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(name: str) -> str:
    """What stands in the fenced block between `<!-- name -->` and its end."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", README, re.DOTALL)
    assert found is not None, name
    return found[1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the commands work on, so that their traces do not stay behind."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("policies", "tasks"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command of the README with `agentgate` standing for this very package."""
    command = re.sub(r"(?<![\w/.-])(\.venv/bin/)?agentgate ", f"{sys.executable} -m agentgate ", command)
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_the_first_command_runs_the_customer_example(checkout: Path) -> None:
    """The main job, as printed but for making the environment: read is allowed, the rest refused with its reason, exit code 0."""
    done = run(block("run").split("&&")[-1].strip(), checkout)
    assert done.returncode == 0, done.stderr
    assert "action 'update_tier' is not allowed for tool 'customer_db'" in done.stdout
    assert "tool 'email_service' is not allowed" in done.stdout


def test_every_command_to_try_runs(checkout: Path) -> None:
    """In the order in which they are printed, each ends with exit code 0."""
    for line in block("try").splitlines():
        done = run(line, checkout)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_the_command_for_a_cluster_runs(checkout: Path) -> None:
    """Where Ray is installed, as printed."""
    if subprocess.run([sys.executable, "-c", "import ray"], capture_output=True, check=False).returncode:
        pytest.skip("Ray is not installed: pip install -e '.[ray]'")
    done = run(block("ray").strip(), checkout)
    assert done.returncode == 0, done.stderr
    assert "Replayed 11 calls from 3 runs" in done.stdout


def test_the_policy_of_the_readme_is_clean(tmp_path: Path) -> None:
    """It loads, and `check` has nothing to say about it."""
    file = tmp_path / "readme.yaml"
    file.write_text(block("policy"))
    done = run(f"agentgate check --strict {file}", ROOT)
    assert done.returncode == 0, done.stdout


def test_the_python_of_the_readme_runs() -> None:
    """And says what one expects of it."""
    done = subprocess.run([sys.executable, "-c", block("python")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "allow read-customer allowed by rule 'read-customer'\n", done.stderr


def test_every_operator_is_in_the_readme() -> None:
    """The table names each of them."""
    assert [key for key in OPERATORS if f"`{key}`" not in README] == []


def test_links_lead_somewhere() -> None:
    """Every relative link of the README is a file."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", ["policies", "tasks"])
def test_what_is_shipped_is_clean(name: str) -> None:
    """`check --strict` finds nothing in any shipped file."""
    done = run(f"agentgate check --strict {name}/*.yaml", ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", ["policy", "task", "test"])
def test_shipped_schemas_are_current(kind: str) -> None:
    """What editors read is what `agentgate schema` prints."""
    folder = {"policy": "policies", "task": "tasks", "test": "policies"}[kind]
    assert run(f"agentgate schema {kind}", ROOT).stdout == (ROOT / folder / f"{kind}.schema.json").read_text()


def test_shipped_files_name_their_schema() -> None:
    """Each carries the line by which editors find it."""
    files = [*(ROOT / "policies").glob("*.yaml"), *(ROOT / "tasks").glob("*.yaml")]
    documents = [file for file in files if not file.name.endswith(".test.yaml")]
    lacking = [file.name for file in documents if "yaml-language-server: $schema=" not in file.read_text()]
    assert lacking == []
