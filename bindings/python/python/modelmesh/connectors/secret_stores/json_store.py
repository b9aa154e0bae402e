"""A JSON file. Connector ID: ``modelmesh.json-secrets.v1``."""

from __future__ import annotations

from dataclasses import dataclass

from modelmesh.cdk.base_secret_store import BaseSecretStoreConfig
from modelmesh.cdk.connector_secret_store import IN_MEMORY, NOT_REMEMBERED, ConnectorSecretStore

__all__ = [
    "JsonSecretStore",
    "JsonSecretStoreConfig",
]


@dataclass
class JsonSecretStoreConfig(BaseSecretStoreConfig):
    """The file of a :class:`JsonSecretStore`.

    Attributes:
        file_path: The file. A store without one has no secrets.
        json_path: The object in it that has the secrets, such as ``"secrets.production"``. The whole file, if empty.
    """

    file_path: str = ""
    json_path: str = ""


class JsonSecretStore(ConnectorSecretStore):
    """Secrets in a JSON file. A name is a key, or the way to a nested one: ``providers.openai.api_key``.

    A change of the file is noticed by itself. A file that is missing, or cannot be read, is an error.
    """

    CONNECTOR_ID: str = "modelmesh.json-secrets.v1"

    _CONNECTOR = "modelmesh.json-secrets.v1"
    _CONFIG = JsonSecretStoreConfig
    _FIXED = NOT_REMEMBERED

    def __init__(self, config: JsonSecretStoreConfig | None = None) -> None:
        self._config = self._json_config = config or JsonSecretStoreConfig()
        self._open(self._CONNECTOR if self._json_config.file_path else IN_MEMORY, fixed={"format": "json"})
