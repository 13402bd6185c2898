"""What fuzzing starts from: files of this repository, and the larger collection of hostile cases where there is one beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOSTILE = Path(os.environ.get("AGENTGATE_HOSTILE", ROOT.parent / "shared" / "hostile"))
_LONGEST = 20_000
_STREAM = (
    b'data: {"id":"1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function",'
    b'"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'
)
_RESPONSES = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","status":"completed","output":'
    b'[{"type":"function_call","id":"f","call_id":"c","name":"f","arguments":"{}","status":"completed"}]}}\n\n'
)
_BODY = (
    b'{"model":"m","messages":[{"role":"user","content":"hello"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]}'
)
_ANSWER = b'{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":'
_ANSWER += b'{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}'
_HTTP = b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: localhost:41002\r\nauthorization: Bearer k\r\ntransfer-encoding: chunked\r\n"
_HTTP += b"Connection: keep-alive, upgrade\r\nUpgrade: h2c\r\n\r\n5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
_HTTP_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


def seeds(entry: str) -> list[bytes]:
    """Inputs for one entry, sound ones and hostile ones, the same ones each time; none is long."""
    found = dict.fromkeys(data for data in _seeds(entry) if len(data) <= _LONGEST)
    return [b"", *found]


def _seeds(entry: str) -> Iterator[bytes]:
    match entry:
        case "arguments":
            yield b'{"action": "read", "customer_id": 101, "url": "https://example.com/", "path": "src/a", "to": "a@example.com"}'
            yield from (call.encode("utf-8", "surrogatepass") for call in _arguments())
        case "policy":
            yield from (path.read_bytes() for path in sorted((ROOT / "policies").glob("*.yaml")))
            yield from _files("yaml")
        case "task":
            yield from (path.read_bytes() for path in sorted((ROOT / "tasks").glob("*.yaml")))
            yield from _files("yaml")
        case "transcript":
            yield from (path.read_bytes() for path in sorted((ROOT / "tests" / "data" / "transcripts").rglob("*.jsonl")))
            yield from (path.read_bytes() for path in sorted((ROOT / "tasks").glob("*.jsonl")))
        case "stream":
            yield from (_STREAM, _RESPONSES, *_files("streams"))
        case "http":
            yield from (_HTTP, _HTTP.replace(b"transfer-encoding: chunked", b"content-length: 5"), _HTTP_ANSWER)
        case _:
            yield from (_BODY, _ANSWER, *_bodies())


def _files(folder: str) -> Iterator[bytes]:
    for path in sorted((HOSTILE / folder).glob("*")) if HOSTILE.is_dir() else ():
        yield path.read_bytes()


def _cases() -> Iterator[dict[str, object]]:
    for path in sorted(HOSTILE.glob("*.jsonl")) if HOSTILE.is_dir() else ():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _arguments() -> Iterator[str]:
    for case in _cases():
        calls = case.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(call.get("arguments"), str):
                yield call["arguments"]


def _bodies() -> Iterator[bytes]:
    for case in _cases():
        for value in case.values():
            if isinstance(value, dict) and ("choices" in value or "messages" in value):
                yield json.dumps(value).encode()
