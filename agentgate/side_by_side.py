"""Several policies on the same recorded traffic, each with a session of its own: what each decides, and where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from agentgate.core.events import Effect, Json
from agentgate.core.policy import Policy
from agentgate.files.transcript import Transcript
from agentgate.replay import Judged, Replay
from agentgate.spread import Calls

MOST_GROUPS = 1_000
"""More different ways to differ are counted as one."""


class Difference(Struct):
    """Calls of one tool that the policies decide in the same different ways."""

    example: Judged
    effects: tuple[Effect, ...]
    """By policy."""
    rules: tuple[str, ...]
    """By policy: the rule, or the code where none decided."""
    alike: Calls


class SideBySide:
    """Judges transcripts by each policy, and counts. Grows with the policies and the ways to differ, not with the calls."""

    def __init__(
        self,
        policies: Sequence[Policy],
        *,
        role: str | None = None,
        resolve: Callable[[str], str] | None = None,
        workdir: str = "/",
    ) -> None:
        """Prepares the policies; the arguments are those of `Replay`."""
        self.policies = tuple(policies)
        self._replays = [Replay(policy, role=role, resolve=resolve, workdir=workdir) for policy in policies]
        self.transcripts = 0
        self.calls = 0
        self.effects = [Counter[Effect]() for _ in policies]
        """By policy: effect → calls."""
        self.differences: dict[tuple[Json, ...], Difference] = {}
        self.differing = 0
        """Calls that not all policies decide with the same effect."""

    def judge(self, transcript: Transcript) -> None:
        """Judges one transcript by all of them."""
        self.transcripts += 1
        for judged in zip(*(replay.judge(transcript) for replay in self._replays), strict=True):
            self.calls += 1
            effects = tuple(call.effect for call in judged)
            for counter, effect in zip(self.effects, effects, strict=True):
                counter[effect] += 1
            if len(set(effects)) > 1:
                self.differing += 1
                self._differ(judged, effects)

    def _differ(self, judged: tuple[Judged, ...], effects: tuple[Effect, ...]) -> None:
        rules = tuple(call.rule or call.code for call in judged)
        key: tuple[Json, ...] = (str(judged[0].tool), effects, rules)
        if key not in self.differences and len(self.differences) >= MOST_GROUPS:
            key = (effects,)
        difference = self.differences.get(key)
        if difference is None:
            difference = self.differences[key] = Difference(judged[0], effects, rules, Calls())
        difference.alike.add(judged[0].arguments)

    def as_object(self) -> dict[str, Json]:
        """All of it for programs."""
        return {
            "transcripts": self.transcripts,
            "calls": self.calls,
            "policies": [
                {"name": policy.name, "sha256": policy.sha256, "effects": {effect.value: counter[effect] for effect in Effect}}
                for policy, counter in zip(self.policies, self.effects, strict=True)
            ],
            "differing": self.differing,
            "differences": [
                {
                    "tool": difference.example.tool,
                    "calls": difference.alike.count,
                    "decisions": [
                        {"effect": effect, "rule": rule} for effect, rule in zip(difference.effects, difference.rules, strict=True)
                    ],
                    "example": {
                        "transcript": difference.example.transcript,
                        "index": difference.example.index,
                        "arguments": difference.example.arguments,
                    },
                }
                for difference in sorted(self.differences.values(), key=lambda difference: -difference.alike.count)
            ],
        }
