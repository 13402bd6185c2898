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
from typing import Any

import pytest
from msgspec import Struct

_QUICK = "-c listen_addresses='' -c fsync=off -c shared_buffers=16MB -c max_connections=30"


class Runner(Struct):
    """Whom the server runs as."""

    before: tuple[str, ...] = ()
    """What stands before each command."""
    options: dict[str, Any] = {}
    """What `subprocess.run` is told."""
    owner: tuple[int, int] | None = None
    """Whom its folder must belong to, where that is not us."""


class PostgresServer:
    """Started and stopped by a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runner = _runner()
        if self._runner.owner is not None:
            os.chown(folder, *self._runner.owner)
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
        environ = {"PATH": _path(), "LANG": "C.UTF-8", "HOME": str(self._folder)}
        said = self._folder / "said"
        with said.open("w") as out:  # a server that stays would keep a pipe open
            done = subprocess.run(
                (*self._runner.before, *command),
                cwd=self._folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
                **self._runner.options,
            )
        assert done.returncode == 0, said.read_text()


def _runner() -> Runner:
    """The server refuses the superuser. In a user namespace we are somebody else, at no price; else it runs as somebody else indeed."""
    if os.geteuid() != 0:
        return Runner()
    known = {user.pw_name: user for user in pwd.getpwall()}
    found = known.get("postgres") or known.get("nobody")
    if found is None:
        pytest.skip("no PostgreSQL: it refuses the superuser, and there is nobody else to run it as")
    uid, gid = found.pw_uid, found.pw_gid
    namespace = ("unshare", "--user", f"--map-user={uid}", f"--map-group={gid}")
    for runner in (Runner(namespace), Runner(options={"user": uid, "group": gid, "extra_groups": []}, owner=(uid, gid))):
        try:
            asked = subprocess.run((*runner.before, "id", "-un"), capture_output=True, text=True, check=False, **runner.options)
        except OSError:
            continue
        if asked.returncode == 0 and asked.stdout.strip() == found.pw_name:
            return runner
    pytest.skip(f"no PostgreSQL: no user namespace can be made, and the user {found.pw_name} may not read /etc/passwd")


def _path() -> str:
    """Where programs are: some systems keep those of the server apart, the newest last."""
    apart = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: folder.parent.name.zfill(4))
    return os.pathsep.join([os.environ["PATH"], *map(str, reversed(apart))])


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server that runs, or a skipped test that says why."""
    pytest.importorskip("pg8000", reason="no PostgreSQL: pg8000 is not installed")
    missing = [name for name in ("initdb", "pg_ctl") if shutil.which(name, path=_path()) is None]
    if missing:
        pytest.skip(f"no PostgreSQL: {' and '.join(missing)} cannot be found")
    with tempfile.TemporaryDirectory(prefix="agentgate-pg-") as folder:
        made = PostgresServer(Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.stop()
