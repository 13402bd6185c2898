"""What recorded runs did, call by call, and where each value had been said before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.arguments import InvalidJson, parse_arguments
from agentgate.core.conditions.fields import fields_of, named_values, structure
from agentgate.core.conditions.links_seen_in import links
from agentgate.core.conditions.seen_in import MAX_LENGTH, PROMPT, occurs, sources_of
from agentgate.core.events import Effect, Json, RunStarted, ToolReturned
from agentgate.core.policy import Policy
from agentgate.core.state import State
from agentgate.files.transcript import Proposed, Transcript, Unanswered
from agentgate.learning.sources import is_reading
from agentgate.session import Session, prepare

MOST_LEAVES = 200
"""Values of one call that are looked at; a call with more of them is data, not something somebody steers."""
_SHORTEST = 3
_SMALLEST = 100
"""Numbers below this occur everywhere."""


class Leaf(Struct, frozen=True):
    """One value in the arguments of a call."""

    argument: str
    """Dotted, as a condition names it. Every item of a list has the name of the list."""
    value: Json
    sources: frozenset[str]
    """Where it had been said before: `prompt`, a tool, or `TOOL#FIELD`; as `seen_in` judges it."""
    links: tuple[frozenset[str], ...] = ()
    """Where each web address in it had been said before."""


class Sample(Struct, frozen=True):
    """One call that was executed."""

    run: int
    """Which run, from 0."""
    transcript: str
    index: int
    """Which call of the transcript, from 0."""
    tool: str
    arguments: Mapping[str, Json]
    leaves: tuple[Leaf, ...]
    before: tuple[str, ...]
    """The tools that had returned in this run, in the order in which they did first."""

    def named(self, argument: str) -> list[Leaf]:
        """The values of one argument."""
        return [leaf for leaf in self.leaves if leaf.argument == argument]


class Run(Struct, frozen=True):
    """One recorded run."""

    number: int
    """From 0."""
    transcript: Transcript
    samples: tuple[Sample, ...]
    steps: int


class Observations(Struct, frozen=True):
    """Everything that was observed."""

    runs: tuple[Run, ...]
    schemas: Mapping[str, Json]
    """Tool → the JSON Schema of its arguments, of all tools that were offered anywhere."""
    alike: Mapping[str, frozenset[str]] = {}
    """`TOOL#FIELD` → the other fields of the tool that held one of the same strings: who pays and who is paid are both accounts."""

    @property
    def samples(self) -> Iterator[Sample]:
        """All calls, in order."""
        return (sample for run in self.runs for sample in run.samples)

    def without(self, held_out: Iterable[int]) -> Observations:
        """The same without some of the runs."""
        gone = frozenset(held_out)
        kept = tuple(run for number, run in enumerate(self.runs) if number not in gone)
        return Observations(kept, self.schemas, _alike(kept))


_EVERYTHING = Policy(name="everything", default=Effect.ALLOW)


def observe(transcripts: Iterable[Transcript]) -> Observations:
    """Looks at every call that was executed."""
    policy = prepare(_EVERYTHING)
    runs: list[Run] = []
    schemas: dict[str, Json] = {}
    for transcript in transcripts:
        runs.append(_run(transcript, len(runs), Session(policy)))
        for definition in transcript.started.tools or ():
            function = definition.get("function") or {}
            if isinstance(function.get("name"), str):
                schemas.setdefault(function["name"], function.get("parameters") or {})
    return Observations(tuple(runs), dict(sorted(schemas.items())), _alike(runs))


def _alike(runs: Iterable[Run]) -> dict[str, frozenset[str]]:
    """Fields of one tool that held the same strings, and fields of the same name of tools that look at the same kind of thing."""
    found: dict[str, set[str]] = {}
    kinds: dict[frozenset[str], set[str]] = {}
    for run in runs:
        proposed = (item.call for item in run.transcript.items if isinstance(item, Proposed))
        tools = {call.id: call.name for call in proposed if isinstance(call.id, str)}
        for item in run.transcript.items:
            if isinstance(item, ToolReturned) and isinstance(item.call_id, str) and item.call_id in tools:
                fields = named_values(item.content)
                if is_reading(tools[item.call_id]):
                    kinds.setdefault(_kind(item.content), set()).add(tools[item.call_id])
                named = {
                    f"{tools[item.call_id]}#{field}": {value for value in values if isinstance(value, str) and not value.isdecimal()}
                    for field, values in fields.items()
                }
                for field, values in named.items():
                    found.setdefault(field, set()).update(other for other, held in named.items() if other != field and held & values)
    for names, same in kinds.items():
        for tool in same:
            for field in names:
                found.setdefault(f"{tool}#{field}", set()).update(f"{other}#{field}" for other in same - {tool})
    return {field: frozenset(others) for field, others in sorted(found.items())}


def _kind(result: str) -> frozenset[str]:
    """What the thing that a result is, or the first of those that it lists, has fields for; nothing for what is no such thing."""
    value = structure(result)
    first = next(iter(value), None) if isinstance(value, list) else value
    return frozenset(first) if isinstance(first, Mapping) and len(first) > 1 else frozenset()


def _run(transcript: Transcript, number: int, session: Session) -> Run:
    returns = (item for item in transcript.items if isinstance(item, ToolReturned))
    executed = {item.call_id for item in returns if item.executed and isinstance(item.call_id, str)}
    samples: list[Sample] = []
    returned: dict[str, None] = {}
    tools: dict[str, str] = {}
    for item in transcript.items:
        if isinstance(item, Unanswered):
            continue
        if not isinstance(item, Proposed):
            if isinstance(item, ToolReturned) and isinstance(item.call_id, str) and item.call_id in tools:
                returned[tools[item.call_id]] = None
            # The tools are left out: a call that fails its schema today was executed all the same, and is looked at here.
            session.record(_open(item) if isinstance(item, RunStarted) else item)
            continue
        call = item.call
        state = session.state
        session.propose(call, at=item.at)
        if isinstance(call.id, str) and isinstance(call.name, str) and call.id in executed:
            tools[call.id] = call.name
            sample = _sample(transcript, number, item, state, tuple(returned))
            if sample is not None:
                samples.append(sample)
    return Run(number, transcript, tuple(samples), session.state.steps)


def _open(started: RunStarted) -> RunStarted:
    return replace(started, tools=None, tool_choice="auto", max_steps=None)


def _sample(transcript: Transcript, run: int, item: Proposed, state: State, before: tuple[str, ...]) -> Sample | None:
    try:
        arguments = parse_arguments(item.call.arguments)
    except InvalidJson:
        return None
    leaves = tuple(_leaf(name, value, state) for name, value in _leaves(arguments))
    return Sample(run, transcript.id, item.index, item.call.name, arguments, leaves, before)


def _leaves(arguments: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    """The values that a condition can name; objects within lists cannot be named."""
    count = 0
    for key, value in arguments.items():
        name = f"{prefix}{key}"
        if "." in key or key == "*":
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        elif isinstance(value, list):
            yield from ((name, item) for item in value if not isinstance(item, Mapping | list))
        else:
            yield name, value
        count += 1
        if count >= MOST_LEAVES:
            return


def _leaf(argument: str, value: Json, state: State) -> Leaf:
    if _is_short_key(argument, value):
        return Leaf(argument, value, _fields(value, state))
    if isinstance(value, str):
        found = tuple(_sources(link, state) for link in links(value))
        if _SHORTEST <= len(value) <= MAX_LENGTH and value == value.strip():
            return Leaf(argument, value, _sources(value, state), found)
        return Leaf(argument, value, frozenset(), found)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _SMALLEST:
        return Leaf(argument, value, _sources(value, state))
    return Leaf(argument, value, frozenset())


def _sources(value: Json, state: State) -> frozenset[str]:
    """Every source in which the value occurs, fields included."""
    found = {source for source in (PROMPT, *state.results) if occurs(value, sources_of((source,)), state)}
    return frozenset(found) | _fields(value, state)


def _fields(value: Json, state: State) -> frozenset[str]:
    """Every field in which the value stands."""
    results = ((tool, result) for tool, returned in state.results.items() for result in returned)
    return frozenset(f"{tool}#{field}" for tool, result in results for field in fields_of(result, value))


def _is_short_key(argument: str, value: Json) -> bool:
    """Whether a value is a number that stands for something and is so small that it occurs everywhere, but not under every name."""
    if not is_key(argument):
        return False
    if isinstance(value, str):
        return value.isdecimal() and len(value) < _SHORTEST
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _SMALLEST


def is_key(argument: str) -> bool:
    """Whether an argument is named as one that stands for something: an id or a number of it."""
    return argument.rpartition(".")[2].lower().endswith(("id", "ids", "number", "no"))
