"""What has been exercised of a policy: which rules matched and did not, which conditions held and did not, which limits were reached.

An outcome that cannot be (a rule without conditions, for everybody, always matches) is not expected. A condition counts where it matters:
those under `unless` only in calls for which `when` does not fail already, and all of them only while `after` and `before` hold. One that
cannot be judged neither holds nor does not: that is a matter of its operator, and is tested there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgate.core.conditions import World
from agentgate.core.events import Code, Decision, Json, ToolCall
from agentgate.core.findings import Place
from agentgate.core.results import CompiledResultRule, what_was_said, whole_text
from agentgate.core.rules import CompiledCondition, CompiledRule
from agentgate.core.state import State

if TYPE_CHECKING:
    from agentgate.core.compiled import CompiledPolicy

MATCHED, NOT_MATCHED = "matched", "not matched"
HELD, NOT_HELD = "held", "did not hold"
REACHED = "reached"


class Outcome(Struct, frozen=True):
    """Something that can come of a rule or limit."""

    rule: str
    """Its id."""
    part: str
    """Empty for the rule or limit itself; else `when.action`, `unless.to`, `after`, `before`."""
    what: str
    """`matched`, `not matched`; `held`, `did not hold`; `reached`."""

    def __str__(self) -> str:
        return f"{self.part} {self.what}".strip()


class Coverage:
    """Grows with every call that is noted."""

    def __init__(self, policy: CompiledPolicy) -> None:
        """Finds out what could come of each rule and limit."""
        self._rules = policy.rules
        in_file = {rule.rule.id: index for index, rule in enumerate(policy.policy.results)}
        self._results = sorted(policy.results.rules, key=lambda rule: in_file[rule.id])
        self.places: dict[str, Place | None] = {rule.rule.id: rule.rule.place for rule in policy.rules}
        self.places.update((rule.id, rule.rule.rule.place) for rule in self._results)
        self.places.update((limit.id, limit.place) for limit in policy.policy.limits)
        self._seen: dict[Outcome, bool] = {}
        in_order = {rule.id: index for index, rule in enumerate(policy.policy.rules)}
        for rule in sorted(policy.rules, key=lambda rule: in_order[rule.rule.id]):
            self._seen.update((outcome, False) for outcome in _possible(rule))
        for result_rule in self._results:
            self._seen.update((outcome, False) for outcome in _possible(result_rule.compiled, sized=result_rule.max_bytes is not None))
        self._seen.update((Outcome(limit.id, "", REACHED), False) for limit in policy.policy.limits)

    @property
    def outcomes(self) -> int:
        """How many outcomes there could be."""
        return len(self._seen)

    @property
    def rules(self) -> int:
        """How many rules there are, those about results among them."""
        return len(self._rules) + len(self._results)

    def missing(self) -> list[Outcome]:
        """The outcomes that nothing showed: of rules in the order of the file, of rules about results, of limits."""
        return [outcome for outcome, seen in self._seen.items() if not seen]

    def idle(self) -> list[str]:
        """The rules that never matched."""
        return [outcome.rule for outcome in self.missing() if outcome.what == MATCHED]

    def percent(self) -> float:
        """How much is covered, from 0 to 100: of rules or of outcomes, whichever is less. Of nothing, all is covered."""
        shares = [
            (count - missing) / count for count, missing in ((self.rules, len(self.idle())), (self.outcomes, len(self.missing()))) if count
        ]
        return 100 * min(shares, default=1.0)

    def note(self, state: State, call: ToolCall, world: World, decision: Decision) -> None:
        """Notes a call that was judged.

        Args:
            state: what the run had come to before it.
            call: as it was proposed.
            world: as it was judged with.
            decision: what was decided.
        """
        if decision.code is Code.LIMIT:
            self.note_limit(decision)
            return
        if decision.code not in (Code.RULE, Code.DEFAULT):
            return  # it was refused before any rule was looked at
        for rule in self._rules:
            if call.name not in rule.selector:
                continue
            if decision.arguments is not None:
                self.note_rule(rule, state, call.name, decision.arguments, world)
            elif rule.rule.id == decision.rule:
                self._note(Outcome(rule.rule.id, "", MATCHED))
            elif not (rule.covers(call.name) and rule.binds(state.role)):
                self._note(Outcome(rule.rule.id, "", NOT_MATCHED))

    def note_result(self, state: State, tool: str, content: str, world: World) -> None:
        """Notes a result that was judged.

        Args:
            state: what the run had come to before it.
            tool: who returned it.
            content: the text for the model, as it was judged.
            world: as it was judged with.
        """
        said = what_was_said(content)
        for rule in self._results:
            if tool in rule.compiled.selector:
                self.note_result_rule(rule, state, tool, said, world)

    def note_result_rule(self, rule: CompiledResultRule, state: State, tool: str, said: Mapping[str, Json], world: World) -> None:
        """Notes what one rule, of those that name the tool, makes of a result."""
        size = len(whole_text(said).encode("utf-8", "surrogatepass"))
        if rule.max_bytes is not None and size <= rule.max_bytes:
            self._note(Outcome(rule.id, "", NOT_MATCHED))
        else:
            self.note_rule(rule.compiled, state, tool, said, world)

    def note_limit(self, decision: Decision) -> None:
        """Notes the decision on a call or a model request that may have been stopped by a limit."""
        if decision.code is Code.LIMIT and decision.rule is not None:
            self._note(Outcome(decision.rule, "", REACHED))

    def note_rule(self, rule: CompiledRule, state: State, tool: str, arguments: Mapping[str, Json], world: World) -> None:
        """Notes what one rule, of those that name the tool, makes of a call."""
        id = rule.rule.id
        if not (rule.covers(tool) and rule.binds(state.role)):
            self._note(Outcome(id, "", NOT_MATCHED))
            return
        for part, selector in (("after", rule.after), ("before", rule.before)):
            if selector is not None:
                been = any(name in selector for name in state.returned)
                self._note(Outcome(id, part, HELD if been == (part == "after") else NOT_HELD))
        if rule.in_time(state) and self._note_group(rule, "when", rule.when, arguments, world, state):
            self._note_group(rule, "unless", rule.unless, arguments, world, state)
        self._note(Outcome(id, "", MATCHED if rule.matches(arguments, world, state) else NOT_MATCHED))

    def _note_group(
        self,
        rule: CompiledRule,
        key: str,
        conditions: tuple[CompiledCondition, ...],
        arguments: Mapping[str, Json],
        world: World,
        state: State,
    ) -> bool:
        """Notes conditions of which all must hold; whether none of them fails, so that it matters what comes after them."""
        passed = True
        for condition in conditions:
            outcome = condition.outcome(arguments, world, state)
            passed = passed and outcome is not False
            if outcome is not None:
                self._note(Outcome(rule.rule.id, f"{key}.{condition.condition.argument}", HELD if outcome else NOT_HELD))
        return passed

    def _note(self, outcome: Outcome) -> None:
        if outcome in self._seen:
            self._seen[outcome] = True


def _possible(rule: CompiledRule, *, sized: bool = False) -> Iterator[Outcome]:
    """What can come of a rule; `sized` where it is only for results above a size."""
    id = rule.rule.id
    yield Outcome(id, "", MATCHED)
    always = not sized and rule.rule.unconditional and rule.roles is None and not rule.without_roles and not rule.rule.except_tools
    if not always:
        yield Outcome(id, "", NOT_MATCHED)
    parts = [part for part, selector in (("after", rule.after), ("before", rule.before)) if selector is not None]
    parts += [f"{key}.{one.condition.argument}" for key, group in (("when", rule.when), ("unless", rule.unless)) for one in group]
    for part in parts:
        yield Outcome(id, part, HELD)
        yield Outcome(id, part, NOT_HELD)
