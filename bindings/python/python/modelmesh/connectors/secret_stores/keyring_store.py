"""The keyring of the operating system. Connector ID: ``modelmesh.keyring.v1``."""

from __future__ import annotations

from dataclasses import dataclass

from modelmesh.cdk.base_secret_store import BaseSecretStoreConfig
from modelmesh.cdk.connector_secret_store import ManagedSecretStore
from modelmesh.interfaces.secret_store import SecretStoreError

__all__ = [
    "KeyringSecretStore",
    "KeyringSecretStoreConfig",
]


@dataclass
class KeyringSecretStoreConfig(BaseSecretStoreConfig):
    """What a :class:`KeyringSecretStore` can be configured with.

    Attributes:
        service_name: The service under which the secrets are kept.
    """

    service_name: str = "modelmesh"


class KeyringSecretStore(ManagedSecretStore):
    """Secrets in macOS' Keychain, Windows' Credential Manager, or the Secret Service of Linux.

    A keyring that is absent or locked is a :class:`SecretStoreError`, and never a missing secret.
    """

    CONNECTOR_ID: str = "modelmesh.keyring.v1"

    _CONNECTOR = "modelmesh.keyring.v1"
    _CONFIG = KeyringSecretStoreConfig

    def __init__(self, config: KeyringSecretStoreConfig | None = None) -> None:
        self._keyring_config = config or KeyringSecretStoreConfig()
        super().__init__(self._keyring_config)

    @property
    def keyring_available(self) -> bool:
        """Whether there is a keyring: it is asked, and may be locked."""
        try:
            self._read("modelmesh-is-there-a-keyring")
        except SecretStoreError as error:
            return error.kind == "locked"
        return True
