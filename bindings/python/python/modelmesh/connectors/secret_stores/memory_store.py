"""Secrets in memory. Connector ID: ``modelmesh.memory-secrets.v1``."""

from __future__ import annotations

from dataclasses import dataclass

from modelmesh._native import Store
from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.interfaces.secret_store import SecretManagement

__all__ = [
    "MemorySecretStore",
    "MemorySecretStoreConfig",
]


@dataclass
class MemorySecretStoreConfig(BaseSecretStoreConfig):
    """The secrets of a :class:`MemorySecretStore`, in ``secrets``."""


class MemorySecretStore(BaseSecretStore, SecretManagement):
    """Secrets that the program has in hand: in ``config.secrets``, which ``set`` and ``delete`` change."""

    CONNECTOR_ID: str = "modelmesh.memory-secrets.v1"

    # No Python code around them, so that no traceback can show a value.
    set = Store._set
    list = Store._list
    delete = Store._delete

    def __init__(self, config: MemorySecretStoreConfig | None = None) -> None:
        self._mem_config = config or MemorySecretStoreConfig()
        super().__init__(self._mem_config)
