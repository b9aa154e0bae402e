"""Environment variables. Connector ID: ``modelmesh.env.v1``."""

from __future__ import annotations

from dataclasses import dataclass

from modelmesh.cdk.base_secret_store import BaseSecretStoreConfig
from modelmesh.cdk.connector_secret_store import NOT_REMEMBERED, ConnectorSecretStore

__all__ = [
    "EnvSecretStore",
    "EnvSecretStoreConfig",
]


@dataclass
class EnvSecretStoreConfig(BaseSecretStoreConfig):
    """What an :class:`EnvSecretStore` can be configured with.

    Attributes:
        prefix: Put before a name: with ``"APP_"``, ``OPENAI_KEY`` is the variable ``APP_OPENAI_KEY``.
    """

    prefix: str = ""


class EnvSecretStore(ConnectorSecretStore):
    """Environment variables, as ``os.environ`` has them.

    A name is the variable of that name, or else the one in capitals: ``openai-key`` is ``OPENAI_KEY``.
    """

    CONNECTOR_ID: str = "modelmesh.env.v1"

    _CONNECTOR = "modelmesh.env.v1"
    _CONFIG = EnvSecretStoreConfig
    _FIXED = NOT_REMEMBERED

    def __init__(self, config: EnvSecretStoreConfig | None = None) -> None:
        self._env_config = config or EnvSecretStoreConfig()
        super().__init__(self._env_config)
