"""The base of every store: one hook, and the engine around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn, Self, SupportsIndex

from modelmesh._native import Store
from modelmesh._sealed import Sealed, refuse_pickle
from modelmesh.cdk._cache_view import CacheOf
from modelmesh.interfaces.secret_store import SecretStoreConnector

__all__ = [
    "BaseSecretStore",
    "BaseSecretStoreConfig",
]


@dataclass
class BaseSecretStoreConfig(Sealed):
    """What every store can be configured with.

    Attributes:
        secrets: Secrets in hand. The mapping stays the caller's: what is put into it later is found, too.
        cache_enabled: Keep values in memory.
        cache_ttl_ms: For how many milliseconds a value is served without asking again.
        fail_on_missing: Raise ``KeyError`` for a missing name; if not, ``get`` returns ``""``.
    """

    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    cache_enabled: bool = True
    cache_ttl_ms: int = 300_000
    fail_on_missing: bool = True


class BaseSecretStore(Store, SecretStoreConnector):
    """A store over one hook, :meth:`_resolve`, with a cache in front of it.

    - A cached ``get`` runs no Python code at all.
    - Threads that ask for one name at the same time share one call of the hook, which runs on the first one's thread.
      A hook that asks its own store for the name it was asked for gets an error. If it asks on another thread, and
      waits for that, it waits for itself.
    - A value is served for ``cache_ttl_ms``. While the hook then fails with a connection error, a time-out, another
      ``OSError`` or a :class:`SecretStoreError` of a kind that passes, the last good value is served for up to two
      hours. Whatever else the hook raises, its caller gets.
    - A missing name is not remembered.
    - After a fork, the child goes on with what was cached.
    """

    _config: BaseSecretStoreConfig
    _cache = CacheOf()

    def __init__(self, config: BaseSecretStoreConfig) -> None:
        self._config = config
        self._open_unopened()

    def _open_unopened(self) -> None:
        """Open the store by its configuration: with the first call, where a class's constructor sets that itself."""
        if hasattr(self, "_config"):
            self._open_hook(_name_of(self), bool(self._config.cache_enabled), self._config.cache_ttl_ms)

    # ``Any`` stands for ``SecretValue``: what calls this by ``super()`` gets a ``str``, as it always did.
    def _resolve(self, name: str) -> str | Any | None:
        """Look ``name`` up in the backend: its value, or ``None`` if there is none.

        To be overridden. A subclass may also return a :class:`SecretValue`, whose end the cache then keeps. As it is,
        it looks in ``config.secrets``.
        """
        return self._config.secrets.get(name)

    async def aget(self, name: str) -> str:
        """As :meth:`get`, without blocking the loop. A hook runs on a thread of its own, and so does a ``get`` of one's
        own.
        """
        if type(self).get is not Store.get:
            # What a subclass does around the cache is done here, too. A program without loops does not load asyncio.
            import asyncio

            return await asyncio.to_thread(self.get, name)
        answer = self._begin_get(name)
        if isinstance(answer, str):
            return answer
        return (await answer).take()

    def __copy__(self) -> Self:
        # A store is one thing, as a connection is: a copy of what holds it goes on with the same.
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        refuse_pickle(self)


def _name_of(store: BaseSecretStore) -> str:
    """What errors call the store."""
    name = getattr(store, "CONNECTOR_ID", None)
    return name if isinstance(name, str) else type(store).__name__
