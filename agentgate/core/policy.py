"""What a policy says, as data: rules, limits, roles and groups. Loading it is `agentgate.files`, judging by it `core.engine`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from agentgate.core.events import Effect, Json
from agentgate.core.findings import Place


class Condition(Struct, frozen=True):
    """A test of one argument; all its operators must hold."""

    argument: str
    """Dotted for nested objects; `*` for every string anywhere in the arguments."""
    operators: tuple[tuple[str, Json], ...]
    """Operator key and the value it was given, as in the file; a plain value reads as `equals`, a list as `in`."""
    optional: bool = False
    """Holds too when the argument is absent."""
    place: Place | None = None


class Example(Struct, frozen=True):
    """A call that a rule must, or must not, match."""

    tool: str
    arguments: Mapping[str, Json]
    given: tuple[Mapping[str, Json], ...] = ()
    """Calls that returned before: each has `tool`, and may have `arguments` and `result`."""
    role: str | None = None
    prompt: str | None = None
    matches: bool = True
    place: Place | None = None


class Rule(Struct, frozen=True):
    """One line of law: which tools, for whom, when, and what then."""

    id: str
    effect: Effect
    tools: tuple[str, ...]
    """Tool names, patterns with `*`, and `@groups`."""
    except_tools: tuple[str, ...] = ()
    roles: tuple[str, ...] | None = None
    """None: for everybody. Otherwise for these roles and those that include them."""
    except_roles: tuple[str, ...] = ()
    """Not for these roles, nor for those that include them."""
    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    """The rule does not apply where all of these hold."""
    after: tuple[str, ...] | None = None
    """Only once one of these tools has returned in this run."""
    before: tuple[str, ...] | None = None
    """Only until one of these tools has returned in this run."""
    message: str | None = None
    hint: str | None = None
    observe: bool = False
    """On trial: judged and recorded, never enforced."""
    examples: tuple[Example, ...] = ()
    place: Place | None = None

    @property
    def unconditional(self) -> bool:
        """Whether it matches every call of its tools and roles, whatever the arguments and the history."""
        return not self.when and not self.unless and self.after is None and self.before is None


class ResultRule(Struct, frozen=True):
    """What happens to results of tools: block them, or cut them to a size."""

    rule: Rule
    """Which results, told like which calls: its conditions are about `result`, what the tool returned, and `error`, what it failed with."""
    max_bytes: int | None = None
    """Only for larger results; a cut one has this many bytes left. None for every size."""
    cut: bool = False
    """Whether it cuts rather than blocks."""


class Redaction(Struct, frozen=True):
    """What is taken out of records, and out of results."""

    id: str | None = None
    detect: tuple[str, ...] = ()
    """Names of detectors."""
    pattern: str | None = None
    """An RE2 pattern, in place of detectors."""
    where: str = "both"
    """`arguments`, `results` or `both`. Everything else that is recorded (prompts, answers, reasons) is redacted in any case."""
    original: bool = False
    """Whether the model gets results as they are; what is recorded and shown is redacted all the same."""
    replace: str | None = None
    """What is written in place of what is found; `[redacted:ID]` by default."""
    place: Place | None = None


class Limit(Struct, frozen=True):
    """A ceiling. It blocks once what was used reaches `value`."""

    kind: str
    """`steps`, `tool_calls`, `tokens`, `cost_usd`, `seconds`, `repeats`, `refusals`, or `calls` of one tool."""
    value: float
    """A whole number except for `seconds` and `cost_usd`. 0 means none."""
    tools: str | None = None
    """For `calls`: the tool name, pattern or `@group` that it counts."""
    message: str | None = None
    id: str = ""
    """`limits.steps`, `limits.tools.email_service`; the entry's name in the flat form."""
    place: Place | None = None
    window: str | None = None
    """`per_hour` or `per_day`: over so much time and all runs of the policy, rather than over one run."""


WINDOWS = {"per_hour": 3600, "per_day": 86_400}
"""Window → its length in seconds. It slides: it ends now."""


class Policy(Struct, frozen=True):
    """Everything that the files say, merged."""

    name: str
    default: Effect = Effect.BLOCK
    rules: tuple[Rule, ...] = ()
    limits: tuple[Limit, ...] = ()
    results: tuple[ResultRule, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    roles: Mapping[str, tuple[str, ...]] = {}
    """Role → the roles it includes directly."""
    groups: Mapping[str, tuple[str, ...]] = {}
    """Group → its tools; a group may name patterns and other groups."""
    once: tuple[str, ...] = ()
    """Tool names, patterns with `*`, and `@groups`, whose calls are executed once for the same arguments."""
    description: str | None = None
    sha256: str = ""
    """Over the digests of the files, in the order of their digests, so that the order of files does not matter."""
    files: tuple[tuple[str, str], ...] = ()
    """Each file's name and SHA-256."""
    place: Place | None = None
    """Where `default` stands, or the top of the first file."""


def holders(policy: Policy, roles: Iterable[str]) -> frozenset[str]:
    """The roles that are, or include however indirectly, one of `roles`."""
    wanted = set(roles)
    if not wanted:
        return frozenset()
    found = {role for role in wanted if role in policy.roles}
    grew = True
    while grew:
        grew = False
        for role, includes in policy.roles.items():
            if role not in found and any(included in found for included in includes):
                found.add(role)
                grew = True
    return frozenset(found)


def expand(policy: Policy, selectors: Iterable[str]) -> tuple[str, ...]:
    """Tool names and patterns with every `@group` replaced by what it holds. An unknown group is a bug: loading refuses it."""
    selectors = tuple(selectors)
    if len(selectors) == 1 and not selectors[0].startswith("@"):
        return selectors
    names: dict[str, None] = {}
    pending = list(selectors)[::-1]
    seen: set[str] = set()
    while pending:
        selector = pending.pop()
        if not selector.startswith("@"):
            names[selector] = None
        elif selector not in seen:
            seen.add(selector)
            pending.extend(reversed(policy.groups[selector[1:]]))
    return tuple(names)


def split_sources(operand: str | Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The sources that an operand names, each a tool selector (or a word of the operator's own) and `#field`, which may be empty."""
    written = (operand,) if isinstance(operand, str) else operand
    return tuple((tool, mark + field) for tool, mark, field in (source.partition("#") for source in written))


def expand_sources(policy: Policy, operand: str | Iterable[str]) -> list[str]:
    """The sources that an operand names, with every `@group` replaced by what it holds."""
    return list(dict.fromkeys(tool + field for selector, field in split_sources(operand) for tool in expand(policy, (selector,))))
