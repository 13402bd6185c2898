"""Who answers when the policy asks: the approver that the options of `run` and `resume` mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgate.cli.options import ASK_SECONDS, Approve
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.approvers.messages import About
    from agentgate.approvers.port import Approver


class Approving(Struct, frozen=True, kw_only=True):
    """What the command line says about approvals."""

    approve: Approve | None = None
    """None where it says nothing."""
    approver: str | None = None
    secret_env: str | None = None
    seconds: float = ASK_SECONDS

    def check(self, environ: Mapping[str, str]) -> None:
        """Whether it makes sense.

        Raises:
            UsageError: it does not.
        """
        if self.approver is not None and self.approve is not None:
            raise UsageError("--approve and --approver", help="choose one of them")
        if self.secret_env is not None and self.approver is None:
            raise UsageError("--approver-secret-env belongs to --approver", help="name an approver, too")
        if self.secret_env is not None and not environ.get(self.secret_env):
            raise UsageError(f"the variable `{self.secret_env}` is not set", help="it holds the secret that is shared with the approver")

    def open(self, about: About, environ: Mapping[str, str], api_key_env: str, *, default: Approve = Approve.PROMPT) -> Approver:
        """Whoever answers in this run.

        Args:
            about: the run.
            environ: the environment of this process; a program sees it without the model's key, and with the secret.
            api_key_env: the variable with that key.
            default: who answers where nobody was named.

        Raises:
            UsageError: there is no such approver.
        """
        from agentgate.approvers.fixed import ALWAYS, LATER, NEVER
        from agentgate.approvers.terminal import TerminalApprover

        if self.approver is not None:
            from agentgate.approvers import open_approver
            from agentgate.tools.environment import tool_environment

            shown = tool_environment(environ, api_key_env)
            secret = None
            if self.secret_env is not None:
                shown[self.secret_env] = environ[self.secret_env]
                secret = os.fsencode(environ[self.secret_env])
            return open_approver(self.approver, about, secret=secret, seconds=self.seconds, environ=shown)
        match self.approve or default:
            case Approve.PROMPT:
                return TerminalApprover(seconds=self.seconds)
            case Approve.NEVER:
                return NEVER
            case Approve.LATER:
                return LATER
            case Approve.ALWAYS:
                return ALWAYS

    def warn(self) -> None:
        """Says loudly that nobody will be asked."""
        from agentgate.output.sink import Sink

        if self.approve is Approve.ALWAYS:
            Sink(sys.stderr).write("warning: --approve always: nobody is asked, every call that needs approval is executed\n")


def without_secret(environ: Mapping[str, str], secret_env: str | None) -> dict[str, str]:
    """The environment without the secret that is shared with the approver, under whatever name: tools must not be able to approve."""
    secret = environ.get(secret_env) if secret_env is not None else None
    return {name: value for name, value in environ.items() if not secret or secret not in value}


def has_terminal() -> bool:
    """Whether somebody can be asked on a terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
