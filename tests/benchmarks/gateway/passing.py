"""A proxy on aiohttp that does nothing but pass on: what a gateway on it would cost at least. Run as a process of its own.

python -m tests.benchmarks.gateway.passing PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from aiohttp import web


async def main(port: int, upstream: int) -> None:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None))

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        headers = {"content-type": request.headers.get("content-type", "")}
        body = await request.read()
        async with session.post(f"http://127.0.0.1:{upstream}{request.raw_path}", data=body, headers=headers) as got:
            kind = got.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                return web.Response(status=got.status, body=await got.read(), headers={"content-type": kind})
            response = web.StreamResponse(status=got.status, headers={"content-type": kind})
            await response.prepare(request)
            async for piece in got.content.iter_any():
                await response.write(piece)
            return response

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
