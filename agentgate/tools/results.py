"""What a tool returned, as JSON for the model.

A result is at most 1 MiB of JSON (less a little for what stands around it) and 63 levels deep, so that the text given to the model is
itself one strict JSON text. A longer string is cut, and said to be; a larger structure is refused, because half a structure means
something else. Dataclasses, pydantic models, enums, dates, times, decimals, UUIDs and paths become what pydantic makes of them; sets, bytes
and everything else that JSON has no word for are refused, and so are NaN, lone surrogates and keys that are not strings.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from uuid import UUID

from agentgate.core.arguments import MAX_BYTES, MAX_DEPTH
from agentgate.core.events import Json

MAX_RESULT_BYTES = MAX_BYTES - 1024
MAX_RESULT_DEPTH = MAX_DEPTH - 1
MAX_INTEGER_BITS = 1023
"""Beyond that, no double holds it, and strict readers refuse it."""
MAX_ERROR = 2000
"""Characters of an exception's text that are kept."""

_BY_PYDANTIC = (date, time, timedelta, Decimal, UUID)


class Unusable(ValueError):
    """What a tool returned cannot be given to a model. The message completes `tool 'x' failed: …`."""


def to_json(value: object) -> tuple[str, bool]:
    """The result as JSON text, and whether it was cut.

    Raises:
        Unusable: it cannot be said in JSON, or is too large.
    """
    if isinstance(value, str) and not isinstance(value, Enum):
        return _text(str.__str__(value))
    walk = _Walk()
    text = _dumps(walk.plain(value, frozenset()))
    if len(text.encode()) > MAX_RESULT_BYTES:
        raise _too_large()
    return text, False


def error_text(error: BaseException) -> str:
    """An exception as the last line of its traceback would show it: at most 2,000 characters, whatever its `__str__` does."""
    try:
        said = str(error)[:MAX_ERROR]
    except BaseException:
        said = ""
    name = type(error).__name__
    return sound(f"{name}: {said}" if said else name)


def sound(text: str, limit: int = MAX_ERROR) -> str:
    """A text that can be written as UTF-8, of a bounded length."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.encode("utf-8", "replace").decode()


def success_content(tool: str, result: Json, *, truncated: bool) -> str:
    """The text that the model gets for a call that was executed."""
    content = {"ok": True, "tool": tool, "result": result}
    if truncated:
        content["truncated"] = True
    return _dumps(content)


def failure_content(tool: str, why: str) -> str:
    """The text that the model gets where a tool failed."""
    return _dumps({"ok": False, "error": f"tool '{tool}' failed: {why}", "code": "tool_error"})


def fitted(result: dict[str, Json], names: Sequence[str], limit: int = MAX_RESULT_BYTES) -> bool:
    """Cuts texts in a result, the longest first, until its JSON is no larger than `limit` bytes. Whether it had to.

    Args:
        result: in plain types; everything but the texts to be cut is small.
        names: of the texts.
        limit: bytes.
    """
    cut = False
    while (size := len(_dumps(result).encode())) > limit:
        longest = max(names, key=lambda name: len(result[name]))
        text: str = result[longest]
        result[longest] = text[: min(len(text) - 1, len(text) * limit // size)]
        cut = True
    return cut


def _dumps(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _too_large() -> Unusable:
    return Unusable(f"its result is larger than {MAX_RESULT_BYTES} bytes")


def _text(whole: str) -> tuple[str, bool]:
    """A string as JSON, cut to size without ever copying all of a huge one."""
    kept = whole[:MAX_RESULT_BYTES]
    while True:
        text = _dumps(_encodable(kept))
        size = len(text.encode())
        if size <= MAX_RESULT_BYTES:
            return text, len(kept) < len(whole)
        kept = kept[: len(kept) * MAX_RESULT_BYTES // size]


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unusable("its result contains a lone surrogate, which is not text") from None
    return text


class _Walk:
    """Turns one value into plain JSON, counting as it goes, so that it stops before a huge or endless value fills the memory."""

    def __init__(self) -> None:
        self._left = MAX_RESULT_BYTES

    def plain(self, value: object, above: frozenset[int]) -> Json:
        """The value in plain types. `above` holds the identities of the containers that it lies in.

        Raises:
            Unusable: it has no such form, or is too large.
        """
        self._spend(1)
        match value:
            case None | bool():
                return value
            case Enum():
                return self.plain(value.value, above)
            case str():
                return self._string(value)
            case PurePath():
                return self._string(str(value))
            case int():
                return self._integer(value)
            case float():
                if not isfinite(value):
                    raise Unusable(f"its result contains {float(value)}, which is not JSON")
                return float.__float__(value)
            case dict():
                inside = self._enter(value, above)
                return {self._key(key): self.plain(item, inside) for key, item in value.items()}
            case list() | tuple():
                inside = self._enter(value, above)
                return [self.plain(item, inside) for item in value]
            case _:
                return self.plain(_by_pydantic(value), above)

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise _too_large()

    def _enter(self, container: object, above: frozenset[int]) -> frozenset[int]:
        if id(container) in above:
            raise Unusable("its result contains itself")
        if len(above) >= MAX_RESULT_DEPTH:
            raise Unusable(f"its result is nested deeper than {MAX_RESULT_DEPTH} levels")
        return above | {id(container)}

    def _string(self, value: str) -> str:
        self._spend(len(value))
        return _encodable(str.__str__(value))

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise Unusable(f"its result has a key of type {_type_name(key)}, and keys are strings in JSON")
        return self._string(key)

    def _integer(self, value: int) -> int:
        if value.bit_length() > MAX_INTEGER_BITS:
            raise Unusable("its result contains an integer that is too large")
        return int.__int__(value)


def _by_pydantic(value: object) -> Json:
    if not (isinstance(value, _BY_PYDANTIC) or (is_dataclass(value) and not isinstance(value, type)) or _is_model(value)):
        raise Unusable(f"it returned a value of type {_type_name(value)}, which JSON has no word for")
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError) as error:
        raise Unusable(f"its result has no JSON form: {error_text(error)}") from None


def _is_model(value: object) -> bool:
    """Whether it is a pydantic model. Where nobody imported pydantic, nothing is."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _type_name(value: object) -> str:
    return sound(f"`{type(value).__name__}`", 100)
