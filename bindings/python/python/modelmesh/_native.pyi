"""The engine under this package. Private: names and signatures may change with any version."""

from asyncio import Future
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Generic, Literal, Self, TypeVar, final, overload

from typing_extensions import disjoint_base

from modelmesh.interfaces.secret_store import SecretStoreError, SecretValue

__all__ = [
    "Generation",
    "Store",
    "_Answer",
    "_Pending",
    "_Resolver",
    "_Watch",
    "_ending",
    "_field",
    "_forked",
    "_milliseconds",
    "_scan",
    "_settings",
    "_to_backend",
    "_to_logical",
    "_to_reference",
]

_T_co = TypeVar("_T_co", covariant=True)

@final
class _Answer(Generic[_T_co]):
    def take(self) -> _T_co: ...

@final
class _Pending(Generic[_T_co]):
    def begin(self) -> Future[_Answer[_T_co]]: ...

@disjoint_base
class Store:
    def __new__(cls, *_args: object, **_kwargs: object) -> Self: ...
    def get(self, name: str) -> str:
        """Return the value of ``name``, from the cache or the backend.

        Raises:
            KeyError: The store has no such name. With ``fail_on_missing=False`` the answer is ``""`` instead.
            SecretStoreError: The store could not answer. That is never taken for a missing name.
        """

    def clear_cache(self) -> None:
        """Forget every cached value: the next reader of each asks the backend."""

    def _open_hook(self, id: str, cache_enabled: bool, cache_ttl_ms: float) -> None: ...
    def _open_connector(
        self,
        id: str,
        config: object,
        fields: Sequence[str],
        fixed: Mapping[str, object],
        *,
        hook: tuple[bool, float] | None = None,
        unsaved: bool = False,
        beside: Store | None = None,
    ) -> None: ...
    def _begin_get(self, name: str) -> str | Future[_Answer[str]]: ...
    def _aset(self, name: str, value: str) -> Coroutine[object, object, None]: ...
    def _begin_list(self) -> Future[_Answer[list[str]]]: ...
    def _begin_delete(self, name: str) -> Future[_Answer[None]]: ...
    def _read(self, name: str) -> str | None: ...
    def _set(self, name: str, value: str) -> None: ...
    def _list(self) -> list[str]: ...
    def _delete(self, name: str) -> None: ...
    def _save(self) -> None: ...
    def _is_cached(self, name: str) -> bool: ...
    def _forget(self, name: str) -> None: ...
    def _cached_entries(self) -> int: ...
    def _cached_names(self) -> list[str]: ...

@final
class Generation:
    """One consistent set of a provider's resolved values. It never changes."""

    @property
    def provider(self) -> str:
        """The provider's ID."""

    @property
    def number(self) -> int:
        """Counts the provider's generations, from 1."""

    @property
    def reason(self) -> str:
        """Why it was made: ``init``, ``rotation``, ``recovery`` or ``manual``."""

    @property
    def activated_at(self) -> datetime:
        """When it was made."""

    def setting(self, path: str) -> str | None:
        """The text of a setting, with values in place of references: ``api_key``, ``headers.organization``, ``keys[0]``.

        ``None`` if there is no such text, or a reference in it is missing and may be.
        """

    def secret(self, path: str) -> tuple[str, SecretValue] | None:
        """The first secret in a setting, as its reference and its value: what to report if it is refused."""

@final
class _Watch:
    @overload
    def changed(self, wait: Literal[True]) -> SecretValue | None: ...
    @overload
    def changed(self, wait: Literal[False]) -> Future[_Answer[SecretValue | None]]: ...

_Told = tuple[str, SecretValue | SecretStoreError | None]

@final
class _Resolver:
    def __new__(
        cls,
        path: str | PathLike[str],
        classes: Sequence[str],
        make: Callable[[str, Mapping[str, object]], object],
    ) -> _Resolver: ...
    @overload
    def start(self, wait: Literal[True]) -> None: ...
    @overload
    def start(self, wait: Literal[False]) -> Future[_Answer[None]]: ...
    @overload
    def resolve_texts(self, texts: Sequence[str], wait: Literal[True]) -> list[str]: ...
    @overload
    def resolve_texts(self, texts: Sequence[str], wait: Literal[False]) -> Future[_Answer[list[str]]]: ...
    @overload
    def get(self, reference: str, wait: Literal[True]) -> SecretValue: ...
    @overload
    def get(self, reference: str, wait: Literal[False]) -> Future[_Answer[SecretValue]]: ...
    @overload
    def invalidate(self, reference: str, wait: Literal[True]) -> None: ...
    @overload
    def invalidate(self, reference: str, wait: Literal[False]) -> Future[_Answer[None]]: ...
    @overload
    def activate(self, provider: str, reason: str, wait: Literal[True]) -> Generation: ...
    @overload
    def activate(self, provider: str, reason: str, wait: Literal[False]) -> Future[_Answer[Generation]]: ...
    @overload
    def reload(self, wait: Literal[True]) -> list[Generation]: ...
    @overload
    def reload(self, wait: Literal[False]) -> Future[_Answer[list[Generation]]]: ...
    @overload
    def report_auth_failure(self, reference: str, version: str, wait: Literal[True]) -> _Told: ...
    @overload
    def report_auth_failure(self, reference: str, version: str, wait: Literal[False]) -> Future[_Answer[_Told]]: ...
    @overload
    def watch(self, reference: str, wait: Literal[True]) -> _Watch: ...
    @overload
    def watch(self, reference: str, wait: Literal[False]) -> Future[_Answer[_Watch]]: ...
    @overload
    def current(self, provider: str, wait: Literal[True]) -> Generation: ...
    @overload
    def current(self, provider: str, wait: Literal[False]) -> Future[_Answer[Generation]]: ...
    @overload
    def providers(self, wait: Literal[True]) -> list[str]: ...
    @overload
    def providers(self, wait: Literal[False]) -> Future[_Answer[list[str]]]: ...

def _forked() -> None: ...
def _ending() -> None: ...
def _scan(text: str) -> list[tuple[str, object]]: ...
def _settings(id: str) -> list[str]: ...
def _to_reference(given: str) -> str: ...
def _field(field: str, document: str) -> str: ...
def _milliseconds(text: str) -> int | None: ...
def _to_backend(prefix: str, rule: str, logical: str) -> tuple[str, str]: ...
def _to_logical(prefix: str, rule: str, backend: str) -> str | None: ...
