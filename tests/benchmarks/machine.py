"""Where and when figures were taken."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

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
