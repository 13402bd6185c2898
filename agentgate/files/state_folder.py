"""The folder in which agentgate keeps what outlives a command: transcripts, stops, and databases. Names its parts and makes it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from msgspec import Struct

from agentgate.errors import FileError, OutsideError, UsageError

DEFAULT = ".agentgate"
"""Where it is unless `--state` says otherwise: in the current directory."""

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_MOST_NAMED = 5


class StateFolder(Struct, frozen=True):
    """A state folder, which need not exist yet."""

    path: str = DEFAULT

    @property
    def runs(self) -> Path:
        """The folder with the transcripts, one `ID.jsonl` each."""
        return Path(self.path, "runs")

    def transcript(self, run_id: str) -> Path:
        """Where the transcript of a run lies.

        Raises:
            UsageError: the id is not one of ours; ids from elsewhere never become paths.
        """
        if _RUN_ID.fullmatch(run_id) is None:
            raise UsageError(f"`{run_id}` cannot name a file", help="an id is up to 64 letters, digits, `_` or `-`")
        return self.runs / f"{run_id}.jsonl"

    @property
    def stops(self) -> Path:
        """The folder of the kill switch, one file each stop."""
        return Path(self.path, "stops")

    @property
    def database(self) -> Path:
        """What limits over time and exactly-once need to remember."""
        return Path(self.path, "state.db")

    @property
    def gateway(self) -> Path:
        """The sessions, events and approvals of `agentgate serve`."""
        return Path(self.path, "gateway.db")

    @property
    def history(self) -> Path:
        """The index of `audit list`: can always be made anew from the transcripts."""
        return Path(self.path, "history.db")

    def make(self, part: Path | None = None) -> Path:
        """Makes the folder, and a folder in it, with mode 0700 where they are missing.

        Args:
            part: `runs` or `stops`; None for the folder alone.

        Returns:
            The folder that was asked for.

        Raises:
            FileError: something else has its name: a file, a link, or a folder of somebody else.
            OutsideError: it cannot be made.
        """
        whole = Path(self.path)
        for folder in [*reversed(whole.parents), whole, *([part] if part is not None else [])]:
            ours = folder in (whole, part)
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                if ours:
                    _check(folder)
            except OSError as error:
                if not ours and folder.is_dir():
                    continue
                raise OutsideError(f"cannot make the folder `{folder}`: {(error.strerror or str(error)).lower()}") from None
        return part if part is not None else whole


def _check(folder: Path) -> None:
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise FileError(f"`{folder}` is a link; state is not kept through links", help="name another folder with --state")
    if not stat.S_ISDIR(found.st_mode):
        raise FileError(f"`{folder}` is not a folder", help="name another one with --state")
    if found.st_uid != os.geteuid():
        raise FileError(f"`{folder}` belongs to somebody else", help="name another one with --state")


def find_run(name: str, state: StateFolder) -> Path:
    """The transcript that RUN means on a command line: an id, the path or the name of a file, or the beginning of one id only.

    Args:
        name: what the user wrote.
        state: whose runs are looked through.

    Raises:
        FileError: there is no such run, or there are several.
    """
    is_id = _RUN_ID.fullmatch(name) is not None
    if is_id and os.path.lexists(state.runs / f"{name}.jsonl"):
        return state.runs / f"{name}.jsonl"
    if os.path.lexists(name):
        return Path(name)
    help = f"runs are in `{state.runs}`; `agentgate audit list` shows them"
    if _RUN_ID.fullmatch(name.removesuffix(".jsonl")) is not None and os.path.lexists(state.runs / name):
        return state.runs / name
    found = sorted(file.stem for file in state.runs.glob("*.jsonl") if file.stem.startswith(name)) if is_id else []
    if len(found) == 1:
        return state.runs / f"{found[0]}.jsonl"
    if found:
        names = ", ".join(found[:_MOST_NAMED]) + (", …" if len(found) > _MOST_NAMED else "")
        raise FileError(f"`{name}` begins the ids of {len(found)} runs: {names}", help="write more of the id")
    raise FileError(f"no run `{name}`", help=help)
