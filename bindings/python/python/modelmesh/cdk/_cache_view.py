"""The cache of a store, as subclasses that were written for ModelMesh Lite use it."""

from __future__ import annotations

from typing import overload

from modelmesh._native import Store


class CacheView:
    """Which names are cached: to be asked, and to be dropped. Values are read with ``get``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._store._is_cached(name)

    def __len__(self) -> int:
        return self._store._cached_entries()

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._store._forget(name)

    def pop(self, name: str, default: object = None) -> object:
        """Drop what is cached of ``name``. Returns ``default``: the value is nobody's business here."""
        self._store._forget(name)
        return default

    def clear(self) -> None:
        """Drop everything that is cached."""
        self._store.clear_cache()

    def __repr__(self) -> str:
        return f"<the cache of {type(self._store).__name__}: {len(self)} entries>"


class CacheOf:
    """The attribute ``_cache`` of a store. A subclass may have a field of its own under that name."""

    @overload
    def __get__(self, store: None, owner: type) -> CacheOf: ...
    @overload
    def __get__(self, store: Store, owner: type) -> CacheView: ...
    def __get__(self, store: Store | None, owner: type) -> CacheOf | CacheView:
        return self if store is None else CacheView(store)
