"""One process that makes all others, for each worker of the test runner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.processes import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts commands quickly."""
    made = Nursery()
    yield made
    made.close()
