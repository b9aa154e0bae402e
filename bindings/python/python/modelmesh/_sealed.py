"""Objects that hold secrets, and are not written out by accident."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import NoReturn, Self, SupportsIndex


class Sealed:
    """A dataclass whose instances do not go through :mod:`pickle` while they hold a secret.

    A pickle travels: to another process, a cache, a queue, a file. What is to go there is named by the program itself,
    field by field. The fields that may hold a secret are those that :func:`repr` leaves out.
    """

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        if self._holds_secret():
            refuse_pickle(self)
        return super().__reduce_ex__(protocol)

    def _holds_secret(self) -> bool:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # whoever mixes this in is a dataclass
        return any(not field.repr and getattr(self, field.name) for field in fields)

    def __copy__(self) -> Self:
        return self._twin(lambda value: value)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self._twin(lambda value: copy.deepcopy(value, memo))

    def _twin(self, copied: Callable[[object], object]) -> Self:
        twin = object.__new__(type(self))
        # Fields may be in slots, and others than fields in the dictionary.
        slots = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]  # as above
        values = {name: getattr(self, name) for name in slots if hasattr(self, name)} | self.__dict__
        for name, value in values.items():
            object.__setattr__(twin, name, copied(value))
        return twin


def refuse_pickle(of: object) -> NoReturn:
    """Raise the error of whoever would write ``of`` out."""
    raise TypeError(
        f"a {type(of).__name__} cannot be pickled, for the pickle would hold secrets in plain text: "
        "make it anew where it is needed, or send the texts themselves if they may be seen"
    )
