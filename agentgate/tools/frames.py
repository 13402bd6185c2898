"""How the two sides of the worker's pipes put their messages: 16 bytes that nobody can guess, a length, that many bytes of JSON.

The parent makes up the 16 bytes for every request, and only an answer that begins with them is one. So bytes that a tool writes to a pipe
which is not its own are noticed, and never taken for a result.
"""

from __future__ import annotations

from struct import Struct

NONCE_BYTES = 16
HEADER = Struct(f">{NONCE_BYTES}sI")


def frame(nonce: bytes, payload: bytes) -> bytes:
    """One message as it goes over a pipe."""
    return HEADER.pack(nonce, len(payload)) + payload
