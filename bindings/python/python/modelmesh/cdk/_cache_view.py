"""The cache of a store, as subclasses that were written for ModelMesh Lite use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

from modelmesh._native import Store

#: Says that no default was given.
_NOTHING = object()


class CacheView:
    """Which names are cached: to be asked, and to be dropped. Values are read with ``get`` of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._store._is_cached(name)

    def __len__(self) -> int:
        return self._store._cached_entries()

    def __iter__(self) -> Iterator[str]:
        return iter(self._store._cached_names())

    def keys(self) -> list[str]:
        """The names, as they are now."""
        return self._store._cached_names()

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._store._forget(name)

    def pop(self, name: str, default: object = _NOTHING) -> object:
        """Drop what is cached of ``name``. Returns ``default``, or ``None``: the value is nobody's business here.

        Raises:
            KeyError: It is not cached, and there is no ``default``.
        """
        if default is _NOTHING:
            del self[name]
            return None
        self._store._forget(name)
        return default

    def clear(self) -> None:
        """Drop everything that is cached."""
        self._store.clear_cache()

    def __repr__(self) -> str:
        return f"<the cache of {type(self._store).__name__}: {len(self)} entries>"


class CacheOf:
    """The attribute ``_cache`` of a store.

    What is assigned to it takes the place of everything that is cached. If it is not empty, it is a field of the
    subclass's own from then on.
    """

    @overload
    def __get__(self, store: None, owner: type) -> CacheOf: ...
    @overload
    def __get__(self, store: Store, owner: type) -> CacheView: ...
    def __get__(self, store: Store | None, owner: type) -> object:
        return self if store is None else vars(store).get("_cache", CacheView(store))

    def __set__(self, store: Store, value: object) -> None:
        store.clear_cache()
        vars(store).pop("_cache", None)
        if value and not isinstance(value, CacheView):
            vars(store)["_cache"] = value
