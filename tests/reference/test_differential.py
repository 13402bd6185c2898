"""Session and reference agree on every call: the code against the contract."""

from __future__ import annotations

import os
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .cases import play, random_case
from .compare import main

EXAMPLES = int(os.environ.get("AGENTGATE_EXAMPLES", "2000"))
"""How many random runs Hypothesis plays; about five calls each."""
SEEDED = int(os.environ.get("AGENTGATE_PAIRS", "20000"))
"""How many pairs of policy and call are compared from fixed seeds. A million: `python -m tests.reference.compare 1000000`."""


@settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
@example(Random(0))
@example(Random(4236))  # an id that was used again while its question was open
def test_session_and_reference_agree(random: Random) -> None:
    """Effect, code and rule are the same for every call of a random run; a failing run is shrunk to a small one."""
    for outcome in play(random_case(random)):
        assert outcome.said == outcome.expected, outcome.call


def test_session_and_reference_agree_from_fixed_seeds() -> None:
    """The same over many more runs, the same ones everywhere."""
    assert main(SEEDED) == 0
