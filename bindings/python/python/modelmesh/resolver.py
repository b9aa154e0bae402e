"""Configurations that are resolved, and follow their stores from then on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from os import PathLike, fspath
from typing import Any, Literal, Optional, TypeVar, cast

from modelmesh._native import Generation, _Resolver, _Watch
from modelmesh._sealed import Sealed
from modelmesh.connectors._construction import make_store, own_classes
from modelmesh.interfaces.secret_store import SecretStoreError, SecretValue

__all__ = [
    "AuthFailure",
    "Generation",
    "SecretResolver",
    "Watch",
]

_T = TypeVar("_T")

Reason = Literal["init", "rotation", "recovery", "manual"]


@dataclass(frozen=True)
class AuthFailure(Sealed):
    """What came of a value that the upstream API refused.

    Attributes:
        outcome: ``rotated``: there is another value; ``fell_back``: the store has no other, but the one before is still
            at hand; ``unchanged``: the store has this value and no other; ``unavailable``: the store could not be asked.
        value: What to try once more with. If there is nothing, fail over.
        error: Why the store could not be asked.
    """

    outcome: Literal["rotated", "fell_back", "unchanged", "unavailable"]
    value: Optional[SecretValue] = field(default=None, repr=False)
    error: Optional[SecretStoreError] = None


class Watch:
    """A live handle on one secret: an iterator, and an asynchronous one, over its new versions.

    An item is ``None`` when the value ends: its store revoked it, or could not confirm it for too long. The secret is
    kept fresh as long as the handle lives. In the child of a fork, the first item is the value that there is then.
    """

    def __init__(self, native: _Watch) -> None:
        self._native = native

    def __iter__(self) -> Iterator[Optional[SecretValue]]:
        return self

    def __next__(self) -> Optional[SecretValue]:
        return self._native.changed(True)

    def __aiter__(self) -> AsyncIterator[Optional[SecretValue]]:
        return self

    async def __anext__(self) -> Optional[SecretValue]:
        return (await self._native.changed(False)).take()


class SecretResolver:
    """Resolves the references of a configuration file, at the start and from then on.

    - A reference is ``${secrets:NAME}``, ``${secrets.STORE:NAME}``, with ``#field``, ``?version=`` and ``:-fallback``.
    - Each provider has a :class:`Generation`: one consistent set of its values, replaced as a whole when one of its
      secrets rotates, and when it is activated.
    - Each method has a coroutine beside it, named ``a…``, that never blocks the loop.
    - A class in :data:`modelmesh.connectors.CONNECTOR_REGISTRY` is found by its ID when the resolver is made.
    - In the child of a fork, the file is read and its references are resolved once more, at the first call.
    """

    def __init__(self, native: _Resolver) -> None:
        self._native = native

    @classmethod
    def from_config(cls, path: str | PathLike[str]) -> SecretResolver:
        """Read the file at ``path``, resolve every reference in it, and activate every provider.

        Raises:
            SecretStoreError: With everything that is wrong, in the file or with its secrets, each at its place. A
                ``KeyError`` too, if missing secrets are all that is wrong.
        """
        native = cls._open(path)
        native.start(True)
        return cls(native)

    @classmethod
    async def afrom_config(cls, path: str | PathLike[str]) -> SecretResolver:
        """As :meth:`from_config`."""
        native = cls._open(path)
        (await native.start(False)).take()
        return cls(native)

    @staticmethod
    def _open(path: str | PathLike[str]) -> _Resolver:
        classes = own_classes()
        return _Resolver(fspath(path), list(classes), partial(make_store, classes))

    @property
    def providers(self) -> list[str]:
        """The IDs of all providers, in the order of the file."""
        return self._native.providers(True)

    def resolve(self, ref: str) -> str:
        """Return the text with values in place of its references. It may be one reference, or hold several, or none.

        A reference that is missing becomes nothing, where ``fail_on_missing`` is false.
        """
        return self._native.resolve_texts([ref], True)[0]

    async def aresolve(self, ref: str) -> str:
        """As :meth:`resolve`."""
        return (await self._native.resolve_texts([ref], False)).take()[0]

    def resolve_all(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a new mapping like ``config``, with values in place of references: at any depth of mappings, lists and
        tuples, but not in keys. ``config`` stays as it is.

        A section ``secrets`` is left out of it: what stands there is for stores to be opened with.

        Raises:
            SecretStoreError: With everything that failed, as :attr:`SecretStoreError.errors`.
        """
        texts = _texts(config)
        return _rebuilt(config, _Resolved(zip(texts, self._native.resolve_texts(texts, True))))

    async def aresolve_all(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """As :meth:`resolve_all`."""
        texts = _texts(config)
        return _rebuilt(config, _Resolved(zip(texts, (await self._native.resolve_texts(texts, False)).take())))

    def get(self, ref: str) -> SecretValue:
        """Return the value of one reference, with its version: what :meth:`report_auth_failure` asks for."""
        return self._native.get(ref, True)

    async def aget(self, ref: str) -> SecretValue:
        """As :meth:`get`."""
        return (await self._native.get(ref, False)).take()

    def invalidate(self, ref: str) -> None:
        """Forget what is cached of the reference's document: the next reader asks the store."""
        self._native.invalidate(ref, True)

    async def ainvalidate(self, ref: str) -> None:
        """As :meth:`invalidate`."""
        (await self._native.invalidate(ref, False)).take()

    def current(self, provider_id: str) -> Generation:
        """Return the values that a provider has now. Take them anew for each request.

        Raises:
            SecretStoreError: The provider is inactive, and why.
        """
        return self._native.current(provider_id, True)

    async def acurrent(self, provider_id: str) -> Generation:
        """As :meth:`current`."""
        return (await self._native.current(provider_id, False)).take()

    def activate(self, provider_id: str, reason: Reason = "manual") -> Generation:
        """Resolve a provider's references past the cache, and swap its values: all of them, or none.

        Raises:
            SecretStoreError: Something could not be resolved. The values that the provider has stay in use.
        """
        return self._native.activate(provider_id, reason, True)

    async def aactivate(self, provider_id: str, reason: Reason = "manual") -> Generation:
        """As :meth:`activate`."""
        return (await self._native.activate(provider_id, reason, False)).take()

    def reload(self) -> list[Generation]:
        """Activate every provider by hand, in the order of the file.

        Raises:
            SecretStoreError: With everything that failed. What did not fail is activated.
        """
        return self._native.reload(True)

    async def areload(self) -> list[Generation]:
        """As :meth:`reload`."""
        return (await self._native.reload(False)).take()

    def report_auth_failure(self, ref: str, version: Optional[str]) -> AuthFailure:
        """Report that the upstream API refused the value of ``ref`` with this version.

        However many report the same, the store is asked once. Try again once with what comes of it.
        """
        # A fallback has no version, and there is nothing newer to be had for it.
        if version is None:
            return AuthFailure("unchanged")
        return _auth_failure(self._native.report_auth_failure(ref, version, True))

    async def areport_auth_failure(self, ref: str, version: Optional[str]) -> AuthFailure:
        """As :meth:`report_auth_failure`."""
        if version is None:
            return AuthFailure("unchanged")
        return _auth_failure((await self._native.report_auth_failure(ref, version, False)).take())

    def watch(self, ref: str) -> Watch:
        """Return a live handle on a reference, which yields each new version.

        Raises:
            SecretStoreError: There is no value to begin with.
        """
        return Watch(self._native.watch(ref, True))

    async def awatch(self, ref: str) -> Watch:
        """As :meth:`watch`."""
        return Watch((await self._native.watch(ref, False)).take())


def _auth_failure(told: tuple[str, SecretValue | SecretStoreError | None]) -> AuthFailure:
    outcome, detail = told
    value = detail if isinstance(detail, SecretValue) else None
    error = detail if isinstance(detail, SecretStoreError) else None
    return AuthFailure(cast(Any, outcome), value, error)


#: The section in which stores are configured.
_SECRETS = "secrets"


class _Resolved(dict[str, str]):
    """What texts became. A traceback may show the variables of every frame."""

    def __repr__(self) -> str:
        return f"<{len(self)} texts that were resolved>"


def _texts(config: Mapping[str, Any]) -> list[str]:
    """Every text in ``config`` that may hold a reference, once."""
    if not isinstance(config, Mapping):
        raise TypeError(f"what is resolved is a mapping, not {type(config).__name__}")
    texts: dict[str, None] = {}

    def look(value: object) -> None:
        if isinstance(value, str):
            if "${" in value:
                texts[value] = None
        elif isinstance(value, Mapping):
            for inner in value.values():
                look(inner)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                look(inner)

    for key, value in config.items():
        if key != _SECRETS:
            look(value)
    return list(texts)


def _rebuilt(config: Mapping[str, Any], resolved: _Resolved) -> dict[str, Any]:
    """A new ``config`` with what its texts became, of which no variable here holds one."""

    def rebuild(value: Any) -> Any:
        if isinstance(value, str):
            return resolved.get(value, value)
        if isinstance(value, Mapping):
            return {key: rebuild(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [rebuild(inner) for inner in value]
        if isinstance(value, tuple):
            # A named tuple stays one. What another kind of tuple takes is its own business.
            make = value._make if hasattr(value, "_make") else tuple
            return make([rebuild(inner) for inner in value])
        return value

    return {key: value if key == _SECRETS else rebuild(value) for key, value in config.items()}
