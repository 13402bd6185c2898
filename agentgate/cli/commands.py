"""Commands that start at once: typer reads every value through pydantic, whose import takes longer than most commands run."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


class Group(TyperGroup):
    """Commands under one name; see `Command`."""

    def get_params(self, ctx: Any) -> Any:
        """The parameters, which leave pydantic alone as long as they can."""
        return _light(super().get_params(ctx))


class Command(TyperCommand):
    """A command that imports no pydantic until a value is given that is more than text, and whose help is broken where the line ends."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """See `TyperCommand`."""
        super().__init__(*arguments, **options)
        self.help = "\n\n".join(paragraph.replace("\n", " ") for paragraph in cleandoc(self.help or "").split("\n\n"))

    def get_params(self, ctx: Any) -> Any:
        """The parameters, which leave pydantic alone as long as they can."""
        return _light(super().get_params(ctx))


def _light(params: Iterable[Any]) -> list[Any]:
    made = list(params)
    for param in made:
        if isinstance(param, TyperOption | TyperArgument) and param._runtime_param is None:  # noqa: SLF001
            param._runtime_param = _Coercion(param.type_descriptor)  # type: ignore[assignment]  # noqa: SLF001
    return made


class _Coercion:
    """Makes of a text what a parameter wants. Texts, defaults and what was not given stay what they are; the rest is left to typer."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor
        self._typers: Any = None

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value for the command.

        Raises:
            BadParameter: it is none.
        """
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if value is param.default or self._is_text(value):
            return list(value) if type(value) is tuple else value
        if self._typers is None:
            from typer._coercion import build_runtime_param

            self._typers = build_runtime_param(self._descriptor)
        return self._typers.coerce(value, param, ctx)

    def _is_text(self, value: Any) -> bool:
        """Whether text is wanted, and is what there is."""
        wanted = self._descriptor.annotation
        if self._descriptor.parameter_info.parser is not None:
            return False
        if wanted is str:
            return type(value) is str
        return bool(wanted == list[str]) and isinstance(value, list | tuple) and all(type(item) is str for item in value)
