"""1Password, through a Connect server. Connector ID: ``1password.connect.v1``."""

from __future__ import annotations

from dataclasses import dataclass, field as attribute
from typing import Optional

from modelmesh.cdk.connector_secret_store import ManagedSecretStore, NetworkSecretStoreConfig

__all__ = [
    "OnePasswordConnectSecretStore",
    "OnePasswordConnectSecretStoreConfig",
]


@dataclass(kw_only=True, repr=False)
class OnePasswordConnectSecretStoreConfig(NetworkSecretStoreConfig):
    """What an :class:`OnePasswordConnectSecretStore` can be configured with.

    Attributes:
        server_url: The address of the Connect server. Else ``OP_CONNECT_HOST``.
        vault_id: The vault: its ID, or its title. Else ``OP_VAULT``.
        token: A Connect token that may use the vault. Else ``OP_CONNECT_TOKEN``.
        field: The field that is a secret's value: its ID, its label, or ``SECTION/LABEL``. ``*`` is all of them.
    """

    server_url: Optional[str] = None
    vault_id: Optional[str] = None
    token: Optional[str] = attribute(default=None, repr=False)
    field: Optional[str] = None


class OnePasswordConnectSecretStore(ManagedSecretStore):
    """Secrets in a vault of 1Password. A name is an item's title."""

    CONNECTOR_ID: str = "1password.connect.v1"

    _CONNECTOR = "1password.connect.v1"
    _CONFIG = OnePasswordConnectSecretStoreConfig

    def __init__(self, config: OnePasswordConnectSecretStoreConfig | None = None) -> None:
        super().__init__(config or OnePasswordConnectSecretStoreConfig())
