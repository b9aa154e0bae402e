"""HashiCorp Vault and OpenBao. Connector ID: ``hashicorp.vault.v1``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field as attribute
from typing import Optional

from modelmesh.cdk.connector_secret_store import ManagedSecretStore, NetworkSecretStoreConfig

__all__ = [
    "VaultSecretStore",
    "VaultSecretStoreConfig",
]


@dataclass(kw_only=True, repr=False)
class VaultSecretStoreConfig(NetworkSecretStoreConfig):
    """What a :class:`VaultSecretStore` can be configured with.

    Attributes:
        address: The address of the server. Else ``BAO_ADDR`` or ``VAULT_ADDR``.
        addresses: The addresses of the servers of a cluster: if one does not answer, the next is asked.
        token: A token. Else ``BAO_TOKEN`` or ``VAULT_TOKEN``.
        token_file: A file with a token, read again when it is refused.
        auth: How to log in, in place of a token, such as ``{"method": "approle", "role_id": …}``.
        namespace: The namespace of the mount and of the login.
        mount: Where the engine is mounted: ``secret``, if none is given.
        kv_version: The version of the engine. The server is asked once, if none is given.
        field: The field of a document that is the secret: ``value``, if none is given. ``*`` is the whole document.
    """

    address: Optional[str] = None
    addresses: Optional[Sequence[str]] = None
    token: Optional[str] = attribute(default=None, repr=False)
    token_file: Optional[str] = None
    auth: Optional[Mapping[str, object]] = attribute(default=None, repr=False)
    namespace: Optional[str] = None
    mount: Optional[str] = None
    kv_version: Optional[int] = None
    field: Optional[str] = None


class VaultSecretStore(ManagedSecretStore):
    """Secrets in a key/value engine of Vault or OpenBao."""

    CONNECTOR_ID: str = "hashicorp.vault.v1"

    _CONNECTOR = "hashicorp.vault.v1"
    _CONFIG = VaultSecretStoreConfig

    def __init__(self, config: VaultSecretStoreConfig | None = None) -> None:
        super().__init__(config or VaultSecretStoreConfig())
