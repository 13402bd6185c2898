"""The tables of cases for the operators, and the little world in which they are judged."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

from rpds import HashTrieMap, List

from agentgate.core.conditions import OPERATORS, Unjudgeable, World
from agentgate.core.events import Json
from agentgate.core.state import State

DATA = Path(__file__).parent.parent / "data" / "conditions"
WORKDIR = "/srv/project"
LINKS = {
    "/srv/project/docs/out": "/etc",
    "/srv/project/docs/in": "../src/inner",
    "/srv/project/docs/loop": "loop",
    "/srv/project/docs/near": "/srv/project/docsx",
    "/srv/project/elsewhere": "docs",
    "/proc/self": "4711",
}
"""Where the links of the cases lead."""


def resolve(path: str) -> str:
    """Resolves `..` and `LINKS`, like the function that looks at the disk."""
    pending, names, followed = path.split("/"), list[str](), 0
    while pending:
        name = pending.pop(0)
        if name == "..":
            names[-1:] = []
        elif name not in ("", "."):
            names.append(name)
            target = LINKS.get("/" + "/".join(names))
            if target is not None:
                followed += 1
                if followed > 40 or names[0] == "proc":
                    raise OSError(errno.ELOOP, "a loop")
                names = [] if target.startswith("/") else names[:-1]
                pending = target.split("/") + pending
    return "/" + "/".join(names)


def world() -> World:
    """A world with these links."""
    return World(workdir=WORKDIR, resolve=resolve)


def state(case: dict[str, Any]) -> State:
    """What was said before, as a case has it."""
    results = HashTrieMap({tool: List(texts) for tool, texts in case.get("results", {}).items()})
    return State(prompt=(case["prompt"],) if "prompt" in case else (), results=results)


def judge(key: str, operand: Json, value: Json, before: State | None = None) -> str:
    """How an operator judges a value: `true`, `false` or `unjudgeable`."""
    try:
        return "true" if OPERATORS[key].compile(operand).holds(value, world(), before or State()) else "false"
    except Unjudgeable:
        return "unjudgeable"


def cases(key: str) -> list[dict[str, Any]]:
    """The table of an operator."""
    return [json.loads(line) for line in (DATA / f"{key}.jsonl").read_text(encoding="ascii").splitlines()]
