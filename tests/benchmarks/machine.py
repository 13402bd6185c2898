"""Where and when figures were taken."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agentgate import __version__

_OF_INTEREST = ("google-re2", "jiter", "jsonschema-rs", "msgspec", "pyyaml", "rpds-py", "typer", "rich")


def machine() -> dict[str, str]:
    """Date, system, processors, their load, and the versions that matter."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "load at the start": load,
        "python": platform.python_version(),
        "agentgate": __version__,
        "libraries": ", ".join(f"{name} {_version(name)}" for name in _OF_INTEREST),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def most_memory() -> float:
    """The most MB that this process, or one that it has waited for, took so far."""
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    try:  # where the system says it, for `getrusage` counts what stood here before this program was started, too
        status = Path("/proc/self/status").read_text()
        own = next(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit)
