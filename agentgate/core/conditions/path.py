"""`path`: the argument is a path that leads into one of some folders, whatever dots and links it takes."""

import unicodedata

from agentgate.core.conditions.test import InvalidOperand, Operator, Test, Unjudgeable, World
from agentgate.core.conditions.text import poses_as, string, unseen
from agentgate.core.events import Json
from agentgate.core.late import late
from agentgate.core.state import State

MAX_LENGTH = 4096
"""Characters; no system opens a longer path."""
_SCHEME = late(r"[A-Za-z][A-Za-z0-9+.-]*:")
_EXPANDED = late(r"\$[A-Za-z_{(]|%[0-9A-Fa-f]{2}|[*?\\<>|\"`]")
_MEANT = "./\\:~$%*?"
"""What other characters must not turn into when somebody normalises."""


def oddity(path: str) -> str | None:
    """Why a path may be read in more than one way; None where every tool opens the same."""
    hidden = unseen(path) or poses_as(path, _MEANT)
    if hidden is not None:
        return f"contains {hidden}"
    if path.startswith("//"):
        return "starts with two slashes"
    if _SCHEME.match(path):
        return "starts like a URL or a drive"
    expanded = _EXPANDED.search(path)
    if expanded is not None:
        return f"contains `{expanded.group()}`, which some tools expand"
    for part in path.split("/"):
        if part.startswith("~"):
            return "contains a `~`, which some tools expand"
        if part != part.strip(" ") or (part.endswith(".") and part not in (".", "..")):
            return "contains a name that starts or ends with a space, or ends with a dot"
    return None


def located(path: str, world: World) -> tuple[str, ...]:
    """The names from the root to where a path leads.

    Raises:
        Unjudgeable: nobody can say where it leads.
    """
    start = path if path.startswith("/") else f"{world.workdir}/{path}"
    found = world.real_path(start)
    names = tuple(name for name in found.split("/") if name)
    if not found.startswith("/") or "." in names or ".." in names:
        raise Unjudgeable("does not resolve to an absolute path")
    return names


def _folded(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFKC", name).casefold() for name in names)


def _compile(operand: Json) -> Test:
    folders: list[str] = list(operand)
    for folder in folders:
        wrong = oddity(folder) if folder else "is empty"
        if wrong is not None:
            raise InvalidOperand(f"`{folder}` {wrong}")

    def holds(value: Json, world: World, state: State) -> bool:
        path = string(value, MAX_LENGTH)
        wrong = oddity(path)
        if wrong is not None:
            raise Unjudgeable(wrong)
        names = located(path, world)
        roots = [located(folder, world) for folder in folders]
        if any(names[: len(root)] == root for root in roots):
            return True
        plain = _folded(names)
        if any(plain[: len(root)] == _folded(root) for root in roots):
            raise Unjudgeable("lies within where letter case or Unicode form does not count")
        return False

    wanted = "a path within " + (" or ".join(f"`{folder}`" for folder in folders) or "no folder")
    return Test(holds=holds, wanted=wanted, asks_world=True, never=not folders)


OPERATOR = Operator(
    key="path",
    summary="is a path that, with `..` and symbolic links resolved, is or lies within one of these folders",
    operand={
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH},
        "description": "Folders. Relative ones start at the working directory of the run (`--workdir`); `.` is that directory itself.",
    },
    compile=_compile,
    example=["src", "docs"],
    details="""Relative paths, in the policy and in arguments, start at the working directory of the run. Files that do not exist yet are
judged by the folder that they would be in. What is judged is the path that the tool opens, name by name: `/srv/project-old`
does not lie within `/srv/project`. A path that some tools would read differently cannot be judged: control and invisible
characters, backslashes, `~` at the start of a name, `$NAME`, `*` and `?`, percent escapes, a leading `//`, `file:` and drive
letters, names with a space at either end or a dot at the end, look-alikes of dots and slashes, and a path that lies within a
folder only if letter case does not count. So do loops of links, unreadable folders, and links that mean something else in
every process (`/proc`, `/dev/fd`). Hard links are not seen. Brackets are plain characters, so a tool that expands patterns
needs `matches` as well.""",
)
