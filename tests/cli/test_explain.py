"""`agentgate explain`: calls on the command line and in transcripts, what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentgate.core.events import Digest, PolicyDigest
from agentgate.files.policy_file import load_policy
from tests.replay.writing import ENDED, assistant, call, chat, decided, native, started

ROOT = Path(__file__).parents[2]
POLICY = """\
version: 1
name: strict
roles: {operator: []}
rules:
  - id: reads
    allow: db
    when: {action: read}
  - id: changes
    ask: db
    roles: [operator]
    when: {action: write}
    hint: say why
"""


def explain(folder: Path, *arguments: str, stdin: bytes = b"", encoding: str = "utf-8") -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command, started in a folder."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    command = [sys.executable, "-m", "agentgate", "explain", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy; a run that was judged by it, one that was judged by another, and chats of others."""
    (tmp_path / "strict.yaml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    loaded = load_policy("strict.yaml")
    same = PolicyDigest("strict", loaded.sha256, tuple(Digest(name, sha256) for name, sha256 in loaded.files))
    calls = (decided("1", "db", '{"action": "read"}'), decided("2", "db", '{"action": "write"}', rule="old"))
    (tmp_path / "run.jsonl").write_bytes(native(started(policy=same), *calls, ENDED))
    (tmp_path / "changed.jsonl").write_bytes(native(started(policy=PolicyDigest("strict", "0" * 64, same.files)), *calls, ENDED))
    gone = PolicyDigest("gone", "0" * 64, (Digest("gone.yaml", "0" * 64),))
    (tmp_path / "gone.jsonl").write_bytes(native(started(policy=gone), *calls, ENDED))
    (tmp_path / "chats.jsonl").write_bytes(chat("hi", assistant(call("1", "one"))) + chat("ho", assistant(call("1", "two"))))
    (tmp_path / "torn.jsonl").write_bytes((tmp_path / "run.jsonl").read_bytes()[:-50])
    return tmp_path


def test_a_call_on_the_command_line(folder: Path) -> None:
    """The call, the decision, every rule with its place and reason, and what would change it."""
    assert explain(folder, "strict.yaml", "--tool", "db", "--arguments", '{"id": 1, "action": "write"}') == (
        0,
        'call      db(action="write", id=1)\n'
        "decision  ✗ block  default: action 'write' is not allowed for tool 'db'\n"
        "\n"
        "rules that name db\n"
        "  · changes   strict.yaml:8   ask     there is no role, needs operator\n"
        '  · reads     strict.yaml:5   allow   action is "write", not "read"\n'
        "\n"
        "what would change it\n"
        '  action="read"     →  ✓ allow by reads\n'
        "  --role operator   →  ? ask by changes\n",
        "",
    )


def test_json(folder: Path) -> None:
    """One object; the documented keys first."""
    code, out, _ = explain(
        folder, "strict.yaml", "-t", "db", "-a", '{"action": "write"}', "--role", "operator", "-f", "json", "--fail-on-block"
    )
    assert code == 0
    found = json.loads(out)
    assert list(found) == ["effect", "code", "rule", "reason", "hint", "considered", "changes", "recorded"]
    assert found == {
        "effect": "ask",
        "code": "rule",
        "rule": "changes",
        "reason": "rule 'changes' asks for approval",
        "hint": "say why",
        "considered": [
            {"rule": "changes", "effect": "ask", "matched": True, "why": 'action is "write"', "observe": False},
            {"rule": "reads", "effect": "allow", "matched": False, "why": 'action is "write", not "read"', "observe": False},
        ],
        "changes": [
            {"change": 'action="read"', "effect": "allow", "code": "rule", "rule": "reads"},
            {"change": "no role", "effect": "block", "code": "default", "rule": None},
            {"change": "action=0", "effect": "block", "code": "default", "rule": None},
        ],
        "recorded": None,
    }


def test_a_call_of_a_run(folder: Path) -> None:
    """Judged by the policy of the run, with what was decided then where that was something else."""
    code, out, err = explain(folder, "run.jsonl#2")
    assert (code, err) == (0, "")
    assert "decision  ✗ block  default: action 'write' is not allowed for tool 'db'\nrecorded  ✓ allow  old\n" in out
    _, out, _ = explain(folder, "run.jsonl#2", "--format", "json")
    assert json.loads(out)["recorded"] == {"effect": "allow", "rule": "old"}
    assert "recorded" not in explain(folder, "run.jsonl#1")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["changed.jsonl#1"], 0, "note: the policy has changed since this run; it is judged by what the policy says now\n"),
        (["gone.jsonl#1"], 2, "error: the policy `gone.yaml` of this run is not there\nhelp: name one with --policy\n"),
        (["gone.jsonl#1", "-p", "strict.yaml"], 0, ""),
        (["chats.jsonl#1"], 2, "error: the transcript does not say by which policy it was judged\nhelp: name one with --policy\n"),
        (["run.jsonl#0"], 2, "error: there is no call 0 in this transcript, it has 2\nhelp: calls count from 1\n"),
        (["run.jsonl#999"], 2, "error: there is no call 999 in this transcript, it has 2\nhelp: calls count from 1\n"),
        (
            ["strict.yaml", "-t", "x", "--after", "bad!name"],
            2,
            "error: `bad!name` cannot have returned: it is not the name of a tool\n",
        ),
        (["run.jsonl#1", "--after", "x"], 2, "error: a call of a transcript comes with its own arguments, history, prompt and tools\n"),
        (["nothing.jsonl#1"], 2, "error: no transcript at `nothing.jsonl`\n"),
        (["strict.yaml#1", "-p", "strict.yaml"], 2, "error: strict.yaml:1: "),
        (["torn.jsonl#1"], 0, "damaged: torn.jsonl:4: cut off"),
        (["strict.yaml"], 2, "error: no call is given\n"),
        (["run.jsonl#x"], 2, "error: no call is given\n"),
        (["nowhere.yaml", "-t", "db"], 2, "nowhere.yaml"),
        (["strict.yaml", "-t", "db", "--role", "admin"], 2, "error: the policy has no role `admin`\nhelp: one of operator\n"),
        (["-", "-t", "db", "-a", "-"], 2, "error: standard input is either the policy or the arguments\n"),
        (["strict.yaml", "-t", "db", "--fail-on-block"], 1, ""),
        (["strict.yaml", "-t", "db", "-a", '{"action": "read"}', "--fail-on-block"], 0, ""),
        (["strict.yaml", "-t", "db"], 0, ""),
        (["strict.yaml", "-t", "", "-a", "[]"], 0, ""),
        ([], 2, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes(folder: Path, arguments: list[str], code: int, said: str) -> None:
    """0 whatever the decision, 1 with --fail-on-block, 2 wrong usage or a bad file; never a traceback."""
    done, _, err = explain(folder, *arguments)
    assert done == code, err
    assert said in err
    assert "Traceback" not in err
    assert said or code == 2 or err == ""


def test_a_file_with_several_runs(folder: Path) -> None:
    """Without a line the first one is meant, and that is said; with a line, the one that begins there."""
    (folder / "any.yaml").write_text("version: 1\nrules: [{id: any, allow: '*'}]\n")
    _, out, err = explain(folder, "chats.jsonl#1", "-p", "any.yaml")
    assert out.startswith("call      one()\n")
    assert err == "note: the file holds several runs, and this is the first; chats.jsonl:2#1 is in the next\n"
    _, out, err = explain(folder, "chats.jsonl:2#1", "-p", "any.yaml")
    assert out.startswith("call      two()\n")
    assert err == ""
    assert explain(folder, "chats.jsonl:3#1", "-p", "any.yaml")[2] == "error: no run begins on line 3 of `chats.jsonl`\n"


@pytest.mark.parametrize(
    ("stdin", "shown"),
    [
        (b'{"action": "read"}\n', 'call      db(action="read")\n'),
        (b"{", 'call      db(malformed: "{")\n'),
        (b"[]", 'call      db(malformed: "[]")\n'),
        (b'"\xff\x00', 'call      db(malformed: "\\"\\udcff\\u0000")\n'),
        (b"", "call      db()\n"),
    ],
)
def test_arguments_from_standard_input(folder: Path, stdin: bytes, shown: str) -> None:
    """Taken as they are; what is no JSON is shown as malformed."""
    code, out, err = explain(folder, "strict.yaml", "-t", "db", "-a", "-", stdin=stdin)
    assert (code, err) == (0, "")
    assert out.startswith(shown)


def test_the_policy_from_standard_input(folder: Path) -> None:
    """As everywhere, `-` is standard input."""
    code, out, _ = explain(folder, "-", "-t", "db", "-a", '{"action": "read"}', stdin=POLICY.encode())
    assert code == 0
    assert "✓ allow  reads" in out


def test_a_place_that_carries_only_ascii(folder: Path) -> None:
    """Nothing breaks, nothing is lost, whatever the arguments hold."""
    code, out, err = explain(folder, "strict.yaml", "-t", "db", "-a", '{"action": "é\\u202e\\u0007", "ö": "…"}', encoding="ascii")
    assert (code, err) == (0, "")
    assert out.isascii()
    assert out.startswith('call      db(action="\\u00e9\\u202e\\u0007", "\\u00f6"="\\u2026")\ndecision  x block  default: ')
    assert "what would change it\n  action=" in out
    assert "->  + allow by reads\n" in out


def test_long_values_are_cut_except_where_they_decide(folder: Path) -> None:
    """The value that the decision fell on is whole; others have their middle left out."""
    arguments = json.dumps({"note": "n" * 500, "action": "a" * 300})
    _, out, _ = explain(folder, "strict.yaml", "-t", "db", "-a", arguments)
    first = out.splitlines()[0]
    assert f'action="{"a" * 300}"' in first
    assert "…440 characters…" in first


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full is a thing of Linux")  # noqa: PTH110
def test_a_result_that_cannot_be_written(folder: Path) -> None:
    """A full disk is a failure outside, and is said."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "agentgate", "explain", "strict.yaml", "-t", "db"]
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(command, cwd=folder, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "error: the result cannot be written: no space left on device\n")


def test_rules_about_results_are_listed(folder: Path) -> None:
    """They have no say on the call, and matter to whoever asks about it."""
    rules = "results: [{id: huge, cut: x, max_bytes: 5000}, {id: bad, block: '*', observe: true}, {id: other, block: y}]"
    (folder / "results.yaml").write_text(f"version: 1\nrules: [{{id: all, allow: x}}]\n{rules}\n")
    code, out, _ = explain(folder, "results.yaml", "--tool", "x")
    assert code == 0
    assert "rules about its results\n  bad    results.yaml:3   block (on trial)\n  huge   results.yaml:3   cut to 5,000 bytes\n" in out
    told = json.loads(explain(folder, "results.yaml", "--tool", "x", "--format", "json")[1])
    assert [entry["rule"] for entry in told["results"]] == ["bad", "huge"]
