"""`agentgate serve` as an operator starts it: a process of its own, on a free port, with nothing else in its environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.gateway.serving import Client

ROOT = Path(__file__).parents[2]


class Process(Client):
    """Runs while it is entered."""

    def __init__(
        self, folder: Path, upstream: str, *options: str, policy: str, environ: Mapping[str, str] | None = None, piped: bool = False
    ) -> None:
        """Prepares it.

        Args:
            folder: where it works; the policy and the store are there.
            upstream: the base URL.
            options: further ones of the command line.
            policy: the text of the policy file.
            environ: variables, the only ones that it knows.
            piped: whether the policy comes by standard input.
        """
        (folder / "policy.yaml").write_text(policy, encoding="utf-8")
        self.folder = folder
        self._command = [
            sys.executable,
            "-m",
            "agentgate",
            "serve",
            "--policy",
            "-" if piped else "policy.yaml",
            "--upstream",
            upstream,
            "--port",
            "0",
        ]
        self._command += options
        self._environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **(environ or {})}
        self._said: list[str] = []
        self._heard = threading.Condition()

    def __enter__(self) -> Self:
        with (self.folder / "policy.yaml").open() as policy:
            self.process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._environ, stdin=policy, stderr=subprocess.PIPE, text=True
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        line = self.wait_for("serving http://")
        self.port = int(line.partition("http://")[2].partition("/")[0].rpartition(":")[2])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)
        self._listener.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    @property
    def said(self) -> str:
        """All that it has told its operator."""
        return "".join(self._said)

    def wait_for(self, words: str) -> str:
        """The line with these words, once it has come."""
        with self._heard:
            found = self._heard.wait_for(lambda: [line for line in self._said if words in line] or not self._listener.is_alive(), 60)
            assert isinstance(found, list), self.said
            return found[0]

    def kill(self) -> None:
        """Ends it at once, in the midst of whatever it does."""
        self.process.kill()
        self.process.wait(20)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._heard:
                self._said.append(line)
                self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()
