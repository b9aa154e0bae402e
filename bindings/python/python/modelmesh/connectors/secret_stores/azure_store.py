"""Azure Key Vault. Connector ID: ``microsoft.key-vault.v1``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Optional

from modelmesh.cdk.connector_secret_store import ManagedSecretStore, NetworkSecretStoreConfig

__all__ = [
    "AzureKeyVaultSecretStore",
    "AzureKeyVaultSecretStoreConfig",
]


@dataclass(kw_only=True, repr=False)
class AzureKeyVaultSecretStoreConfig(NetworkSecretStoreConfig):
    """What an :class:`AzureKeyVaultSecretStore` can be configured with.

    Attributes:
        vault_url: The vault's address, such as ``https://acme.vault.azure.net``.
        tenant_id: The directory of the application that logs in.
        auth: How to log in. As Azure's own tools find out, if nothing is given.
        client_id: The application, or the user-assigned managed identity.
        client_secret: The application's secret.
        authority_host: Where tokens are given, in another cloud than the public one.
        verify_challenge_resource: The vault must be under the domain of the service that it asks a token for: true, if
            nothing is given.
    """

    vault_url: Optional[str] = None
    tenant_id: Optional[str] = None
    auth: Optional[Literal["default", "managed_identity", "workload_identity", "client_secret", "cli"]] = None
    client_id: Optional[str] = None
    client_secret: Optional[str] = field(default=None, repr=False)
    authority_host: Optional[str] = None
    verify_challenge_resource: Optional[bool] = None


class AzureKeyVaultSecretStore(ManagedSecretStore):
    """Secrets in a vault of Azure Key Vault."""

    CONNECTOR_ID: str = "microsoft.key-vault.v1"

    _CONNECTOR = "microsoft.key-vault.v1"
    _CONFIG = AzureKeyVaultSecretStoreConfig

    def __init__(self, config: AzureKeyVaultSecretStoreConfig | None = None) -> None:
        super().__init__(config or AzureKeyVaultSecretStoreConfig())
