"""`agentgate convert` from the command line: what is written where, and what is kept back."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

from agentgate import load_policy

ROOT = Path(__file__).parents[2]
FLAT = ROOT / "tests" / "data" / "policies" / "flat"


def convert(*arguments: str, folder: Path = ROOT, text: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    command = [sys.executable, "-m", "agentgate", "convert", *arguments]
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(command, cwd=folder, input=text, env=variables, capture_output=True, text=True, encoding="utf-8", check=False)


def test_the_policy_goes_to_standard_output_and_the_proof_to_standard_error() -> None:
    """So that the output can be kept in a file, and loads."""
    done = convert(str(FLAT / "firewall.yaml"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# yaml-language-server: $schema=policy.schema.json\n")
    assert "# Left out: `log-tool-calls` blocks nothing" in done.stdout
    *left_out, proof = done.stderr.splitlines()
    assert left_out == ["left out: `log-tool-calls` blocks nothing: every call is recorded anyway, with its decision"]
    assert proof.endswith("calls and model requests were judged by both: every decision is the same")
    assert int(proof.split()[0]) > 100


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """For the owner alone; one that exists, or is a link, stays as it is."""
    source = str(FLAT / "block-list.yaml")
    done = convert(source, "-o", "native.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("wrote native.yaml\n")
    written = tmp_path / "native.yaml"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert [rule.id for rule in load_policy(str(written)).rules] == ["block-sql-execution"]
    before = written.read_text()
    (tmp_path / "link.yaml").symlink_to("nowhere.yaml")
    for name in ("native.yaml", "link.yaml"):
        again = convert(source, "-o", name, folder=tmp_path)
        assert again.returncode == 2
        assert again.stderr.startswith(f"error: `{name}` exists already\n")
    assert written.read_text() == before
    assert not (tmp_path / "nowhere.yaml").exists()


def test_several_files_and_standard_input() -> None:
    """Merged like `--policy` files, extended ones too."""
    done = convert("-", str(FLAT / "block-list.yaml"), text="version: 1\nextends: policies/strict.yaml\n")
    assert done.returncode == 0, done.stderr
    assert "  - id: read-customer\n" in done.stdout
    assert "  - id: block-sql-execution\n" in done.stdout
    assert "default: block" in done.stdout


def test_renamed_entries_are_named() -> None:
    """On standard error, and beside the rule."""
    done = convert("-", text="policies: [{name: Größe <b>, type: tool_filter, blocked_tools: [x]}]")
    assert done.returncode == 0, done.stderr
    assert "renamed: `Größe <b>` is now `grosse-b`" in done.stderr
    assert "  # was called `Größe <b>`\n  - id: grosse-b\n" in done.stdout


def test_the_file_is_utf_8_wherever_it_is_written() -> None:
    """Also where the locale knows only ASCII."""
    text = "policies: [{name: a, type: tool_filter, blocked_tools: [x], message: größer}]"
    done = convert("-", text=text, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert "message: größer\n" in done.stdout


def test_a_bad_policy_is_shown_as_by_check(tmp_path: Path) -> None:
    """With every finding, and nothing is written."""
    (tmp_path / "bad.yaml").write_text("version: 1\nalow: x\ndefalt: block\n")
    done = convert("bad.yaml", "-o", "out.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("error[unknown-key]") == 2
    assert not (tmp_path / "out.yaml").exists()


def test_a_place_that_cannot_be_written_is_an_error_outside(tmp_path: Path) -> None:
    """With the reason."""
    done = convert(str(FLAT / "block-list.yaml"), "-o", str(tmp_path / "no" / "where.yaml"))
    assert done.returncode == 3
    assert "no such file or directory" in done.stderr


def test_transcripts_go_into_other_forms(tmp_path: Path) -> None:
    """With --to, and never over a file that exists; several native runs go into a folder, a file each, by number."""
    line = '{"id": "%s", "meta": {"kind": "x"}, "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'
    (tmp_path / "two.jsonl").write_text(line % "one" + line % "../two" + "broken\n")
    done = convert("two.jsonl", "--to", "chat", folder=tmp_path)
    assert done.returncode == 1
    assert [json.loads(row)["id"] for row in done.stdout.splitlines()] == ["one", "../two"]
    assert "damaged: two.jsonl:3: not JSON" in done.stderr
    assert done.stderr.endswith("wrote 2 runs as chat\ncould not be read or written: 1 line\n")
    done = convert("two.jsonl", "--to", "native", folder=tmp_path)
    assert done.returncode == 2
    assert "a file of the form `native` holds one run" in done.stderr
    done = convert("two.jsonl", "--to", "native", "-o", "runs", folder=tmp_path)
    assert "not kept: 2 × `meta`\nwrote 2 runs as native to runs\n" in done.stderr
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["000001.jsonl", "000002.jsonl"]
    assert stat.S_IMODE((tmp_path / "runs" / "000001.jsonl").stat().st_mode) == 0o600
    assert convert("two.jsonl", "--to", "otlp", "-o", "two.jsonl", folder=tmp_path).stderr.startswith("error: `two.jsonl` exists already")
    assert convert("two.jsonl", "--to", "native", "-o", "runs", folder=tmp_path).returncode == 2


def test_transcripts_need_a_form(tmp_path: Path) -> None:
    """A transcript is not taken for a policy, and unknown forms are named."""
    (tmp_path / "run.jsonl").write_text("{}\n")
    done = convert("run.jsonl", folder=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: `run.jsonl` is a transcript, and nobody says what to convert it to",
    )
    done = convert("run.jsonl", "--to", "xml", folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: `xml` is not a form to convert to\nhelp: one of chat, native, otlp\n")
