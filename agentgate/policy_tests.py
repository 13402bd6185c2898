"""What the tests of a policy say, as data. Loading them is `agentgate.files`, running them `agentgate.cases`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType

from agentgate.core.events import Code, Effect, Json, ResultEffect
from agentgate.core.findings import Place
from agentgate.core.policy import Policy
from agentgate.core.schemas import ToolSet

WORKDIR = "/home/agent/project"
"""Where relative paths start unless a test file says otherwise: deep enough for `..` to lead somewhere."""


class Given(Struct, frozen=True):
    """A call that was made before."""

    tool: str
    arguments: Mapping[str, Json] = {}
    result: Json = None
    refused: bool = False
    """It never ran, so it returned nothing."""
    times: int = 1


class Used(Struct, frozen=True):
    """What a run has used up before, besides its calls."""

    steps: int = 0
    tokens: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0
    windows: Mapping[str, float] = {}
    """Id of a limit per hour or per day → what all runs together have used of it."""


class Expected(Struct, frozen=True):
    """What is to be decided; None for what does not matter."""

    effect: Effect | ResultEffect | None = None
    """Of a call, or of a result."""
    rule: str | None = None
    code: Code | None = None
    reason: str | None = None
    hint: str | None = None


class Case(Struct, frozen=True):
    """One judgement: given what happened before, when this comes, then that is decided."""

    expected: Expected
    tool: str | None = None
    """None for the wish to ask the model once more."""
    arguments: str = "{}"
    """As a model would write them."""
    result: Json | UnsetType = UNSET
    """What the tool returns, where it is that which is judged."""
    name: str | None = None
    """What is special about it; only where it is one of several."""
    role: str | None = None
    prompt: str | None = None
    given: tuple[Given, ...] = ()
    used: Used = Used()
    place: Place | None = None


class PolicyTest(Struct, frozen=True):
    """A name, and the cases that show what it says."""

    name: str
    cases: tuple[Case, ...]
    description: str | None = None
    place: Place | None = None


class PolicyTests(Struct, frozen=True):
    """What one test file says."""

    file: str
    policies: tuple[str, ...]
    """The policy files that it is about, merged; paths from the working directory."""
    tests: tuple[PolicyTest, ...]
    task: str | None = None
    """A task with whose tools and prompt to judge."""
    tools: Sequence[Mapping[str, Json]] | None = None
    """The tools that exist, in Chat Completions form; None where nobody says."""
    workdir: str = WORKDIR
    links: Mapping[str, str] = {}
    """Absolute path of a link → where it leads, absolute or from its own folder."""
    place: Place | None = None


class Setting(Struct, frozen=True):
    """What all cases of a file share, ready to judge with."""

    tools: ToolSet | None = None
    prompt: str | None = None
    """What the user said, where a case does not say."""
    workdir: str = WORKDIR
    links: Mapping[str, str] = {}


class Suite(Struct, frozen=True):
    """A policy, and what is to be tried with it."""

    policies: tuple[str, ...]
    """Its files."""
    policy: Policy
    files: tuple[tuple[PolicyTests, Setting], ...] = ()
