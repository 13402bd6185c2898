"""A model that wants as many additions as its prompt says: `python -m tests.benchmarks.scripted` prints its URL and serves."""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def answer(request: dict[str, Any]) -> bytes:
    """What the model says after these messages."""
    prompt = next(message["content"] for message in request["messages"] if message["role"] == "user")
    steps = int(re.findall(r"\d+", json.dumps(prompt))[0])
    done = sum(message["role"] == "tool" for message in request["messages"])
    said: dict[str, Any] = {"role": "assistant", "content": "done"}
    if done < steps:
        function = {"name": "add", "arguments": json.dumps({"a": done, "b": 1})}
        said = {"role": "assistant", "content": None, "tool_calls": [{"id": f"call_{done}", "type": "function", "function": function}]}
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls" if done < steps else "stop", "logprobs": None}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted", "choices": [choice], "usage": USAGE}
    return json.dumps(body).encode()


def main() -> None:
    """Serves on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}/v1\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
