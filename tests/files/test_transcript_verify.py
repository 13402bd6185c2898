"""An audit finds everything that can be found in the file, and says what cannot."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from agentgate.core.arguments import digest
from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Effect,
    Event,
    Mode,
    ModelReplied,
    RunEnded,
    RunStarted,
    ToolReturned,
)
from agentgate.core.state import State, evolve
from agentgate.errors import FileError
from agentgate.files.transcript_chain import ZEROS, decode_event, parse_line, seal
from agentgate.files.transcript_verify import UNENDED, UNPROVEN, Verification, verify, verify_stream

GOLDEN = Path(__file__).parents[1] / "data" / "transcripts" / "run.jsonl"
LINES = GOLDEN.read_bytes().splitlines(keepends=True)
AT = datetime(2026, 3, 1, tzinfo=UTC)

CHANGED = "changed after it was written: its hash is not that of the event"
BROKEN = "does not follow the line before it: something was removed, inserted or moved here"
OUT_OF_ORDER = "out of order: it was inserted, repeated or moved here"
HEADLESS = "the run has no readable `run_started`: nothing of it can be judged"
CUT_OFF = "cut off: the writer was stopped in the midst of this line"


def audit(lines: Iterable[bytes] | bytes, head: str | None = None) -> Verification:
    return verify_stream(BytesIO(lines if isinstance(lines, bytes) else b"".join(lines)), "run.jsonl", head=head)


def found(verification: Verification) -> list[tuple[int, str]]:
    return [(problem.line, problem.what) for problem in verification.problems]


def written(*events: Event) -> list[bytes]:
    """The lines of a run, chained, whatever it says; but for its totals, which are those of the events."""
    lines, prev, state = [], ZEROS, State()
    for seq, event in enumerate(events, 1):
        moved = replace(event, at=AT)
        state = evolve(state, moved)
        sealed = seal(replace(moved, totals=state.totals) if isinstance(moved, RunEnded) else moved, seq, prev)
        lines.append(sealed.line)
        prev = sealed.hash
    return lines


def test_a_sound_run() -> None:
    """Nothing is found, the head is that of the last event, and what cannot be proven is said."""
    verification = verify(GOLDEN)
    assert verification.ok
    assert verification.ended
    assert (verification.events, verification.run_id, verification.status) == (12, "k3v9", "done")
    assert verification.head == parse_line(LINES[-1])["hash"]
    assert verification.notes == (UNPROVEN,)
    assert verify(GOLDEN, head=verification.head).notes == ()


def test_every_deleted_line_is_found() -> None:
    """Whichever line is missing, the line that followed it says so; without the last one, the end is missing."""
    for gone in range(len(LINES)):
        findings = found(audit([*LINES[:gone], *LINES[gone + 1 :]]))
        if gone == 0:
            assert findings == [(1, BROKEN)]
        elif gone == len(LINES) - 1:
            assert findings == [(11, UNENDED)]
        else:
            assert findings[0] == (gone + 1, BROKEN)


def test_every_repeated_line_is_found() -> None:
    """Whichever line stands twice, at its own place or at another, is found there."""
    for source in range(len(LINES)):
        for place in range(source + 1, len(LINES) + 1):
            findings = found(audit([*LINES[:place], LINES[source], *LINES[place:]]))
            assert findings[0] == (place + 1, OUT_OF_ORDER)


def test_every_swap_is_found() -> None:
    """Whichever two lines change places, the first of the two places is named."""
    for one in range(len(LINES)):
        for other in range(one + 1, len(LINES)):
            lines = list(LINES)
            lines[one], lines[other] = lines[other], lines[one]
            assert found(audit(lines))[0] == (one + 1, BROKEN)


def short_run() -> list[bytes]:
    decided = CallDecided(step=1, call_id="c", tool="t", arguments="{}", effect=Effect.ALLOW, code=Code.RULE)
    returned = ToolReturned(call_id="c", executed=True, ok=True, content="é1", seconds=1.5)
    return written(RunStarted(run_id="r"), decided, returned, RunEnded(status="done"))


@pytest.mark.parametrize("change", ["flip", "digit", "insert", "delete"])
def test_every_changed_byte_is_found(change: str) -> None:
    """Any byte that is changed, put in or taken out anywhere is a finding, or a note where the event means the same as before.

    The second is the case for space between values, for the letters of `\\u00e9` and for a line feed at the very end: the chain is over
    the parsed event, so they change nothing that was recorded, and are only noted.
    """
    lines = short_run()
    whole = b"".join(lines)
    events = [parse_line(line) for line in lines]
    for place in range(len(whole)):
        old = whole[place]
        new = {
            "flip": bytes([old ^ 0x20]),
            "digit": b"1" if old == 0x30 else b"0",
            "insert": bytes([0x20, old]),
            "delete": b"",
        }[change]
        changed = whole[:place] + new + whole[place + 1 :]
        if changed == whole:
            continue
        verification = audit(changed)
        if verification.ok:
            assert len(verification.notes) == 2
            assert [parse_line(line) for line in changed.splitlines()] == events


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (lambda line: line.replace(b'"seq":5', b'"seq":5,"seq":5'), "not JSON: detected duplicate key"),
        (lambda line: line.replace(b'"seq":5', b'"seq":5,"s\\u0065q":5'), "not JSON: detected duplicate key"),
        (lambda line: line.rstrip(b"\n") + b"{}\n", "not JSON: "),
        (lambda line: line.replace(b'"step":1', b'"step":NaN'), "not JSON: NaN is not JSON"),
        (lambda line: line.replace(b'"step":1', b'"step":1.0'), CHANGED),
        (lambda line: line.replace(b'"ask"', b'"allow"'), CHANGED),
        (lambda line: line.replace(b'"type"', b'"Type"'), CHANGED),
        (lambda line: b"garbage\n", "not JSON: expecting value at column 1"),
        (lambda line: b"[]\n", "not an event of this run: it has no `hash`"),
        (lambda line: line.replace(b'"hash"', b'"hush"'), "not an event of this run: it has no `hash`"),
    ],
)
def test_one_edited_line_is_one_finding(new: object, what: str) -> None:
    """A single edit is named at its line, and the events after it are not suspected for it."""
    assert callable(new)
    edited = new(LINES[4])
    assert edited != LINES[4]
    first, *others = found(audit([*LINES[:4], edited, *LINES[5:]]))
    assert first[0] == 5
    assert first[1].lower().startswith(what.lower().split(":")[0])
    assert all(BROKEN not in other and CHANGED not in other for _, other in others)


def test_an_edit_with_its_own_hash_mended_is_found_at_the_next_line() -> None:
    """Whoever mends the hash of one line breaks the next one."""
    event = decode_event(parse_line(LINES[4]))
    assert isinstance(event, CallDecided)
    raw = parse_line(LINES[4])
    forged = seal(replace(event, effect=Effect.BLOCK), raw["seq"], raw["prev"]).line
    assert (6, BROKEN) in found(audit([*LINES[:4], forged, *LINES[5:]]))


def test_a_splice_of_two_runs_is_found() -> None:
    """The beginning of one run and the end of another do not fit together, wherever they meet."""
    other = written(*(decode_event(parse_line(line)) for line in LINES))
    for place in range(1, len(LINES)):
        assert found(audit([*LINES[:place], *other[place:]])) == [(place + 1, BROKEN)]


def test_two_runs_in_one_file() -> None:
    """What stands after the end of a run is found, a whole second run too."""
    findings = found(audit([*LINES, *short_run()]))
    assert findings[0] == (13, OUT_OF_ORDER)
    last = parse_line(LINES[-1])
    more = seal(ModelReplied(at=AT, step=4, message={}), 13, last["hash"]).line
    assert found(audit([*LINES, more])) == [(13, "stands after the end of the run")]


def test_cut_at_every_byte() -> None:
    """Wherever the file is cut, the events before are whole, and the cut is named; only a missing last line feed changes nothing."""
    lines = short_run()
    whole = b"".join(lines)
    for size in range(1, len(whole) + 1):
        verification = audit(whole[:size])
        complete = whole[:size].count(b"\n")
        torn = whole[:size].rpartition(b"\n")[2]
        if size >= len(whole) - 1:
            assert verification.ok
        elif torn and torn + b"\n" not in lines:
            assert found(verification) == [(complete + 1, CUT_OFF), (complete + 1, UNENDED)]
            assert verification.events == complete
        else:
            assert found(verification) == [(complete + bool(torn), UNENDED)]
            assert verification.events == complete + bool(torn)


def test_an_empty_file_is_a_run_that_never_began() -> None:
    """A writer that was killed before its first event leaves an empty file, which is a finding."""
    verification = audit(b"")
    assert found(verification) == [(1, UNENDED)]
    assert verification.head is None


def test_empty_lines_are_found() -> None:
    """A line feed too many is a finding, at the end too."""
    assert found(audit([*LINES[:3], b"\n", *LINES[3:]])) == [(4, "an empty line")]
    assert found(audit([*LINES, b"\n"])) == [(13, "an empty line")]


def test_other_bytes_for_the_same_events_are_noted() -> None:
    """Line ends and spaces that an editor changed are no edit of an event."""
    verification = audit([line.replace(b"\n", b"\r\n") for line in LINES])
    assert verification.ok
    assert verification.notes[0].startswith("12 lines are not byte for byte as agentgate writes")


def test_the_head_finds_a_cut_and_a_rewrite() -> None:
    """With a head from elsewhere, tails that were cut off, appended or rewritten are found."""
    head = parse_line(LINES[-1])["hash"]
    gone = "the head is not that of this transcript: it was cut off, rewritten, or is another one"
    assert (11, gone) in found(audit(LINES[:-1], head))
    assert found(audit(short_run(), head)) == [(4, gone)]
    early = parse_line(LINES[4])["hash"]
    later = "the head is that of event 5 of 12: what follows was written later, or by somebody else"
    assert found(audit(LINES, early)) == [(12, later)]


@pytest.mark.parametrize("content", [b"hello\n", b'{"messages":[]}\n', b"[]", b"\x00\x01", b'{"type":"else"}\n', b"\n"])
def test_other_files_are_not_verified(content: bytes) -> None:
    """What is no transcript of ours is a bad file, not a damaged transcript."""
    with pytest.raises(FileError, match=r"is no transcript of agentgate$"):
        audit(content)


def test_events_without_hashes_are_not_verified() -> None:
    """A recording that was written by hand cannot be verified."""
    with pytest.raises(FileError, match=r"holds events without hashes$"):
        audit(b'{"type":"run_started","run_id":"r"}\n{"type":"run_ended","status":"done"}\n')


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing files, folders and pipes are bad files."""
    os.mkfifo(tmp_path / "pipe")
    for name, why in {"none": "no transcript at", "": "not a regular file", "pipe": "not a regular file"}.items():
        with pytest.raises(FileError, match=why):
            verify(tmp_path / name)


START = RunStarted(run_id="r")
END = RunEnded(status="done")


NO_ARGUMENTS = digest({})


def decided(effect: Effect = Effect.ALLOW, *, id: object = "c", enforced: bool = True) -> CallDecided:
    return CallDecided(
        step=1, call_id=id, tool="t", arguments="{}", args_hash=NO_ARGUMENTS, effect=effect, code=Code.RULE, enforced=enforced
    )


def answered(*, executed: bool = True, id: object = "c") -> ToolReturned:
    return ToolReturned(call_id=id, executed=executed, ok=executed, content="")


def approval(answer: str = "approve", *, hash: str = NO_ARGUMENTS) -> ApprovalAnswered:
    return ApprovalAnswered(call_id="c", args_hash=hash, answer=answer, by="terminal")


STORIES: list[tuple[str, list[Event], list[tuple[int, str]]]] = [
    ("allowed and executed", [START, decided(), answered(), END], []),
    ("blocked and answered", [START, decided(Effect.BLOCK), answered(executed=False), END], []),
    ("approved and executed", [START, decided(Effect.ASK), approval(), answered(), END], []),
    ("blocked, executed in observe mode", [START, decided(Effect.BLOCK, enforced=False), answered(), END], []),
    (
        "other arguments than were decided on",
        [START, replace(decided(), arguments='{"to": "me"}'), answered(), END],
        [(2, "the arguments of the call `c` are not those that were decided on: `args_hash` is another")],
    ),
    ("the same malformed id twice", [START, decided(id=None), answered(id=None), decided(id=None), answered(id=None), END], []),
    (
        "blocked, and executed",
        [START, decided(Effect.BLOCK), answered(), END],
        [(3, "the call `c` was executed, and its decision is block")],
    ),
    ("asked, and executed", [START, decided(Effect.ASK), answered(), END], [(3, "the call `c` was executed, and its decision is ask")]),
    (
        "rejected, and executed",
        [START, decided(Effect.ASK), approval("reject"), answered(), END],
        [(4, "the call `c` was executed, and its decision is ask")],
    ),
    (
        "approved with other arguments",
        [START, decided(Effect.ASK), approval(hash="x"), answered(executed=False), END],
        [(3, "an approval that nothing asked for, of the call `c`")],
    ),
    ("approved unasked", [START, decided(), approval(), answered(), END], [(3, "an approval that nothing asked for, of the call `c`")]),
    (
        "approved twice",
        [START, decided(Effect.ASK), approval(), approval(), answered(), END],
        [(4, "an approval that nothing asked for, of the call `c`")],
    ),
    (
        "answered twice",
        [START, decided(), answered(), answered(), END],
        [(4, "an answer to the call `c`, which no decision waits for")],
    ),
    ("answered undecided", [START, answered(id=[1]), END], [(2, "an answer to the call [1], which no decision waits for")]),
    ("never answered", [START, decided(), END], [(3, "the run ended without an answer to the call `c`")]),
    ("killed before the answer", [START, decided()], [(2, UNENDED)]),
    (
        "executed in a dry run",
        [replace(START, mode=Mode.DRY_RUN), decided(), answered(), END],
        [(3, "the call `c` was executed in a dry run")],
    ),
    ("no beginning", [decided(), answered(), END], [(1, HEADLESS)]),
    ("two beginnings", [START, START, END], [(2, "a second `run_started`: a file holds one run")]),
]


@pytest.mark.parametrize(("events", "findings"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES])
def test_what_cannot_have_happened(events: list[Event], findings: list[tuple[int, str]]) -> None:
    """A chain that holds is not enough: what the events say must be possible."""
    assert found(audit(written(*events))) == findings
