"""Who is asked: people, and what stands in for them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from shutil import which
from typing import TYPE_CHECKING

from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.approvers.messages import About
    from agentgate.approvers.port import Approver

_COMMAND = "command:"


def open_approver(name: str, about: About, *, secret: bytes | None, seconds: float, environ: Mapping[str, str]) -> Approver:
    """The approver outside of this process that `--approver` names. Nothing is asked yet.

    Args:
        name: `command:PROGRAM ARGUMENTS`, or the address of a server.
        about: the run that asks.
        secret: signs questions, and must sign answers.
        seconds: how long an answer is waited for.
        environ: what a program sees of the environment.

    Raises:
        UsageError: it is neither, or an address that may not be asked.
    """
    from agentgate.approvers.remote import RemoteApprover

    if name.startswith(_COMMAND):
        from agentgate.approvers.command import CommandLine

        try:
            words = shlex.split(name.removeprefix(_COMMAND))
        except ValueError:
            words = []
        if not words:
            raise UsageError(f"`{name}` names no program", help="for instance command:./approve.py")
        if which(words[0], path=environ.get("PATH")) is None:
            raise UsageError(f"there is no program `{words[0]}` to approve", help="name one that is there, and may be executed")
        return RemoteApprover(CommandLine(words, environ), f"command:{words[0]}", about, secret=secret, seconds=seconds)
    if name.startswith(("http://", "https://")):
        from agentgate.approvers.http import HttpLine, check_url

        host = check_url(name, signed=secret is not None)
        return RemoteApprover(HttpLine(name), host, about, secret=secret, seconds=seconds)
    raise UsageError(f"`{name}` is no approver", help="command:./script, or the address of a server")
