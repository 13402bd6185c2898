"""A real PostgreSQL server of one's own, where its programs are installed: on a socket in a temporary folder, never on a port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_QUICK = "-c listen_addresses='' -c fsync=off -c shared_buffers=16MB -c max_connections=30"


class PostgresServer:
    """Started and stopped by a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = _unprivileged()
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", f"{folder}/data", "-U", "gate", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-instructions")

    def url(self, database: str = "postgres") -> str:
        """What goes into `--store`."""
        return f"postgresql://gate@/{database}?host={self._folder}"

    def start(self) -> None:
        options = f"-k {self._folder} {_QUICK}"
        self._run("pg_ctl", "-w", "-D", f"{self._folder}/data", "-l", f"{self._folder}/log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-D", f"{self._folder}/data", "-m", "immediate", "stop")

    def _run(self, *command: str) -> None:
        uid, gid = (None, None) if self._user is None else (self._user.pw_uid, self._user.pw_gid)
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self._folder)}
        said = self._folder / "said"
        with said.open("w") as out:  # a server that stays would keep a pipe open
            done = subprocess.run(
                command,
                cwd=self._folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                user=uid,
                group=gid,
                extra_groups=None if gid is None else [],
                check=False,
            )
        assert done.returncode == 0, said.read_text()


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom the server runs as, where we are the superuser, whom it refuses."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    found = known.get("postgres") or known.get("nobody")
    if found is None:
        pytest.skip("no PostgreSQL: it refuses the superuser, and there is nobody else to run it as")
    asked = subprocess.run(["id", "-un"], user=found.pw_uid, group=found.pw_gid, extra_groups=[], capture_output=True, check=False)
    if asked.returncode != 0:
        pytest.skip(f"no PostgreSQL: the user {found.pw_name}, whom it would run as, may not read /etc/passwd")
    return found


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server that runs, or a skipped test that says why."""
    pytest.importorskip("pg8000", reason="no PostgreSQL: pg8000 is not installed")
    missing = [name for name in ("initdb", "pg_ctl") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no PostgreSQL: {' and '.join(missing)} cannot be found")
    with tempfile.TemporaryDirectory(prefix="agentgate-pg-") as folder:
        made = PostgresServer(Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.stop()
