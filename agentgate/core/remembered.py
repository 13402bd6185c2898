"""Judgements that depend on nothing but tool, arguments, role and tools offered, kept for the next call that is the same.

`Recent` is for everybody: a decision that it gives has arguments of its own. `Remembered` is only for those who judge without executing:
the parsed arguments in its decisions are shared by all calls that are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec.structs import replace

from agentgate.core.arguments import is_plain
from agentgate.core.events import NO_FACTS, Decision, Json, ToolCall
from agentgate.core.schemas import ToolSet

_MOST = 8_192
"""Judgements, whatever the tools. A record can hold any number of different calls; what is remembered is bounded."""
_LONGEST = 1_024
"""Characters of arguments: longer ones hardly come twice."""
_MOST_TOOL_SETS = 16

Judgements: TypeAlias = dict[tuple[Json, Json, str | None], Decision]
"""Tool, raw arguments and role → what was decided."""


_MOST_RECENT = 1_024
_LONGEST_RECENT = 512
"""Characters. A policy lives as long as its process, so what it keeps stays below about a megabyte."""
_WORTH_LOOKING = 64
"""Of so many different calls at least as many must have come again; else to look for them takes longer than it saves."""
_REST = 8 * _MOST_RECENT
"""For so many calls nobody looks then."""


class Recent:
    """What one policy made of the latest calls. When it is full, it begins anew. Threads may share it: each step is one of a dictionary."""

    __slots__ = ("_again", "_known", "resting")

    def __init__(self) -> None:
        self._again = 0
        """How often a call was the same as an earlier one since it began anew."""
        self.resting = 0
        """For how many more calls nobody need ask it."""
        self._known: dict[tuple[Json, Json, str | None], tuple[ToolSet | None, Decision] | None] = {}
        """Tool, raw arguments and role → for which tools, and what was decided; None the first time, as most calls never come again."""

    def recall(self, call: ToolCall, role: str | None, tools: ToolSet | None) -> Decision | None:
        """What was decided about the same call where these very tools were offered; None where nobody knows."""
        if type(call.arguments) is not str or type(call.name) is not str:
            return None
        found = self._known.get((call.name, call.arguments, role))
        if found is None or found[0] is not tools:
            return None
        self._again += 1
        known = found[1]
        if known.arguments is None:
            return known
        # Nobody but the caller may change what is executed, so it is copied; of plain arguments that is all there is to copy.
        arguments = dict(known.arguments)
        said, hint = known.reason, known.hint
        return Decision(known.effect, known.code, known.rule, said, hint, arguments, NO_FACTS, known.trials, known.args_hash)

    def keep(self, call: ToolCall, role: str | None, tools: ToolSet | None, decision: Decision) -> None:
        """Keeps a judgement once the same call has come a second time, without the arguments that its caller has."""
        if type(call.arguments) is not str or len(call.arguments) > _LONGEST_RECENT:
            return
        known, key = self._known, (call.name, call.arguments, role)
        if key not in known:
            if len(known) >= _MOST_RECENT:
                self._begin_anew()
            known[key] = None
            return
        self._again += 1
        if decision.arguments is None or is_plain(decision.arguments):
            arguments = None if decision.arguments is None else dict(decision.arguments)
            # Its world may go on to collect facts for others.
            self._known[key] = (tools, replace(decision, arguments=arguments, facts=NO_FACTS))

    def _begin_anew(self) -> None:
        self._known.clear()
        if self._again < _WORTH_LOOKING:
            self.resting = _REST
        self._again = 0


class Remembered:
    """What one policy made of calls. When it is full, it begins anew."""

    __slots__ = ("_by_tools", "_kept", "_latest", "_tools", "resting")

    def __init__(self) -> None:
        self.resting = 0
        self._by_tools: dict[int, tuple[ToolSet | None, Judgements]] = {}
        self._tools: ToolSet | None = None
        self._latest: Judgements = {}
        self._kept = 0
        self._by_tools[id(None)] = (None, self._latest)

    def recall(self, call: ToolCall, role: str | None, tools: ToolSet | None) -> Decision | None:
        """What was decided about the same call where these very tools were offered; None where nobody knows."""
        if type(call.arguments) is not str or type(call.name) is not str:
            return None
        return self.judgements(tools).get((call.name, call.arguments, role))

    def judgements(self, tools: ToolSet | None) -> Mapping[tuple[Json, Json, str | None], Decision]:
        """All that is remembered where these very tools were offered. What is kept from now on appears in it."""
        if tools is not self._tools:
            self._turn_to(tools)
        return self._latest

    def keep(self, call: ToolCall, role: str | None, tools: ToolSet | None, decision: Decision) -> None:
        """Keeps one more judgement."""
        if tools is not self._tools:
            self._turn_to(tools)
        if type(call.arguments) is not str or len(call.arguments) > _LONGEST:
            return
        if self._kept >= _MOST:
            for _, judgements in self._by_tools.values():
                judgements.clear()
            self._latest.clear()
            self._kept = 0
        self._kept += 1
        self._latest[call.name, call.arguments, role] = decision

    def _turn_to(self, tools: ToolSet | None) -> None:
        found = self._by_tools.get(id(tools))
        if found is None:
            if len(self._by_tools) >= _MOST_TOOL_SETS:
                self._by_tools.clear()
            found = self._by_tools[id(tools)] = (tools, {})  # which keeps the tools, so that nothing else gets their id
        self._tools, self._latest = found
