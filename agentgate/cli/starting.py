"""Imports what nearly every command needs, without what would take a third of a command's time in vain.

For the process of a command alone: whoever imports agentgate gets everything as its makers meant it.
"""

from __future__ import annotations

import re
import sys


def import_quickly() -> None:
    """Imports msgspec and PyYAML. To be called while there is no other thread."""
    _import_msgspec()
    _import_yaml()


def _import_msgspec() -> None:
    """Without typing_extensions, which it takes where it finds it: for older Pythons than ours alone."""
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


def _import_yaml() -> None:
    """With expressions that are compiled when they are used: only its reader in Python has use for them, and ours is the one in C."""
    if "yaml" in sys.modules:
        return
    import base64  # noqa: F401 - what others have in use shall be compiled at once
    import datetime as dt  # noqa: F401

    from agentgate.core.late import late

    compiled_at_once = re.compile
    re.compile = late  # type: ignore[assignment]
    try:
        import yaml  # noqa: F401
    finally:
        re.compile = compiled_at_once
