"""What type hints mean for JSON: which ones take a value as it was parsed, and how all of them are said to pydantic."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from typing_extensions import TypedDict, is_typeddict

_SCALARS = (str, int, float, bool, NoneType, Any)
_LITERALS = (str, int, bool, NoneType)


def is_plain(hint: Any) -> bool:
    """Whether a JSON value that fits the schema already is what the hint asks for."""
    if hint in _SCALARS or hint in (list, dict):
        return True
    if is_typeddict(hint):
        return all(is_plain(field) for field in get_type_hints(hint, include_extras=True).values())
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return all(type(value) in _LITERALS for value in inner)
    if origin is Annotated:
        return is_plain(inner[0]) and all(isinstance(note, str) for note in hint.__metadata__)
    if origin in (Union, UnionType, list, Required, NotRequired):
        return all(is_plain(part) for part in inner)
    return origin is dict and inner[0] is str and is_plain(inner[1])


def portable(hint: Any) -> Any:
    """The hint with `typing.TypedDict` replaced by the one of typing_extensions, which pydantic needs before Python 3.12."""
    if is_typeddict(hint):
        return _portable_typed_dict(hint)
    inner = get_args(hint)
    origin = get_origin(hint)
    if not inner or origin is Literal:
        return hint
    if origin is Annotated:
        return Annotated[(portable(inner[0]), *hint.__metadata__)]
    if origin in (Union, UnionType):
        return Union[tuple(portable(part) for part in inner)]  # noqa: UP007 -- the parts are only known when this runs
    if origin in (list, dict, tuple, set, frozenset):
        return origin[tuple(portable(part) for part in inner)]
    return hint


def _portable_typed_dict(hint: Any) -> Any:
    if sys.version_info >= (3, 12) or type(hint).__module__ != "typing":
        return hint
    fields = dict(_portable_fields(hint))
    make: Any = TypedDict  # the name and the fields are only known when this runs
    made = make(hint.__name__, fields)
    made.__doc__ = hint.__doc__
    made.__module__ = hint.__module__
    return made


def _portable_fields(hint: Any) -> Iterable[tuple[str, Any]]:
    for name, field in get_type_hints(hint, include_extras=True).items():
        origin = get_origin(field)
        if origin in (Required, NotRequired):
            yield name, origin[portable(get_args(field)[0])]
        else:
            yield name, (Required if name in hint.__required_keys__ else NotRequired)[portable(field)]
