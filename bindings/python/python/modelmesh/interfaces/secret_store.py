"""The interface of secret stores: reading, writing, and how they fail."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import Optional

from modelmesh._sealed import Sealed

__all__ = [
    "BlockingCallWarning",
    "InvalidConfigError",
    "InvalidNameError",
    "SecretFileError",
    "SecretManagement",
    "SecretNotFoundError",
    "SecretResolution",
    "SecretStoreConnector",
    "SecretStoreError",
    "SecretValue",
]


@dataclass
class SecretValue(Sealed):
    """A resolved secret, with the version and the end that its store gives.

    ``repr`` shows no value, and a ``SecretValue`` is not pickled. ``expires_at`` has a time zone.
    """

    value: str = field(repr=False)
    version: Optional[str] = None
    expires_at: Optional[datetime] = None

    def _holds_secret(self) -> bool:
        return True


class SecretResolution(ABC):
    """Reading: the one thing that every store can do."""

    @abstractmethod
    def get(self, name: str) -> str:
        """Return the value of ``name``.

        Raises:
            KeyError: The store has no such name. With ``fail_on_missing=False`` the answer is ``""`` instead.
            SecretStoreError: The store could not answer. That is never taken for a missing name.
        """
        ...


class SecretManagement(ABC):
    """Writing: for stores that can be provisioned."""

    @abstractmethod
    def set(self, name: str, value: str) -> None:
        """Store a secret, or update it."""
        ...

    @abstractmethod
    def list(self) -> list[str]:
        """Return the names of all secrets, sorted."""
        ...

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a secret.

        Raises:
            KeyError: The store has no such name.
        """
        ...


class SecretStoreConnector(SecretResolution):
    """A store. One that can be written is a :class:`SecretManagement` too."""


class SecretStoreError(Exception):
    """A store could not do what it was asked. No value is in it.

    ``kind`` says what to do about it, and is stable: ``not_found``, ``denied``, ``disabled``, ``throttled``,
    ``unavailable``, ``store_auth``, ``malformed``, ``locked``, ``conflict``, ``invalid_name``, ``invalid_reference``,
    ``invalid_config``, ``unsupported`` or ``io``. A ``_resolve`` may raise one: while it fails with ``throttled``,
    ``unavailable``, ``store_auth``, ``io``, ``locked`` or ``malformed``, the last good value is served.

    Attributes:
        kind: What went wrong.
        store: The store's name.
        name: The secret's name.
        help: What may be tried.
        retry_after: For how many seconds the store asked to be left alone.
        errors: All of them, where one exception tells of several.
    """

    def __init__(
        self,
        message: str = "",
        *,
        kind: str = "unavailable",
        store: Optional[str] = None,
        name: Optional[str] = None,
        help: Optional[str] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.store = store
        self.name = name
        self.help = help
        self.retry_after = retry_after
        self.errors: tuple[SecretStoreError, ...] = ()


class SecretNotFoundError(SecretStoreError, KeyError):
    """The store answered that it has no such secret."""


class InvalidNameError(SecretStoreError, KeyError, ValueError):
    """What no secret can be called. No store was asked."""


class InvalidConfigError(SecretStoreError, ValueError):
    """A setting, a configuration file or a reference is wrong."""


class SecretFileError(SecretStoreError, OSError):
    """The operating system refused a file operation, or there is no such file."""


class BlockingCallWarning(RuntimeWarning):
    """A thread on which an asyncio loop runs waits for a store behind a network: use the ``a…`` form of the call."""
