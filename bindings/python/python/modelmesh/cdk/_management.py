"""Writing, as the engine does it."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from modelmesh._native import Store
from modelmesh.interfaces.secret_store import SecretManagement


class Management(Store, SecretManagement):
    """The writing side of a store, to be mixed in."""

    if TYPE_CHECKING:
        # To type checkers an attribute does not implement an abstract method.
        def set(self, name: str, value: str) -> None: ...
        def list(self) -> builtins.list[str]: ...
        def delete(self, name: str) -> None: ...
    else:
        # No Python code around what takes a value, so that no traceback can show one.
        set = Store._set
        list = Store._list
        delete = Store._delete

    #: As :meth:`set`, without blocking the loop.
    aset = Store._aset

    async def alist(self) -> builtins.list[str]:
        """As :meth:`list`, without blocking the loop."""
        return (await self._begin_list()).take()

    async def adelete(self, name: str) -> None:
        """As :meth:`delete`, without blocking the loop."""
        (await self._begin_delete(name)).take()
