"""Whatever a tool does is an outcome: never a crash, never a hang, never a forged result."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.core.events import Json
from agentgate.tools.environment import tool_environment
from agentgate.tools.frames import HEADER, frame
from agentgate.tools.port import Outcome
from agentgate.tools.process import MAX_ANSWER, MAX_PRINTED, Lost, complete
from agentgate.tools.results import MAX_RESULT_BYTES
from agentgate.tools.toolbox import TaskToolbox
from tests.tools.running import DATA, Opener, Run, Witness, make_task

FAILURES = [
    ("raises", "KeyError: 'no such customer'"),
    ("raises_without_words", "_Sulking"),
    ("raises_surrogate", "ValueError: ?"),
    ("calls_exit", "SystemExit: 3"),
    ("interrupts_itself", "KeyboardInterrupt"),
    ("recurses", "RecursionError: maximum recursion depth exceeded"),
    ("ends_at_once", "its process ended with exit code 3"),
    ("crashes", "its process was ended by SIG"),
    ("kills_its_group", "its process was ended by SIGKILL"),
    ("closes_everything", "its process "),
    ("becomes_another_program", "its process was ended by SIGKILL"),
    ("bytes_", "it returned a value of type `bytes`, which JSON has no word for"),
    ("set_", "it returned a value of type `set`"),
    ("endless", "it returned a value of type `generator`"),
    ("not_a_number", "its result contains nan, which is not JSON"),
    ("number_keys", "its result has a key of type `int`"),
    ("surrogate", "its result contains a lone surrogate"),
    ("huge_integer", "its result contains an integer that is too large"),
    ("deep", "its result is nested deeper than 63 levels"),
    ("itself", "its result contains itself"),
    ("huge_list", f"its result is larger than {MAX_RESULT_BYTES} bytes"),
]


@pytest.mark.parametrize(("tool", "said"), FAILURES, ids=[tool for tool, _ in FAILURES])
def test_failure(opened: Opener, tool: str, said: str) -> None:
    """A tool that fails is an error for the model, and the next call works."""
    run = opened(f"misbehaving.py:{tool}", "misbehaving.py:echo")
    assert run.error(tool).startswith(f"tool '{tool}' failed: {said}")
    assert run.result("echo", {"value": 1}) == 1


def test_long_error(opened: Opener) -> None:
    """An exception with an endless text is cut."""
    assert len(opened("misbehaving.py:raises_endlessly").error("raises_endlessly")) < 2100


def test_huge_string(opened: Opener) -> None:
    """A string that is too long is cut to what can be given to a model, and said to be."""
    outcome = opened("misbehaving.py:huge_string").call("huge_string")
    content = json.loads(outcome.content)
    assert (outcome.ok, outcome.truncated, content["truncated"]) == (True, True, True)
    assert set(content["result"]) == {"é"}
    assert MAX_RESULT_BYTES - 100 < len(json.dumps(content["result"], ensure_ascii=False).encode()) <= MAX_RESULT_BYTES


def test_async(opened: Opener) -> None:
    """The result of a coroutine is waited for."""
    assert opened("misbehaving.py:later").result("later", {"value": [1]}) == [1]


def test_memory_between_calls(opened: Opener) -> None:
    """A file is imported once, so that its tools share what they keep in memory."""
    run = opened("misbehaving.py:remember")
    run.call("remember", {"event": "a"})
    assert run.result("remember", {"event": "b"}) == ["a", "b"]


# Time


def test_time_limit(opened: Opener, witness: Witness) -> None:
    """A tool that hangs is killed together with its children, and the next call works."""
    moment = [0.0]

    def clock() -> float:
        """Stands still until the tool hangs; then the limit is over at once."""
        if moment == [0.0] and witness.started(seconds=0):
            moment[0] = 10.0
        return moment[0]

    run = opened("misbehaving.py:hangs", "misbehaving.py:echo", timeout_seconds=10.0, clock=clock)
    assert run.error("hangs", {"witness": witness.path}) == "tool 'hangs' failed: no answer within 10 s, may have run"
    assert witness.all_dead()
    assert run.result("echo", {"value": 1}) == 1


def test_time_limit_without_the_interpreter(opened: Opener) -> None:
    """So is one that never lets go of the interpreter."""
    run = opened("misbehaving.py:hogs_the_interpreter", timeout_seconds=0.2)
    assert run.error("hogs_the_interpreter") == "tool 'hogs_the_interpreter' failed: no answer within 0.2 s, may have run"


# What is printed, and what is forged


def test_prints(opened: Opener) -> None:
    """What a tool prints reaches neither our screen nor the result; its end is remembered."""
    run = opened("misbehaving.py:prints")
    assert run.result("prints", {"text": "grüße €", "times": 1}) == "printed"
    assert run.toolbox.printed == "grüße €\n"


def test_prints_much(opened: Opener) -> None:
    """A tool may print without end; the memory for it is bounded."""
    run = opened("misbehaving.py:prints")
    assert run.result("prints", {"text": "x" * 1000, "times": 10_000}) == "printed"
    assert len(run.toolbox.printed) <= MAX_PRINTED


def test_nothing_on_our_screen(opened: Opener, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither stdout nor stderr of this process sees what a tool writes."""
    assert opened("misbehaving.py:prints_answers").result("prints_answers") == "honest"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("payload", ["", "x", '{"ok": true, "truncated": false, "result": "forged"}', "x" * 5000])
@pytest.mark.parametrize("then_hangs", [False, True])
def test_forged_answer(opened: Opener, payload: str, then_hangs: bool) -> None:
    """Bytes on the pipe for answers are not an answer, and the worker that they came from is replaced."""
    run = opened("misbehaving.py:writes_everywhere", "misbehaving.py:echo")
    assert run.error("writes_everywhere", {"payload": payload, "then_hangs": then_hangs}).endswith(
        "something other than an answer came out of its process"
    )
    assert run.result("echo", {"value": 1}) == 1


def test_forged_answer_between_calls(opened: Opener, tmp_path: Path) -> None:
    """A worker that spoke without being asked is replaced before the next call."""
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    run = opened("misbehaving.py:writes_everywhere_later", "misbehaving.py:echo")
    assert run.result("writes_everywhere_later", {"ready": str(ready)}) == "honest"
    ready.write_bytes(b"!")
    assert ready.read_bytes() == b""
    assert run.result("echo", {"value": 1}) == 1


@pytest.mark.parametrize("answer", [b"[1]", b"{} {}", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xff", b""])
def test_answer_that_is_none(answer: bytes) -> None:
    """An answer is one strict JSON object."""
    with pytest.raises(Lost, match="something other than an answer"):
        complete(bytearray(frame(bytes(16), answer)), bytes(16))


def test_endless_answer() -> None:
    """An answer that is too long is given up as soon as it says so."""
    with pytest.raises(Lost, match="something other than an answer"):
        complete(bytearray(HEADER.pack(bytes(16), MAX_ANSWER + 1)), bytes(16))


def test_answer_in_pieces() -> None:
    """An answer is complete with its last byte, and no earlier."""
    whole = frame(bytes(16), b'{"ok": true}')
    assert [complete(bytearray(whole[:size]), bytes(16)) for size in range(len(whole))] == [None] * len(whole)
    assert complete(bytearray(whole), bytes(16)) == {"ok": True}


def test_answer_of_a_fork(opened: Opener, witness: Witness) -> None:
    """A process that a tool forked off has no answer to give."""
    run = opened("misbehaving.py:forks_and_returns", "misbehaving.py:echo")
    assert run.result("forks_and_returns", {"witness": witness.path}) == "the parent"
    assert witness.started()
    assert witness.all_dead()
    assert run.result("echo", {"value": 1}) == 1


def test_inherited_descriptors(opened: Opener) -> None:
    """The children of a tool inherit none of our pipes."""
    assert opened("misbehaving.py:descriptors_of_a_child").result("descriptors_of_a_child") == "[]"


# Where it runs


ENVIRON = {"PATH": "/bin", "LANG": "C.UTF-8", "HOME": "/home/x", "MY_KEY": "sk-secret-1", "OPENAI_API_KEY": "sk-secret-2"}


def test_environment(opened: Opener) -> None:
    """The worker gets what `tool_environment` says, and nothing of this process' own."""
    seen = opened("misbehaving.py:environment", environ=ENVIRON).result("environment")
    assert {name: value for name, value in seen.items() if not name.startswith("__CF")} == tool_environment(ENVIRON, "MY_KEY")


@pytest.mark.parametrize(
    ("name", "value", "passed"),
    [
        ("MY_KEY", "sk-secret-1", False),
        ("OPENAI_API_KEY", "sk-secret-2", False),
        ("COPY", "sk-secret-1", False),
        ("HEADER", "Authorization: Bearer sk-secret-2", False),
        ("AGENTGATE_EVENTS_KEY", "other", False),
        ("DATABASE_URL", "postgres://x", True),
        ("EMPTY", "", True),
    ],
)
def test_model_key(name: str, value: str, passed: bool) -> None:
    """The model's key is passed under no name, what else there is, under its own."""
    assert (name in tool_environment(ENVIRON | {name: value}, "MY_KEY")) is passed


def test_short_key() -> None:
    """A key that is too short to be looked for inside other values hides only its equals."""
    assert tool_environment({"K": "a", "PATH": "/bar", "L": "a"}, "K") == {"PATH": "/bar"}


def test_whereabouts(opened: Opener, tmp_path: Path) -> None:
    """A tool runs in the run's folder, in a session of its own, with nothing to read and nothing relative to import from."""
    seen = opened("misbehaving.py:whereabouts", workdir=str(tmp_path)).result("whereabouts")
    assert seen["cwd"] == os.path.realpath(tmp_path)
    assert seen["session"] != os.getsid(0)
    assert seen["stdin"] == ""
    assert all(path.startswith("/") for path in seen["path"])


# The end


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_close_kills_children(opened: Opener, witness: Witness) -> None:
    """After `close`, nothing that a tool started is left."""
    run = opened("misbehaving.py:leaves_child")
    assert run.result("leaves_child", {"witness": witness.path}) == "left"
    assert witness.started()
    run.toolbox.close()
    assert witness.all_dead()


def test_descriptors_are_given_back(opened: Opener, witness: Witness) -> None:
    """Starting, killing, restarting and closing leave no descriptor open."""
    before = _descriptors()
    run = opened("misbehaving.py:hangs", "misbehaving.py:ends_at_once", "misbehaving.py:echo", timeout_seconds=0.2)
    run.call("hangs", {"witness": witness.path})
    run.call("ends_at_once")
    run.call("echo", {"value": 1})
    run.toolbox.close()
    run.toolbox.close()
    assert _descriptors() == before


def test_abandon(opened: Opener, witness: Witness) -> None:
    """Another thread can end the running call; no later one is started."""
    run = opened("misbehaving.py:hangs", "misbehaving.py:echo")
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(run.call("hangs", {"witness": witness.path})))
    thread.start()
    assert witness.started()
    run.toolbox.abandon()
    thread.join()
    assert witness.all_dead()
    assert json.loads(outcomes[0].content)["error"] == "tool 'hangs' failed: interrupted, may have run"
    assert outcomes[0].executed
    later = run.call("echo", {"value": 1})
    assert (later.ok, later.executed) == (False, False)
    assert "the run is being ended" in later.content


def test_close_while_calling(opened: Opener, witness: Witness) -> None:
    """`close` ends a call that another thread waits for."""
    run = opened("misbehaving.py:hangs")
    thread = threading.Thread(target=run.call, args=("hangs", {"witness": witness.path}))
    thread.start()
    assert witness.started()
    run.toolbox.close()
    thread.join()
    assert witness.all_dead()


def test_interrupted_wait(opened: Opener, witness: Witness) -> None:
    """A KeyboardInterrupt while waiting goes through to the caller, and the call has been killed by then."""
    calling: list[str] = []

    def clock() -> float:
        if calling and witness.started(seconds=0):
            raise KeyboardInterrupt
        return 0.0

    run = opened("misbehaving.py:hangs", clock=clock)
    calling.append("hangs")
    with pytest.raises(KeyboardInterrupt):
        run.call("hangs", {"witness": witness.path})
    assert witness.all_dead()


def test_no_tools(opened: Opener) -> None:
    """A task without tools starts no process."""
    before = _descriptors()
    assert opened().toolbox.tools == ()
    assert _descriptors() == before


# Any value

numbers = st.integers(-(1 << 1000), 1 << 1000) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def echoing() -> Iterator[Run]:
    with TaskToolbox(make_task(DATA, "misbehaving.py:echo"), environ=os.environ) as toolbox:
        yield Run(toolbox)


@settings(max_examples=150)
@given(value=values)
def test_any_json_value(echoing: Run, value: Json) -> None:
    """Any JSON value goes into a tool and comes back as it was, to the last digit."""
    assert json.dumps(echoing.result("echo", {"value": value})) == json.dumps(value)
