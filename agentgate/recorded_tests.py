"""Makes policy tests out of recorded calls: of those whose decision flipped, or of every distinct one where none did.

A call becomes a case with as little of what went before as leads to the same decision: that is found by judging it, and a call that no
case can tell of (because links, tools or damaged answers decided) is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from agentgate.cases import Trying
from agentgate.core.arguments import InvalidJson, parse_arguments, parse_json
from agentgate.core.events import Code, Effect, Json, ModelReplied, ToolReturned
from agentgate.core.policy import Policy
from agentgate.core.state import user_texts
from agentgate.core.windows import parse_used
from agentgate.files.test_writer import Table, row_text
from agentgate.files.transcript import Proposed, Transcript
from agentgate.policy_tests import WORKDIR, Case, Expected, Given, Setting, Used
from agentgate.replay import Judged

MOST_CASES = 300
MOST_ALIKE = 12
"""Cases that differ in nothing but their arguments; more of them show nothing new."""
_MOST_BYTES = 900_000
_LONGEST_NAME = 60
"""Characters of a tool, a rule or a role in the name of a test, which may have 200."""
_MOST_SINGLE = 10
"""How many earlier results are tried one by one, the latest ones."""


class _Alike(Struct, frozen=True):
    """What the cases of one test share."""

    tool: str
    effect: Effect
    rule: str | None
    code: str
    role: str | None


class _Before(Struct):
    """What went before a call, as far as a case can tell of it."""

    prompts: list[str]
    given: dict[str, Given]
    """Tool, arguments and result, written out → the call; the same one is counted."""
    steps: int = 0
    tokens: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0
    windows: Mapping[str, float] = {}
    """Id of a limit per hour or per day → what was used of it."""


class Collector:
    """Takes judged calls, and keeps those that are worth a test."""

    def __init__(self, policy: Policy, *, role: str | None = None) -> None:
        """Starts empty.

        Args:
            policy: what the calls are judged by.
            role: what everything is judged in, rather than in the recorded role.
        """
        self._trying = Trying(policy)
        self._windows = {limit.id for limit in policy.limits if limit.window is not None}
        self._role = role
        self._seen: set[tuple[Json, ...]] = set()
        self._kept: dict[bool, dict[_Alike, list[str]]] = {True: {}, False: {}}
        self._bytes: Counter[bool] = Counter()
        self._left_out: Counter[bool] = Counter()
        self.workdir: str | None = None
        """Where relative paths start in the first run that says so; all cases are tried there."""

    @property
    def flips(self) -> bool:
        """Whether the tests are about calls that flipped."""
        return bool(self._kept[True] or self._left_out[True])

    @property
    def left_out(self) -> int:
        """How many distinct calls are in no test: there are enough like them, or no case can tell of them."""
        return self._left_out[self.flips]

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return sum(map(len, self._kept[self.flips].values()))

    def note(self, transcript: Transcript, judged: Judged) -> None:
        """Takes one call; one that was there already changes nothing."""
        if self.workdir is None:
            self.workdir = transcript.started.workdir
        role = transcript.started.role if self._role is None else self._role
        key = (judged.flipped, repr(judged.tool), repr(judged.arguments), judged.effect, judged.rule, judged.code, role)
        if key in self._seen:
            return
        self._seen.add(key)
        for flips in (False, True) if judged.flipped else (False,):
            if not self._keep(flips, transcript, judged, role):
                self._left_out[flips] += 1

    def _keep(self, flips: bool, transcript: Transcript, judged: Judged, role: str | None) -> bool:
        if not isinstance(judged.tool, str) or not isinstance(judged.arguments, str):
            return False
        kept = self._kept[flips]
        alike = _Alike(judged.tool, judged.effect, judged.rule, judged.code, role)
        full = len(kept.get(alike, ())) >= MOST_ALIKE or sum(map(len, kept.values())) >= MOST_CASES
        if full or self._bytes[flips] > _MOST_BYTES:
            return False
        case = self._case(transcript, judged, alike)
        text = None if case is None else row_text(case)
        if text is None or text in kept.get(alike, ()):
            return False
        kept.setdefault(alike, []).append(text)
        self._bytes[flips] += len(text)
        return True

    def _case(self, transcript: Transcript, judged: Judged, alike: _Alike) -> Case | None:
        """The shortest story that ends in the same decision; None where there is none."""
        expected = Expected(judged.effect, judged.rule, Code(judged.code))
        bare = Case(expected=expected, tool=alike.tool, arguments=judged.arguments, role=alike.role)
        setting = Setting(workdir=self.workdir or WORKDIR)
        for case in _stories(bare, _before(transcript, judged.index, self._windows)):
            if not self._trying.case(case, setting).differences:
                return case
        return None

    def tables(self) -> list[Table]:
        """The tests, each with a name that says what is decided."""
        names: Counter[str] = Counter()
        made = []
        for alike, rows in self._kept[self.flips].items():
            done = {Effect.ALLOW: "is allowed", Effect.ASK: "is asked about", Effect.BLOCK: "is blocked"}[alike.effect]
            by = alike.rule or alike.code
            name = f"{_short(alike.tool)} {done} by {_short(by)}" + (f" for {_short(alike.role)}" if alike.role is not None else "")
            names[name] += 1
            numbered = f"{name} ({names[name]})" if names[name] > 1 else name
            expected = Expected(alike.effect, alike.rule, None if alike.rule is not None else Code(alike.code))
            made.append(Table(numbered, alike.tool, alike.role, expected, tuple(rows)))
        return made


def _short(name: str) -> str:
    """A name for a test's name, which is short; models name tools at any length, and so may policies rules and roles."""
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"


def _before(transcript: Transcript, index: int, windows: Collection[str]) -> _Before:
    """What a transcript says happened before one of its calls, and what was used of these limits per hour and per day."""
    started = transcript.started
    before = _Before(prompts=list(user_texts(started.messages)), given={})
    calls: dict[str, tuple[str, Json]] = {}
    for item in transcript.items:
        match item:
            case Proposed():
                before.seconds = max(0.0, (item.at - started.at).total_seconds())
                if item.index == index:
                    before.windows = {} if item.recorded is None else dict(_used_of(windows, item.recorded.facts))
                    break
                if isinstance(item.call.id, str) and isinstance(item.call.name, str):
                    calls[item.call.id] = (item.call.name, item.call.arguments)
            case ModelReplied():
                before.prompts += user_texts(item.messages)
                before.steps += 1
                before.tokens += item.usage.input_tokens + item.usage.output_tokens if item.usage is not None else 0
                before.cost_usd = before.cost_usd if item.cost_usd is None else (before.cost_usd or 0.0) + item.cost_usd
            case ToolReturned() if (item.executed or item.ok) and item.call_id in calls:
                _add(before.given, *calls[item.call_id], item.content)
            case _:
                pass
    return before


def _used_of(windows: Collection[str], facts: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    """What was recorded of limits per hour and per day."""
    for id, fact in facts.items():
        used = parse_used(fact) if id in windows else None
        if used is not None and used.amount:
            yield id, used.amount


def _add(given: dict[str, Given], tool: str, raw: Json, content: str) -> None:
    try:
        arguments = parse_arguments(raw)
    except InvalidJson:
        arguments = {}
    key = repr((tool, arguments, content))
    known = given.get(key)
    given[key] = Given(tool, arguments, _result(content)) if known is None else replace(known, times=known.times + 1)


def _result(content: str) -> Json:
    """What a tool returned, without the envelope in which models are given it."""
    try:
        value = parse_json(content)
    except InvalidJson:
        return content
    return value["result"] if isinstance(value, dict) and "ok" in value and "result" in value else content


def _stories(bare: Case, before: _Before) -> Iterator[Case]:
    """The case with ever more of what went before."""
    yield bare
    prompt = "\n\n".join(before.prompts) or None
    if prompt is not None:
        yield replace(bare, prompt=prompt)
    names = tuple(Given(tool) for tool in dict.fromkeys(call.tool for call in before.given.values()))
    results = tuple(replace(call, arguments={}, times=1) for call in before.given.values())
    single = [(result,) for result in results[-_MOST_SINGLE:]]
    histories: list[tuple[Given, ...]] = [names, *single, results, tuple(before.given.values())]
    for given in histories:
        if given:
            yield replace(bare, given=given)
            yield replace(bare, given=given, prompt=prompt)
    if before.windows:
        yield replace(bare, used=Used(windows=before.windows))
    used = Used(before.steps, before.tokens, before.cost_usd, before.seconds, before.windows)
    yield replace(bare, used=used)
    yield replace(bare, used=used, given=tuple(before.given.values()), prompt=prompt)
