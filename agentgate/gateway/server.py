"""Runs a gateway: opens what it needs, takes connections until somebody stops it, and finishes what was begun."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from agentgate.errors import AgentgateError, OutsideError, RecordError
from agentgate.gateway.app import Gateway
from agentgate.gateway.books import Store
from agentgate.gateway.deadlines import Deadlines
from agentgate.gateway.errors import SERVER
from agentgate.gateway.exchange import Tools
from agentgate.gateway.http.server import Server
from agentgate.gateway.judging import Bench
from agentgate.gateway.metrics import Metrics
from agentgate.gateway.proxy import Upstream
from agentgate.gateway.settings import Settings
from agentgate.gateway.tracing import NoTraces, Traces
from agentgate.output.safe import safe

_GRACE_SECONDS = 30.0
"""How long answers may go on after the first signal."""

_GARBAGE = 20_000
"""So many objects more than before there are when those that hold each other are looked for: a request leaves none."""

_TIDY_SECONDS = 600.0
_TIDY_SOON = 0.1

log = logging.getLogger("agentgate.gateway")

Say = Callable[[str], None]


class Setup(Struct, frozen=True, kw_only=True):
    """All that a gateway is run with."""

    settings: Settings
    load: Callable[[], Bench]
    """Reads the policy, at the start and at every SIGHUP. Raises AgentgateError where it cannot be used."""
    open_store: Callable[[], Store]
    say: Say
    """Tells the operator."""
    open_traces: Callable[[], Traces] = NoTraces
    """Tells of requests to the model. Raises AgentgateError where that cannot be."""
    ready: Callable[[int], None] = lambda port: None
    """Is told the port once connections are taken."""


def serve(setup: Setup) -> bool:
    """Runs until SIGTERM or SIGINT; a second one ends it at once.

    Returns:
        whether all that was begun came to its end.

    Raises:
        AgentgateError: it cannot start.
    """
    _take_many_connections()
    gc.freeze()  # what was loaded stays, and need not be looked through again and again
    gc.set_threshold(_GARBAGE)
    try:
        with asyncio.Runner(loop_factory=loops()) as runner:
            runner.run(_serve(setup))
    except asyncio.CancelledError:
        return False
    return True


def _take_many_connections() -> None:
    """As many files at once as the system allows, not as few as shells begin with: a stream takes two."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(OSError, ValueError):  # then it stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def loops() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop: uvloop, where it is installed, which takes two thirds of the time that the standard one does."""
    try:
        import uvloop
    except ImportError:
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return made


async def _serve(setup: Setup) -> None:
    async with running(setup) as (gateway, port):
        stopped = _signals(gateway, setup)
        setup.ready(port)
        await stopped.wait()
        setup.say("stopping: no new connections, answers that have begun are finished")


@asynccontextmanager
async def running(setup: Setup) -> AsyncIterator[tuple[Gateway, int]]:
    """A gateway that takes connections, and its port; it finishes what was begun when it is left.

    Raises:
        AgentgateError: it cannot start.
    """
    bench = setup.load()
    async with AsyncExitStack() as stack:
        store = setup.open_store()
        stack.push_async_callback(store.close)
        traces = setup.open_traces()
        stack.push_async_callback(traces.close)
        upstream = Upstream(setup.settings)
        stack.push_async_callback(upstream.close)
        deadlines = Deadlines(min(0.5, setup.settings.upstream_timeout / 4))
        stack.push_async_callback(deadlines.close)
        tidying = asyncio.create_task(_tidy(store))
        stack.push_async_callback(_ended, tidying)
        tools = Tools(settings=setup.settings, bench=bench, store=store, upstream=upstream, metrics=Metrics(), traces=traces)
        gateway = Gateway(tools, deadlines)
        server = Server(gateway, setup.settings.patience, deadlines, SERVER)
        stack.push_async_callback(server.close, _GRACE_SECONDS)
        yield gateway, await _listen(server, setup.settings)


async def _tidy(store: Store) -> None:
    """Forgets what need not be kept any more, a little at a time."""
    while True:
        try:
            more = await store.commit(lambda books: books.tidy())
        except RecordError as error:
            log.warning("%s", safe(error.message))
            more = False
        await asyncio.sleep(_TIDY_SOON if more else _TIDY_SECONDS)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _listen(server: Server, settings: Settings) -> int:
    try:
        return await server.listen(settings.host.strip("[]"), settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise OutsideError(f"cannot listen at `{where}`: {(error.strerror or str(error)).lower()}", help="choose another --port") from None


def _signals(gateway: Gateway, setup: Setup) -> asyncio.Event:
    """Listens to signals; the event says that somebody wants to stop."""
    loop, stopped, turn = asyncio.get_running_loop(), asyncio.Event(), asyncio.Lock()
    reloads: set[asyncio.Task[None]] = set()
    main = asyncio.current_task()
    assert main is not None

    def stop() -> None:
        if stopped.is_set():
            main.cancel()
        stopped.set()

    async def in_turn() -> None:
        async with turn:  # else one that was asked for earlier might come to its end later
            await reload(gateway, setup)

    def read_again() -> None:
        task = loop.create_task(in_turn())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, read_again)
    return stopped


async def reload(gateway: Gateway, setup: Setup) -> None:
    """Reads the policy again. One that cannot be used changes nothing."""
    try:
        bench = await asyncio.to_thread(setup.load)
    except AgentgateError as error:
        setup.say(f"the policy is kept as it was: {safe(error.message)}{f' ({safe(error.help)})' if error.help else ''}")
        return
    gateway.tools = replace(gateway.tools, bench=bench)
    setup.say(f"the policy was read again: {safe(bench.digest.name)}@{bench.digest.sha256[:7]}")
