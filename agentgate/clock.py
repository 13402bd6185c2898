"""The time, as runs record it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


def steady_clock(since: datetime | None = None) -> Callable[[], datetime]:
    """A clock in UTC that starts right, or at `since` where that is later, and never goes back, whatever happens to the machine's own."""
    monotonic, moment = time.monotonic, datetime.fromtimestamp
    offset = max(time.time(), 0.0 if since is None else since.timestamp()) - monotonic()
    return lambda: moment(monotonic() + offset, UTC)
