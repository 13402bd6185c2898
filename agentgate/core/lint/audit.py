"""What an audit is, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from agentgate.core.findings import Finding, Place, Severity
from agentgate.core.lint.calls import Calls
from agentgate.core.lint.trial import Trial
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.core.rules import CompiledRule
from agentgate.core.schemas import ToolSet


class Protected(Struct, frozen=True):
    """A file or folder that an agent must not rewrite."""

    path: str
    """As an agent would write it: relative to the working directory, or absolute."""
    what: str
    """What it is, with an article: `the policy`."""


class Subject(Struct, frozen=True):
    """A policy under examination, with everything that is known about its surroundings."""

    policy: Policy
    calls: Calls
    protected: tuple[Protected, ...] = ()
    flat: bool = False
    """Whether it comes from a file in the flat form, which allows by default."""

    @property
    def tools(self) -> ToolSet | None:
        """The task's tools, where a task is given."""
        return self.calls.tools

    @property
    def rules(self) -> tuple[CompiledRule, ...]:
        """All rules, in the order of the file."""
        return self.calls.rules

    @property
    def enforced(self) -> tuple[CompiledRule, ...]:
        """The rules that are not on trial."""
        return self.calls.enforced

    @property
    def place(self) -> Place:
        """Where findings about the policy as a whole are shown."""
        if self.policy.place is not None:
            return self.policy.place
        return Place(self.policy.files[0][0] if self.policy.files else self.policy.name)

    def place_of(self, *things: Rule | Condition | None) -> Place:
        """The place of the first of these that has one."""
        return next((thing.place for thing in things if thing is not None and thing.place is not None), self.place)


class Audit(Struct, frozen=True):
    """One kind of finding about a policy that loads."""

    code: str
    """Kebab-case and stable."""
    severity: Severity
    summary: str
    """One line, lower case: what is found."""
    documentation: str
    """Why it matters, and what to do instead."""
    find: Callable[[Subject, Report], Iterable[Finding]]


class Report:
    """Makes findings of one audit. A warning shows what proves it; what cannot be shown is no more than a note."""

    __slots__ = ("_audit",)

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def __call__(
        self,
        place: Place,
        message: str,
        *,
        proof: Trial | str | None = None,
        help: str | None = None,
        related: Iterable[tuple[Place, str]] = (),
        severity: Severity | None = None,
    ) -> Finding:
        """Makes one.

        Args:
            place: what it is about.
            message: one sentence in lower case, without a full stop.
            proof: a call that was judged, or a sentence that ends with one.
            help: the way on; the proof is put behind it.
            related: other places that matter.
            severity: in place of the audit's own.
        """
        shown = proof.says if isinstance(proof, Trial) else proof
        severity = severity or self._audit.severity
        if shown is None and severity is Severity.WARNING:
            severity = Severity.NOTE
        between = " " if help and help.endswith("?") else "; "
        whole = between.join(text for text in (help, shown) if text) or None
        return Finding(self._audit.code, severity, place, message, whole, tuple(related))
