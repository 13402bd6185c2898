"""A replay on a Ray cluster: the parts that several processes would judge go to its workers, and come to the same result."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Generator, Iterator, MutableMapping
from contextlib import ExitStack, chdir, contextmanager, redirect_stdout, suppress
from typing import Any

from msgspec import Struct

from agentgate import __version__
from agentgate.core.events import Json
from agentgate.divided import AHEAD, Counted, Task, in_order, judge_part
from agentgate.errors import AgentgateError, OutsideError, UsageError
from agentgate.files.remote import is_url
from agentgate.files.transcript_lines import Source
from agentgate.files.transcript_parts import PART, Part, parts_of
from agentgate.files.transcript_streams import STDIN
from agentgate.replay import Replay

LOCAL = "local"
"""The address that stands for a cluster of our own on this machine."""
_PATIENCE = 10.0
"""Seconds in which somebody has to answer at the address of a cluster."""
_WITHOUT = "without --ray-address and RAY_ADDRESS a cluster is started here"
_FOLDER = "a cluster reads URLs, and folders that all its nodes share"


class Told(Struct, frozen=True):
    """What a worker keeps in mind from part to part."""

    key: str
    """Another one for every replay: workers are used again."""
    version: str
    folder: str
    """Where paths begin."""
    task: Any
    """Where the cluster keeps the task."""


def judge_on_ray(
    task: Task, sources: list[Source], *, address: str | None = None, jobs: int | None = None, size: int = PART
) -> Generator[Counted]:
    """Every part of the sources, in order, judged by the workers of a cluster.

    Args:
        task: what is judged, and by what.
        sources: the files; a cluster has to see them where they are.
        address: of a cluster, as Ray understands it, or LOCAL; else that in RAY_ADDRESS, else LOCAL. One that Ray is connected to
            already is used, and left as it is.
        jobs: how many parts are judged at once; as many as the cluster has processors, by default.
        size: of a part, in bytes, about.

    Raises:
        UsageError: Ray is not installed, or a source is no file.
        OutsideError: there is no such cluster, or it failed.
    """
    if any(source.file == STDIN for source in sources):
        raise UsageError("a cluster cannot read standard input", help=_FOLDER)
    with cluster(address or os.environ.get("RAY_ADDRESS") or LOCAL, jobs) as ray:
        most = (jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))) * AHEAD
        told = Told(secrets.token_hex(8), __version__, os.getcwd(), ray.put(task))  # noqa: PTH109
        judge = ray.remote(_judge)
        begun = (judge.remote(told, part) for part in parts_of(sources, form=task.form, size=size))
        with _failures(ray):
            yield from in_order(begun, ray.get, most, deque())


@contextmanager
def cluster(address: str, jobs: int | None) -> Iterator[Any]:
    """Ray, connected. A cluster that was started for this ends with it, and so does what it wrote."""
    ray = _ray(os.environ, ours=address == LOCAL)
    if ray.is_initialized():
        yield ray
        return
    given: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL"}
    with ExitStack() as ending:
        folder = ending.enter_context(tempfile.TemporaryDirectory(prefix="agentgate-", ignore_cleanup_errors=True))
        if address == LOCAL:
            given |= {"num_cpus": jobs, "include_dashboard": False, "_temp_dir": folder}
        ending.callback(ray.shutdown)
        ending.enter_context(redirect_stdout(ending.enter_context(open(os.devnull, "w"))))  # noqa: PTH123 - Ray prints what fails in it
        try:
            _knock(address)
            with chdir(folder):  # workers import from the folder that this happens in, and anybody can have written what lies in another
                ray.init(address, **given)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise OutsideError(f"no Ray cluster at `{address}`: {_first_line(error)}", help=_WITHOUT) from None
        with _ended_by_sigterm():
            yield ray


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Lets SIGTERM end this process as Ctrl-C does. Where Ray saw to it, it would leave its own processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _knock(address: str) -> None:
    """Fails where nobody listens at an address: Ray itself would try for ever, and could not be interrupted.

    Raises:
        OSError: nobody does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE):
            pass


def _ray(environ: MutableMapping[str, str], *, ours: bool) -> Any:
    """The library, told to be quiet, to tell nobody of its use, and to let nobody else into a cluster of ours."""
    environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ours and "RAY_AUTH_MODE" not in environ:
        environ["RAY_AUTH_MODE"], environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
    try:
        import ray
    except ImportError:
        raise UsageError("the engine ray needs Ray, which is not installed", help="pip install -e '.[ray]'") from None
    return ray


@contextmanager
def _failures(ray: Any) -> Iterator[None]:
    """What fails in a cluster, in our words."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, AgentgateError):
            raise error.cause from None
        lines = str(error).strip().splitlines()
        if "failed to import on the worker" in str(error) or lines[-1].startswith(("ModuleNotFoundError", "ImportError")):
            why = f"the workers of the cluster cannot import agentgate: {lines[-1]}"
            raise OutsideError(why, help=f"install agentgate {__version__}, with all that it needs, on every node") from None
        raise
    except ray.exceptions.RayError as error:
        raise OutsideError(f"the Ray cluster failed: {_first_line(error)}", help="try again, or without --engine ray") from None


def _first_line(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error)
    text = (said.strip().splitlines() or [type(error).__name__])[0]
    return text[:1].lower() + text[1:].rstrip(".")


class _Worker:
    """What one worker keeps from part to part."""

    key = ""
    task: Task
    replay: Replay
    tool_files: dict[str, Json]


def _judge(told: Told, part: Part) -> Counted:
    import ray

    _arrive(told, [piece.source for piece in part])
    if _Worker.key != told.key:
        _Worker.task = ray.get(told.task)
        _Worker.key, _Worker.replay, _Worker.tool_files = told.key, _Worker.task.replay(), {}
    return judge_part(_Worker.task, _Worker.replay, part, _Worker.tool_files)


def _arrive(told: Told, sources: list[Source]) -> None:
    """Sees to it that a worker finds, and judges, what we would."""
    if told.version != __version__:
        raise OutsideError(
            f"a worker of the cluster has agentgate {__version__}, and this is {told.version}", help="install the same one on every node"
        )
    with suppress(OSError):
        os.chdir(told.folder)
    for source in sources:
        if not is_url(source.file) and not os.path.lexists(source.file):
            raise OutsideError(f"a worker of the cluster has no `{source.file}`", help=_FOLDER)
