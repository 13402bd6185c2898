"""agentgate: decides by a policy file which tool calls of a language model are executed.

Example:
    >>> from agentgate import Session, ToolCall, load_policy
    >>> session = Session(load_policy("policies/strict.yaml"), role="viewer")
    >>> decision = session.propose(ToolCall(id="call_1", name="customer_db", arguments='{"action": "read", "customer_id": 101}'))
    >>> decision.effect.value, decision.rule
    ('allow', 'read-customer')
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from agentgate.core.compiled import CompiledPolicy as CompiledPolicy
    from agentgate.core.compiled import compile as compile
    from agentgate.core.engine import decide as decide
    from agentgate.core.events import (
        ApprovalAnswered as ApprovalAnswered,
    )
    from agentgate.core.events import (
        CallDecided as CallDecided,
    )
    from agentgate.core.events import (
        Code as Code,
    )
    from agentgate.core.events import (
        Decision as Decision,
    )
    from agentgate.core.events import (
        Effect as Effect,
    )
    from agentgate.core.events import (
        Event as Event,
    )
    from agentgate.core.events import (
        Mode as Mode,
    )
    from agentgate.core.events import (
        ModelReplied as ModelReplied,
    )
    from agentgate.core.events import (
        ModelRequest as ModelRequest,
    )
    from agentgate.core.events import (
        RunEnded as RunEnded,
    )
    from agentgate.core.events import (
        RunStarted as RunStarted,
    )
    from agentgate.core.events import (
        ToolCall as ToolCall,
    )
    from agentgate.core.events import (
        ToolReturned as ToolReturned,
    )
    from agentgate.core.events import (
        Totals as Totals,
    )
    from agentgate.core.events import (
        Usage as Usage,
    )
    from agentgate.core.policy import Policy as Policy
    from agentgate.core.state import State as State
    from agentgate.core.state import evolve as evolve
    from agentgate.errors import AgentgateError as AgentgateError
    from agentgate.files.policy_file import load_policy as load_policy
    from agentgate.session import Session as Session

_WHERE = {
    "agentgate.core.compiled": ("CompiledPolicy", "compile"),
    "agentgate.core.engine": ("decide",),
    "agentgate.core.events": (
        "ApprovalAnswered", "CallDecided", "Code", "Decision", "Effect", "Event", "Mode", "ModelReplied", "ModelRequest", "RunEnded",
        "RunStarted", "ToolCall", "ToolReturned", "Totals", "Usage",
    ),
    "agentgate.core.policy": ("Policy",),
    "agentgate.core.state": ("State", "evolve"),
    "agentgate.errors": ("AgentgateError",),
    "agentgate.files.policy_file": ("load_policy",),
    "agentgate.session": ("Session",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `agentgate --version` need not import the engine."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'agentgate' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__"))
