"""One encrypted file that the standard age tool can open. Connector ID: ``modelmesh.age-file.v1``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from modelmesh.cdk.connector_secret_store import ConnectorSecretStoreConfig, ManagedSecretStore

__all__ = [
    "AgeFileSecretStore",
    "AgeFileSecretStoreConfig",
]


@dataclass(kw_only=True)
class AgeFileSecretStoreConfig(ConnectorSecretStoreConfig):
    """The file and the keys of an :class:`AgeFileSecretStore`.

    Attributes:
        path: The file: ``secrets.age``, if none is given.
        identity: An identity file or an SSH private key. Else ``MODELMESH_IDENTITY``, ``MODELMESH_IDENTITY_FILE``, or
            the user's own.
        recipients: Whom a new file is encrypted to: ``age1…``, SSH public keys, or ``passphrase``.
        passphrase: Opens a file that is encrypted to a passphrase. Else ``MODELMESH_PASSPHRASE``.
    """

    path: Optional[str] = None
    identity: Optional[str] = None
    recipients: Optional[Sequence[str]] = None
    passphrase: Optional[str] = field(default=None, repr=False)


class AgeFileSecretStore(ManagedSecretStore):
    """Secrets in an age file. Every write is durable when it returns."""

    CONNECTOR_ID: str = "modelmesh.age-file.v1"

    _CONNECTOR = "modelmesh.age-file.v1"
    _CONFIG = AgeFileSecretStoreConfig

    def __init__(self, config: AgeFileSecretStoreConfig | None = None) -> None:
        super().__init__(config or AgeFileSecretStoreConfig())
