"""A proxy that does nothing but pass on, on the gateway's own HTTP: what is left of the gateway without any policy, check or record.

python -m tests.benchmarks.gateway.passing_llhttp PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import sys

from agentgate.gateway.deadlines import Deadlines
from agentgate.gateway.http.client import Line
from agentgate.gateway.http.messages import RequestHead, Response
from agentgate.gateway.http.request import Request, Stream
from agentgate.gateway.http.server import Server
from agentgate.gateway.server import loops
from agentgate.gateway.settings import Patience


class Passing:
    """Passes on whatever comes."""

    limit = 1 << 25

    def __init__(self, upstream: int) -> None:
        self._line = Line(f"http://127.0.0.1:{upstream}")

    def route(self, head: RequestHead) -> Passing:
        return self

    async def answer(self, request: Request) -> Response | Stream:
        headers = {"content-type": request.headers.get("content-type", "")}
        with await self._line.ask(request.method, request.path, headers, request.body) as got:
            kind = got.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                return Response(got.status, await got.read(1 << 24), {"content-type": kind})
            stream = request.begin({"content-type": kind})
            while piece := await got.piece():
                await stream.send(piece)
            return stream

    def unreadable(self) -> Response:
        return Response(400, b"")

    def too_long(self, limit: int) -> Response:
        return Response(413, b"")

    def too_slow(self) -> Response:
        return Response(408, b"")


async def main(port: int, upstream: int) -> None:
    await Server(Passing(upstream), Patience(), Deadlines(), "passing").listen("127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loops()) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2])))
