"""Whether any text at all satisfies patterns and lengths together: reasoning that may say "perhaps", but is never wrong when it says no."""

from __future__ import annotations

from collections.abc import Sequence as Several
from functools import lru_cache

from agentgate.core.lint.pattern_tree import Atom, Choice, Node, NotUnderstood, Repeat, Sequence, tree
from agentgate.core.patterns import InvalidPattern, compile_pattern

_MOST_STATES = 2000
_MOST_STEPS = 50_000
"""How many pairs of states are looked at before the answer is "perhaps"."""
_ANYTHING = Atom(".", "s")


class _Machine:
    """An automaton that accepts at least what a pattern matches as a whole."""

    def __init__(self, node: Node) -> None:
        self.moves: list[list[tuple[Atom, int]]] = []
        self._free: list[list[int]] = []
        start = self._state()
        self._end = self._add(node, start)
        self.starts = self._reached({start})
        self.steps = [[(atom, self._reached({target})) for atom, target in moves] for moves in self.moves]

    def accepts(self, state: int) -> bool:
        """Whether a text may end here."""
        return state == self._end

    def _state(self) -> int:
        if len(self.moves) >= _MOST_STATES:
            raise NotUnderstood
        self.moves.append([])
        self._free.append([])
        return len(self.moves) - 1

    def _add(self, node: Node, start: int) -> int:
        """Adds what a part of the pattern takes, from a state on; the state in which it ends."""
        match node:
            case Atom():
                if node.text == r"\C":
                    raise NotUnderstood
                end = self._state()
                self.moves[start].append((node, end))
                return end
            case Sequence():
                for item in node.items:
                    start = self._add(item, start)
                return start
            case Choice():
                end = self._state()
                for option in node.options:
                    self._free[self._add(option, start)].append(end)
                return end
        return self._add_repeated(node, start)

    def _add_repeated(self, node: Repeat, start: int) -> int:
        for _ in range(node.least):
            start = self._add(node.node, start)
        if node.most is None:
            again = self._state()
            self._free[start].append(again)
            self._free[self._add(node.node, again)].append(again)
            return again
        end = self._state()
        self._free[start].append(end)
        for _ in range(node.most - node.least):
            start = self._add(node.node, start)
            self._free[start].append(end)
        return end

    def _reached(self, states: set[int]) -> frozenset[int]:
        """These states, and those that are reached from them without taking a character."""
        found, pending = set(states), list(states)
        while pending:
            for other in self._free[pending.pop()]:
                if other not in found:
                    found.add(other)
                    pending.append(other)
        return frozenset(found)


@lru_cache(maxsize=256)
def _of_pattern(pattern: str) -> _Machine | None:
    try:
        return _Machine(tree(pattern))
    except (NotUnderstood, RecursionError):
        return None


@lru_cache(maxsize=256)
def _of_glob(glob: str) -> _Machine | None:
    parts = (Repeat(_ANYTHING, 0, None) if sign == "*" else Atom("\\." if sign == "." else sign) for sign in glob)
    try:
        return _Machine(Sequence(tuple(parts)))
    except NotUnderstood:
        return None


def no_text(patterns: Several[str], globs: Several[str], shortest: float = 0, longest: float | None = None) -> bool:
    """Whether certainly no text is matched as a whole by all the patterns and globs, with a length (in characters) within the bounds."""
    machines = [machine for machine in (*map(_of_pattern, patterns), *map(_of_glob, globs)) if machine is not None]
    while len(machines) < 2:
        machines.append(_everything())
    return any(
        _apart(left, right, shortest, longest) for index, left in enumerate(machines) for right in machines[index + 1 :]
    )  # fmt: skip


@lru_cache(maxsize=1)
def _everything() -> _Machine:
    return _Machine(Repeat(_ANYTHING, 0, None))


def _apart(left: _Machine, right: _Machine, shortest: float, longest: float | None) -> bool:
    """Walks through both at the same time, one character a round."""
    layer = {(one, other) for one in left.starts for other in right.starts}
    seen: set[frozenset[tuple[int, int]]] = set()
    length = steps = 0
    while layer:
        if shortest <= length and any(left.accepts(one) and right.accepts(other) for one, other in layer):
            return False
        if longest is not None and length >= longest:
            return True
        fixed = frozenset(layer)
        if length >= shortest and fixed in seen:
            # Nothing new can come of going round once more.
            return True
        if length >= shortest:
            seen.add(fixed)
        steps += len(layer)
        if steps > _MOST_STEPS:
            return False
        layer = {
            (after, others)
            for one, other in layer
            for atom, afters in left.steps[one]
            for second, others_after in right.steps[other]
            if _overlap(atom, second)
            for after in afters
            for others in others_after
        }
        length += 1
    return True


@lru_cache(maxsize=4096)
def _overlap(left: Atom, right: Atom) -> bool:
    """Whether some character may be both."""
    if left.literal is not None and right.literal is not None:
        return left.literal == right.literal
    if left.literal is not None:
        left, right = right, left
    if right.literal is None:
        return True
    try:
        compiled = compile_pattern(f"(?{left.flags}){left.text}" if left.flags else left.text)
    except InvalidPattern:
        return True
    return compiled.fullmatch(right.literal) is not None
