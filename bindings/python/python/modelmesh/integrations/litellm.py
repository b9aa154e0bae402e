"""LiteLLM's custom secret manager, over a secret store.

::

    import litellm
    from litellm.types.secret_managers.main import KeyManagementSystem

    litellm.secret_manager_client = StoreSecretManager(store)
    litellm._key_management_system = KeyManagementSystem.CUSTOM

From then on `os.environ/OPENAI_API_KEY` in LiteLLM's configuration is the secret `OPENAI_API_KEY` of the store.
LiteLLM's proxy makes its manager itself, and without arguments. Give it a class of your own::

    class Secrets(StoreSecretManager):
        def __init__(self) -> None:
            super().__init__(EnvSecretStore())

Whatever a manager raises, a missing secret too, LiteLLM logs, and then takes the environment variable of that name if
there is one. Where an outage must not become another key, keep such variables unset.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from litellm.integrations.custom_secret_manager import CustomSecretManager

from modelmesh.interfaces.secret_store import SecretManagement, SecretResolution

__all__ = ["StoreSecretManager"]


class StoreSecretManager(CustomSecretManager):
    """A secret manager of LiteLLM that reads, and where the store can be written also writes, a secret store.

    The store keeps its own time limits, retries and cache: LiteLLM's `timeout` and `optional_params` are not used.
    """

    def __init__(self, store: SecretResolution) -> None:
        """Makes a manager of `store`."""
        super().__init__(secret_manager_name="modelmesh")
        self._store = store

    def sync_read_secret(
        self,
        secret_name: str,
        optional_params: dict[str, Any] | None = None,
        timeout: float | httpx.Timeout | None = None,
    ) -> str | None:
        """The value of a secret; `None` if the store does not have it. Other errors of the store pass through."""
        try:
            return self._store.get(secret_name)
        except KeyError:
            return None

    async def async_read_secret(
        self,
        secret_name: str,
        optional_params: dict[str, Any] | None = None,
        timeout: float | httpx.Timeout | None = None,
    ) -> str | None:
        """As `sync_read_secret`, without blocking the event loop."""
        return await asyncio.to_thread(self.sync_read_secret, secret_name)

    async def async_write_secret(
        self,
        secret_name: str,
        secret_value: str,
        description: str | None = None,
        optional_params: dict[str, Any] | None = None,
        timeout: float | httpx.Timeout | None = None,
        tags: dict[str, Any] | list[Any] | None = None,
    ) -> dict[str, object]:
        """Writes a secret. `description` and `tags` are not kept.

        Raises:
            NotImplementedError: If the store cannot be written.
        """
        try:
            write = _Write(self._managed(), secret_name, secret_value)
        finally:
            # A traceback may show the variables of every frame.
            del secret_value
        await asyncio.to_thread(write)
        return {"name": secret_name}

    async def async_delete_secret(
        self,
        secret_name: str,
        recovery_window_in_days: int | None = 7,
        optional_params: dict[str, Any] | None = None,
        timeout: float | httpx.Timeout | None = None,
    ) -> dict[str, object]:
        """Deletes a secret. Whether it can be recovered is up to the store.

        Raises:
            KeyError: If the store does not have it.
            NotImplementedError: If the store cannot be written.
        """
        await asyncio.to_thread(self._managed().delete, secret_name)
        return {"name": secret_name}

    def _managed(self) -> SecretManagement:
        if not isinstance(self._store, SecretManagement):
            raise NotImplementedError(f"{type(self._store).__name__} cannot be written")
        return self._store


class _Write:
    """A call of a store's `set`: what a closure or a `partial` holds, a traceback may show."""

    def __init__(self, store: SecretManagement, name: str, value: str) -> None:
        self._store, self._name, self._value = store, name, value

    def __call__(self) -> None:
        self._store.set(self._name, self._value)
