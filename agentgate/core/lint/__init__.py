"""Findings about a policy that loads but is unwise. `decide` never asks for them; they ask `decide`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agentgate.core.conditions import World
from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.core.lint.audit import Audit, Protected, Report, Subject
from agentgate.core.lint.audits import AUDITS
from agentgate.core.lint.calls import Calls
from agentgate.core.policy import Policy
from agentgate.core.schemas import ToolSet

__all__ = ["AUDITS", "Audit", "Protected", "lint"]


def lint(
    policy: Policy,
    tools: ToolSet | Sequence[Mapping[str, Json]] | None = None,
    *,
    protected: Iterable[Protected] = (),
    flat: bool = False,
    world: World | None = None,
) -> list[Finding]:
    """What is unwise about a policy, in the order of its files.

    Every finding that speaks of a call has been confirmed by `decide`.

    Args:
        policy: a policy that loads.
        tools: the tools that it is for, in Chat Completions form; None leaves out what only they can tell.
        protected: files that the agent's own tools must not rewrite.
        flat: whether it comes from a file in the flat form.
        world: answers what a judgement may ask about links in paths; by default every path is what it says.

    Raises:
        InvalidSchema: two of the tools have the same name, or one has none.
    """
    known = tools if tools is None or isinstance(tools, ToolSet) else ToolSet(tools)
    subject = Subject(policy, Calls(policy, known, world=world), tuple(protected), flat)
    found = [finding for audit in AUDITS.values() for finding in audit.find(subject, Report(audit))]
    return sorted(found, key=lambda finding: (finding.place.file, finding.place.line, finding.place.column))
