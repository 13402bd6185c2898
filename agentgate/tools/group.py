"""A process that leads a group of its own, and how to end it together with everything that it started.

The group ends when it is told to, and when this process ends, however suddenly: a second, tiny process waits for the end of a pipe that
only this process holds open, and kills the group then. (The system's own signal for that is bound to the thread that started the process.)

Not followed are processes that move into a session of their own on purpose.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

_REAP_SECONDS = 5.0
_WATCH = "import os, sys; os.read(0, 1); os.killpg(int(sys.argv[1]), 9)"


class Group:
    """One process with its group."""

    def __init__(
        self,
        argv: Sequence[str | bytes],
        *,
        environ: Mapping[str, str],
        workdir: str | None,
        stdout: int,
        stderr: int,
        executable: str | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Starts it, with nothing on its standard input.

        Args:
            argv: the program's name and its arguments.
            environ: its whole environment.
            workdir: the folder that it runs in; the current one by default.
            stdout: a descriptor that takes what it prints.
            stderr: the same for its errors.
            executable: the file to execute, where `argv` has only its name.
            pass_fds: descriptors that it gets under the same numbers.

        Raises:
            OSError: the system does not start it.
        """
        self._ending = threading.RLock()
        self._watch: subprocess.Popen[bytes] | None = None
        self.killed = False
        """Whether somebody ended it."""
        life, self._life = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- a list of arguments, never a shell
                argv,
                executable=executable,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=pass_fds,
                env=dict(environ),
                cwd=workdir,
                start_new_session=True,
            )
            self._guard(life)
        except BaseException:
            os.close(self._life)
            raise
        finally:
            os.close(life)

    def _guard(self, life: int) -> None:
        try:
            self._watch = subprocess.Popen(  # noqa: S603 -- this interpreter, and an argument of our own
                [sys.executable, "-I", "-S", "-c", _WATCH, str(self._process.pid)],
                stdin=life,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            self.kill()
            self.reap()
            raise

    @property
    def ended(self) -> bool:
        """Whether the process itself has ended. Its number stays taken, so that the group can still be told apart from others."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        if self._process.returncode is not None:
            return True
        with suppress(ChildProcessError):
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return True

    def terminate(self) -> None:
        """Asks the whole group to end."""
        with self._ending:
            if not self.killed:
                self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kills the whole group. Returns at once; safe in other threads and in signal handlers."""
        with self._ending:
            if not self.killed:
                self._signal(signal.SIGKILL)
            self.killed = True

    def _signal(self, number: signal.Signals) -> None:
        """The leader is not reaped before the group is killed, so its number cannot have gone to anybody else."""
        with suppress(ProcessLookupError, PermissionError):  # nothing is left but the dead; macOS says it the second way
            os.killpg(self._process.pid, number)

    def reap(self) -> int | None:
        """The exit code of the process, minus the number of a signal that ended it; None where it does not end. After `kill` only."""
        try:
            return self._process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return None  # not even SIGKILL ends a process that hangs inside the system; nobody needs to hang with it

    def close(self) -> None:
        """Kills it and gives everything back. Safe to call twice."""
        self.kill()
        self.reap()
        if self._watch is not None:
            self._watch.kill()
            self._watch.wait()
        if self._life >= 0:
            os.close(self._life)
            self._life = -1
