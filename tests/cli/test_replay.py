"""`agentgate replay`: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.replay.writing import ENDED, assistant, call, chat, decided, native, started

ROOT = Path(__file__).parents[2]
KEYS = [
    "transcript", "index", "call_id", "tool", "arguments", "effect", "code", "rule", "reason", "recorded", "flipped", "after_flip",
]  # fmt: skip
STRICT = """\
version: 1
name: strict
rules:
  - {id: reads, allow: read}
  - {id: mail, ask: send}
  - {id: idle, block: nobody}
"""
LOOSE = "version: 1\nname: loose\nroles: {viewer: []}\nrules:\n  - {id: reads, allow: read}\n  - {id: all-mail, allow: send}\n"


def replay(folder: Path, *arguments: str, encoding: str = "utf-8") -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command, started in a folder."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "agentgate", "replay", *arguments], cwd=folder, env=environ, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two policies; a run of ours, a chat, a file with a broken line, an empty file."""
    (tmp_path / "strict.yaml").write_text(STRICT)
    (tmp_path / "loose.yaml").write_text(LOOSE)
    runs = tmp_path / "runs"
    runs.mkdir()
    calls = (decided("1", "read", '{"id": 1}', rule="reads"), decided("2", "send", rule="old-mail"), decided("3", "read", rule="reads"))
    (runs / "run.jsonl").write_bytes(native(started(), *calls, ENDED))
    (runs / "chat.jsonl").write_bytes(chat("hi", assistant(call("1", "read"), call("2", "wipe")), id="chat-1"))
    (tmp_path / "broken.jsonl").write_bytes(chat("hi") + b"{broken\n" + chat("ho", assistant(call("1", "read"))))
    (tmp_path / "empty.jsonl").write_bytes(b"")
    return tmp_path


def without_time(text: str) -> str:
    """The first line tells how long it took."""
    first, _, rest = text.partition("\n")
    return f"{first[: first.index(' in ')]}\n{rest}"


def test_the_table(folder: Path) -> None:
    """What flipped against the record, with the deciding rules and their places, and what was never exercised."""
    code, out, err = replay(folder, "runs/run.jsonl", "-p", "strict.yaml")
    assert (code, err) == (0, "")
    assert without_time(out) == (
        "Replayed 3 calls from 1 run\n"
        "\n"
        "                strict\n"
        "  recorded     allow       ask     block\n"
        "    allow          2         1         0\n"
        "\n"
        "NEWLY ASKED  1 call\n"
        "  ? send()   1 call in 1 run\n"
        "      allow old-mail  →  ask mail (strict.yaml:5)\n"
        "      why  agentgate explain 'runs/run.jsonl#2' -p strict.yaml\n"
        "\n"
        "Rules that decided nothing in this traffic: idle (strict.yaml:6)\n"
        "\n"
        "After its first changed decision a real run could have gone another way: 1 of 1 run.\n"
    )


def test_the_table_against_another_policy(folder: Path) -> None:
    """What is newly allowed comes first, with the place in the other policy."""
    code, out, _ = replay(folder, "runs", "-p", "loose.yaml", "--against", "strict.yaml")
    assert code == 0
    assert "  strict       allow       ask     block\n    allow          3         0         0\n" in out
    assert "NEWLY ALLOWED  1 call: look at these first\n  + send()   1 call in 1 run\n" in out
    assert "      ask mail (strict.yaml:5)  →  allow all-mail (loose.yaml:6)\n" in out


def test_nothing_to_compare_with(folder: Path) -> None:
    """Without recorded decisions the table says what decided."""
    _, out, _ = replay(folder, "runs/chat.jsonl", "-p", "strict.yaml")
    assert "  allow 1   ask 0   block 1\n\n  decided by\n          1  default\n          1  reads\n" in out


def test_jsonl(folder: Path) -> None:
    """One object a call with exactly the documented keys; where there is another policy, `against` too."""
    code, out, err = replay(folder, "runs", "-p", "strict.yaml", "-f", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert all(list(row) == KEYS for row in rows)
    assert [(row["transcript"], row["index"], row["effect"], row["recorded"], row["flipped"], row["after_flip"]) for row in rows] == [
        ("chat-1", 0, "allow", None, False, False),
        ("chat-1", 1, "block", None, False, False),
        ("run-1", 0, "allow", {"effect": "allow", "rule": "reads"}, False, False),
        ("run-1", 1, "ask", {"effect": "allow", "rule": "old-mail"}, True, False),
        ("run-1", 2, "allow", {"effect": "allow", "rule": "reads"}, False, True),
    ]
    _, out, _ = replay(folder, "runs/chat.jsonl", "-p", "strict.yaml", "--against", "loose.yaml", "-f", "jsonl")
    first = json.loads(out.splitlines()[0])
    assert sorted(first) == sorted([*KEYS, "against"])
    assert first["against"] == {"effect": "allow", "rule": "reads"}


def test_json(folder: Path) -> None:
    """One object with exactly the documented keys."""
    code, out, err = replay(folder, "runs", "broken.jsonl", "-p", "strict.yaml", "--format", "json")
    result = json.loads(out)
    assert code == 1
    assert list(result) == ["transcripts", "calls", "effects", "rules", "flips", "seconds", "damaged"]
    assert result.pop("seconds") >= 0
    assert result == {
        "transcripts": 4,
        "calls": 6,
        "effects": {"allow": 4, "ask": 1, "block": 1},
        "rules": {"default": 1, "mail": 1, "reads": 4},
        "flips": 1,
        "damaged": [{"file": "broken.jsonl", "line": 2, "why": "not JSON: expecting property name enclosed in double quotes at column 2"}],
    }
    assert err == "damaged: broken.jsonl:2: not JSON: expecting property name enclosed in double quotes at column 2\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["runs", "-p", "strict.yaml"], 0, ""),
        (["runs", "-p", "strict.yaml", "--fail-on-flip"], 1, ""),
        (["runs/chat.jsonl", "-p", "strict.yaml", "--fail-on-flip"], 0, ""),
        (["runs/*.jsonl", "-p", "strict.yaml"], 0, ""),
        (["broken.jsonl", "-p", "strict.yaml"], 1, "damaged: broken.jsonl:2: not JSON"),
        (["empty.jsonl", "-p", "strict.yaml"], 1, "damaged: empty.jsonl:1: the file is empty"),
        (["nothing", "-p", "strict.yaml"], 2, "error: no transcript at `nothing`"),
        (["no*.jsonl", "-p", "strict.yaml"], 2, "error: no transcript at `no*.jsonl`"),
        (["runs"], 2, "error: no policy is given"),
        (["runs", "-p", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["runs", "-p", "strict.yaml", "--against", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["runs", "-p", "strict.yaml", "--role", "admin"], 2, "error: the policy has no role `admin`"),
        (["runs", "-p", "loose.yaml", "--role", "viewer"], 0, ""),
        (["strict.yaml", "-p", "strict.yaml"], 1, "damaged: strict.yaml:1:"),
        ([], 2, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes(folder: Path, arguments: list[str], code: int, said: str) -> None:
    """0 judged, 1 damaged or flipped, 2 nothing to judge or wrong usage; never a traceback."""
    done, _, err = replay(folder, *arguments)
    assert done == code
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("policy", "against", "fail_on", "code"),
    [
        ("loose.yaml", "strict.yaml", "newly-allowed", 1),
        ("loose.yaml", "strict.yaml", "newly-blocked", 0),
        ("loose.yaml", "strict.yaml", "any", 1),
        ("loose.yaml", "strict.yaml", "none", 0),
        ("strict.yaml", "loose.yaml", "newly-allowed", 0),
        ("closed.yaml", "loose.yaml", "newly-blocked", 1),
        ("strict.yaml", "strict.yaml", "any", 0),
    ],
)
def test_which_flips_fail(folder: Path, policy: str, against: str, fail_on: str, code: int) -> None:
    """A pipeline may mind what is newly allowed, and not what is newly blocked."""
    (folder / "closed.yaml").write_text("version: 1\nrules: [{id: all, block: '*'}]\n")
    assert replay(folder, "runs", "-p", policy, "--against", against, "--fail-on", fail_on)[0] == code


def test_many_calls_are_shown_as_one(folder: Path) -> None:
    """What their arguments have in common, how far they reach, and the command that tells why."""
    calls = [call(str(n), "send", json.dumps({"to": "a", "id": 900 + n, "note": "x" * n, **({"cc": "b"} if n else {})})) for n in range(5)]
    (folder / "many.jsonl").write_bytes(chat("hi", *(assistant(one) for one in calls), id="many"))
    _, out, _ = replay(folder, "many.jsonl", "-p", "loose.yaml", "--against", "strict.yaml")
    assert '  + send(to="a", id=900…904, note=…5 values…, [cc="b"])   5 calls in 1 run\n' in out
    assert "      why  agentgate explain 'many.jsonl:1#1' -p loose.yaml\n" in out


def test_several_policies_side_by_side(folder: Path) -> None:
    """A column each, and the calls that they differ about; whatever is named like a policy is one."""
    code, out, err = replay(folder, "runs", "--compare", "strict.yaml", "loose.yaml")
    assert (code, err) == (0, "")
    assert without_time(out) == (
        "Replayed 5 calls from 2 runs\n"
        "\n"
        "        strict                loose\n"
        "  allow 3                     4\n"
        "  ask   1                     0\n"
        "  block 1                     1\n"
        "\n"
        "DIFFERENT  1 call\n"
        "  send()   1 call\n"
        "        ask mail              allow all-mail\n"
    )
    code, out, _ = replay(folder, "runs", "broken.jsonl", "--compare", "strict.yaml", "loose.yaml", "--format", "json")
    found = json.loads(out)
    assert code == 1
    assert [policy["effects"] for policy in found["policies"]] == [
        {"allow": 4, "ask": 1, "block": 1},
        {"allow": 5, "ask": 0, "block": 1},
    ]
    assert found["differences"][0]["decisions"] == [{"effect": "ask", "rule": "mail"}, {"effect": "allow", "rule": "all-mail"}]


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "--compare", "strict.yaml", "-p", "loose.yaml"],
        ["runs", "--compare", "strict.yaml", "--fail-on", "any"],
        ["runs", "--compare", "strict.yaml", "--format", "jsonl"],
        ["--compare", "strict.yaml", "loose.yaml"],
        ["runs", "--compare", "strict.yaml", "--role", "nobody"],
    ],
    ids=lambda value: " ".join(value),
)
def test_comparing_stands_alone(folder: Path, arguments: list[str]) -> None:
    """What makes no sense beside it is wrong usage."""
    code, out, err = replay(folder, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


def test_a_folder_without_a_transcript(folder: Path) -> None:
    """Other JSON in a folder is passed over; where nothing else is there, that is wrong usage."""
    (folder / "other").mkdir()
    (folder / "other" / "package.json").write_text('{"name": "x"}')
    assert replay(folder, "other", "-p", "strict.yaml")[0] == 2


def test_the_same_file_twice_is_judged_once(folder: Path) -> None:
    """However it is spelt; also through its folder."""
    _, out, _ = replay(folder, "runs", "runs/run.jsonl", "./runs/../runs/run.jsonl", "-p", "strict.yaml")
    assert out.startswith("Replayed 5 calls from 2 runs")


def test_a_place_that_carries_only_ascii(folder: Path) -> None:
    """Nothing breaks, nothing is lost."""
    (folder / "runs" / "chat.jsonl").write_bytes(chat("hi", assistant(call("1", "sénd\u202e", '{"a": "é"}'))))
    code, out, _ = replay(folder, "runs", "-p", "strict.yaml", "--against", "loose.yaml", encoding="ascii")
    assert code == 0
    assert "      allow all-mail (loose.yaml:6)  ->  ask mail (strict.yaml:5)\n" in out


def test_a_reader_that_goes_away(folder: Path) -> None:
    """The rest is judged all the same, so that the exit code tells the truth, and nobody complains."""
    command = f"{sys.executable} -m agentgate replay many.jsonl -p strict.yaml -f jsonl --fail-on-flip --against loose.yaml"
    (folder / "many.jsonl").write_bytes(chat("hi", *(assistant(call(str(n), "send" if n == 4999 else "read")) for n in range(5000))))
    shell = f"{command} | head -1; echo ${{PIPESTATUS[0]}}"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", shell], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    first, code = done.stdout.splitlines()
    assert json.loads(first)["index"] == 0
    assert (code, done.stderr) == ("1", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full is a thing of Linux")  # noqa: PTH110
@pytest.mark.parametrize("format", ["table", "json", "jsonl"])
def test_a_result_that_cannot_be_written(folder: Path, format: str) -> None:
    """A full disk is a failure outside, and is said."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "agentgate", "replay", "runs", "-p", "strict.yaml", "-f", format]
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(command, cwd=folder, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "error: the result cannot be written: no space left on device\n")


def test_a_page_beside_the_result(folder: Path) -> None:
    """`--report` writes one page more, for the owner alone, replaces an older one, and nothing else; the result stays as it is."""
    page = folder / "page.html"
    arguments = ("runs", "--policy", "strict.yaml", "--against", "loose.yaml", "--format", "json", "--report", "page.html")
    code, out, err = replay(folder, *arguments)
    assert (code, err) == (0, "wrote page.html\n")
    assert json.loads(out)["flips"] == 1
    assert page.read_text().startswith("<!doctype html>\n<!-- agentgate replay -->\n")
    assert page.stat().st_mode & 0o777 == 0o600
    assert replay(folder, *arguments)[0] == 0
    page.write_text("mine")
    code, _, err = replay(folder, *arguments)
    assert code == 2
    assert "name another file, or remove it first" in err
    assert page.read_text() == "mine"


def test_several_processes_print_the_same(folder: Path) -> None:
    """Rows, damage and exit code do not tell how many processes judged."""
    for extra in (("--format", "jsonl"), ("--format", "table", "--against", "loose.yaml")):
        one = replay(folder, "runs", "broken.jsonl", "--policy", "strict.yaml", "--jobs", "1", *extra)
        two = replay(folder, "runs", "broken.jsonl", "--policy", "strict.yaml", "--jobs", "2", *extra)
        assert one[0] == two[0] == 1
        assert one[2] == two[2]
        assert one[1].partition("\n")[2] == two[1].partition("\n")[2]
    assert replay(folder, "empty.jsonl", "--policy", "strict.yaml", "--jobs", "2")[0] == 1
