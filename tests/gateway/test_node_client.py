"""The official `openai` package for JavaScript in front of a gateway: TypeScript programs, checked by the compiler, then run by Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.serving import Served, call_delta, sse
from tests.gateway.test_examples import PROGRAMS, by_file
from tests.gateway.test_responses_answers import events
from tests.scripted_server import Answer, Script, ScriptedServer, call, call_item, chat, text_item
from tests.scripted_server import responses as answer_of

PACKAGES = ("openai@6.49.0", "typescript@5.9.3")
_INSTALL_SECONDS = 120
_COMPILER = {"strict": True, "skipLibCheck": True, "target": "es2022", "module": "nodenext", "moduleResolution": "nodenext", "types": []}
EVENTS = {"content-type": "text/event-stream"}
READ, DELETE = [chat("Hm.", calls=[call(name, {"id": 1})]) for name in ("read", "delete")]
SAID = [sse({"role": "assistant", "content": "Hm."}, call_delta(name, '{"id": 1}'), finish="tool_calls") for name in ("read", "delete")]
ITEMS = [(text_item("Hm."), call_item(name, {"id": 1})) for name in ("read", "delete")]


@cache
def modules() -> Path:
    """The folder with the packages; they are installed once, for all runs of the tests."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node and npm are not installed, so the JavaScript client is not tried")
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agentgate-tests"
    folder = cached / "-".join(PACKAGES)
    if not folder.exists():
        cached.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cached) as made:
            (Path(made) / "package.json").write_text('{"type": "module"}')
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
            try:
                done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
            except subprocess.TimeoutExpired:
                pytest.skip("npm takes too long to install the JavaScript client, so it is not tried")
            if done.returncode != 0:
                pytest.skip("npm cannot install the JavaScript client, so it is not tried")
            Path(made).chmod(0o755)
            with suppress(OSError):  # another process was faster
                Path(made).rename(folder)
                Path(made).mkdir()
    return folder


def compiled(folder: Path, program: str) -> str:
    """A program as JavaScript, once the compiler has nothing against it."""
    packages = modules()
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / program).write_text((PROGRAMS / program).read_text(encoding="utf-8"), encoding="utf-8")
    # What the environment of Node offers, without the package that declares all of it.
    (folder / "node.d.ts").write_text("declare const console: { log(...said: unknown[]): void; warn(...said: unknown[]): void };\n")
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": _COMPILER, "files": ["node.d.ts", program]}))
    command = ["node", str(packages / "node_modules/typescript/bin/tsc")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    return (folder / program).with_suffix(".js").read_text(encoding="utf-8")


def run(folder: Path, text: str, gateway: Served) -> subprocess.CompletedProcess[str]:
    (folder / "main.js").write_text(text.replace("localhost:41002", f"127.0.0.1:{gateway.port}"))
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI")}
    return subprocess.run(["node", "main.js"], cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_falling_back_without_tools(tmp_path: Path) -> None:
    """The program of the manual: one 409, not tried again, and the second request without tools."""
    text = compiled(tmp_path, "fall_back.ts")
    script = chat(calls=[call("execute_sql", {"query": "DROP TABLE x"})]), chat("I cannot do that.")
    with ScriptedServer(*script) as upstream, Served(tmp_path, upstream, by_file("block-list")) as gateway:
        done = run(tmp_path, text, gateway)
        assert (done.returncode, done.stdout, done.stderr) == (0, "I cannot do that.\n", "Tool call blocked by governance policy\n")
        assert [("tools" in request.body, request.body["model"]) for request in upstream.requests] == [(True, "gpt-4o"), (False, "gpt-4o")]


def ways(folder: Path, script: Sequence[Script]) -> tuple[dict[str, Any], int]:
    """What every way to ask comes to, and how many requests were made."""
    text = compiled(folder, "every_way.ts")
    with ScriptedServer(*script) as upstream, Served(folder, upstream) as gateway:
        done = run(folder, text, gateway)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found, len(upstream.requests)


def test_allowed_calls_arrive_in_every_way(tmp_path: Path) -> None:
    """Plain, with headers, by chunks, by the helpers for streams and for loops, and by the Responses API."""
    streamed = Answer(events(*ITEMS[0]), headers=EVENTS)
    found, requests = ways(tmp_path, [READ, READ, SAID[0], SAID[0], READ, chat("all done"), answer_of(*ITEMS[0]), streamed])
    function = {"name": "read", "arguments": '{"id": 1}'}
    assert found == {
        "plain": [function],
        "headers": [1, True],
        "chunks": ["Hm.", ["read"]],
        "helper": ["Hm.", [function]],
        "loop": "all done",
        "responses": ["Hm.", ["message", "function_call"]],
        "responses_helper": ["Hm.", ["message", "read"]],
    }
    assert requests == 8


def test_blocked_calls_are_errors_in_every_way(tmp_path: Path) -> None:
    """A 409 that no way tries again, or an error in the midst of a stream."""
    streamed = Answer(events(*ITEMS[1]), headers=EVENTS)
    found, requests = ways(tmp_path, [DELETE, DELETE, SAID[1], SAID[1], DELETE, answer_of(*ITEMS[1]), streamed])
    assert {name: one["code"] for name, one in found.items()} == dict.fromkeys(found, "tool_blocked")
    assert {name: one["status"] for name, one in found.items() if one["status"]} == dict.fromkeys(
        ("plain", "headers", "loop", "responses"), 409
    )
    assert found["plain"]["error"]["policy"] == "default"
    assert requests == 7
