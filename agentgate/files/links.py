"""Where a path leads: `..` and symbolic links resolved, one name after the other, as the system would."""

import errno
import os
import stat
from collections import deque

MAX_LINKS = 40
"""How many links are followed; Linux follows as many."""
_OWN = ("/proc/", "/dev/fd", "/dev/std")
"""Links that begin like this lead somewhere else in every process."""


def resolve(path: str) -> str:
    """The absolute path without `.`, `..` and symbolic links, like `os.path.realpath` for a path that need not exist.

    Names from the first missing one on are taken as they stand. Unlike `realpath` it fails where it cannot know: at a loop of links, at a
    folder that cannot be read, and at links that mean something else in every process, such as `/proc/self/cwd`.

    The answer is true when it is given. Whoever can make links between the judgement and the moment when a tool opens the path can
    still lead it elsewhere: give agents no tool that makes links, or let the tool itself open files without following them.

    Args:
        path: absolute.

    Raises:
        OSError: nobody can say where it leads.
        ValueError: the path is not absolute, or no path at all.
    """
    if not path.startswith("/"):
        raise ValueError("not an absolute path")
    pending = deque(path.split("/"))
    names: list[str] = []
    followed = 0
    while pending:
        name = pending.popleft()
        if name in ("", "."):
            continue
        if name == "..":
            if names:
                names.pop()
            continue
        names.append(name)
        here = "/" + "/".join(names)
        if _is_link(here):
            if here.startswith(_OWN):
                raise OSError(errno.ELOOP, "means something else in every process", path)
            followed += 1
            if followed > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(here)  # noqa: PTH115 - paths stay text here: a `Path` would drop `.` and double slashes
            names = [] if target.startswith("/") else names[:-1]
            pending.extendleft(reversed(target.split("/")))
    return "/" + "/".join(names)


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
