"""Ids of the gateway: later ones sort after earlier ones, and no two are the same."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise

from agentgate.core.events import EPOCH
from agentgate.files.gateway_records import Ids
from tests.core.building import START


def test_ids_sort_by_time() -> None:
    """By whole milliseconds, whatever comes after them by chance."""
    made = Ids()
    moments = [EPOCH, *(START + timedelta(milliseconds=number) for number in range(100)), START + timedelta(days=365 * 500)]
    ids = [made("evt", at) for at in moments]
    assert all(before < after for before, after in pairwise(ids))
    assert all(re.fullmatch(r"evt_[0-9a-f]{28}", id) for id in ids)
    assert ids[0].startswith("evt_000000000000")


def test_no_two_ids_are_the_same() -> None:
    """Of the same moment, and each digit by chance is given out once."""
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return b"".join((len(asked) << 32 | place).to_bytes(8, "big") for place in range(count // 8))

    made = Ids(random)
    ids = [made("run", START) for _ in range(1000)]
    assert len(set(ids)) == len(ids)
    assert sum(asked) // 8 - len(ids) < asked[0] // 8
