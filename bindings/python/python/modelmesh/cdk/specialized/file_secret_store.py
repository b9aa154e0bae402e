"""Secrets in a file of any format: dotenv, JSON, TOML or YAML."""

from __future__ import annotations

from dataclasses import dataclass

from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.cdk.connector_secret_store import IN_MEMORY, NOT_REMEMBERED, ConnectorSecretStore

__all__ = [
    "FileSecretStore",
    "FileSecretStoreConfig",
]


@dataclass
class FileSecretStoreConfig(BaseSecretStoreConfig):
    """The file of a :class:`FileSecretStore`.

    Attributes:
        file_path: The file. Without one, there is what stands in ``secrets``.
        format: ``env`` (or ``dotenv``), ``json``, ``toml`` or ``yaml``.
    """

    file_path: str = ""
    format: str = "env"


class FileSecretStore(ConnectorSecretStore):
    """Secrets in a file, and beside it those in ``config.secrets``.

    A change of the file is noticed by itself. A file that is missing, or cannot be read, is an error.
    """

    _CONNECTOR = "modelmesh.json-secrets.v1"
    _CONFIG = FileSecretStoreConfig
    _FIXED = NOT_REMEMBERED

    def __init__(self, config: FileSecretStoreConfig) -> None:
        self._config = self._file_config = config
        beside = BaseSecretStore(BaseSecretStoreConfig(secrets=config.secrets, cache_enabled=False))
        connector = self._CONNECTOR if config.file_path else IN_MEMORY
        self._open(connector, fixed={"format": config.format.lower()}, beside=beside)
