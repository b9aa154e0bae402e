"""A ``.env`` file beside the environment. Connector ID: ``modelmesh.dotenv.v1``."""

from __future__ import annotations

from dataclasses import dataclass

from modelmesh.cdk.base_secret_store import BaseSecretStoreConfig
from modelmesh.cdk.connector_secret_store import NOT_REMEMBERED, ManagedSecretStore

__all__ = [
    "DotenvSecretStore",
    "DotenvSecretStoreConfig",
]


@dataclass
class DotenvSecretStoreConfig(BaseSecretStoreConfig):
    """The file of a :class:`DotenvSecretStore`.

    Attributes:
        file_path: The file. One that is not there has no secrets.
        override_env: The file wins over an environment variable of the same name. If not, the environment does.
    """

    file_path: str = ".env"
    override_env: bool = False


class DotenvSecretStore(ManagedSecretStore):
    """Secrets in a dotenv file, in the dialect in full. Either the file or the environment is read where the other has
    no such name.

    ``set``, ``list`` and ``delete`` are about the file, and keep its comments, order and quotes.
    """

    CONNECTOR_ID: str = "modelmesh.dotenv.v1"

    _CONNECTOR = "modelmesh.dotenv.v1"
    _CONFIG = DotenvSecretStoreConfig
    _FIXED = NOT_REMEMBERED

    def __init__(self, config: DotenvSecretStoreConfig | None = None) -> None:
        self._dotenv_config = config or DotenvSecretStoreConfig()
        super().__init__(self._dotenv_config)
