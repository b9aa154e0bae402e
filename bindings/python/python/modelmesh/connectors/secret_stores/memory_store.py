"""Secrets in memory. Connector ID: ``modelmesh.memory-secrets.v1``."""

from __future__ import annotations

from dataclasses import dataclass

from modelmesh.cdk._management import Management
from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig

__all__ = [
    "MemorySecretStore",
    "MemorySecretStoreConfig",
]


@dataclass
class MemorySecretStoreConfig(BaseSecretStoreConfig):
    """The secrets of a :class:`MemorySecretStore`, in ``secrets``."""


class MemorySecretStore(BaseSecretStore, Management):
    """Secrets that the program has in hand: in ``config.secrets``, which ``set`` and ``delete`` change."""

    CONNECTOR_ID: str = "modelmesh.memory-secrets.v1"

    def __init__(self, config: MemorySecretStoreConfig | None = None) -> None:
        self._mem_config = config or MemorySecretStoreConfig()
        super().__init__(self._mem_config)
