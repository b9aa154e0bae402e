"""A JSON file encrypted with AES-256-GCM. Connector ID: ``modelmesh.encrypted-file.v1``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from modelmesh.cdk.base_secret_store import BaseSecretStoreConfig
from modelmesh.cdk.connector_secret_store import IN_MEMORY, NOT_REMEMBERED, ManagedSecretStore
from modelmesh.interfaces.secret_store import InvalidConfigError

__all__ = [
    "EncryptedFileSecretStore",
    "EncryptedFileSecretStoreConfig",
]


@dataclass
class EncryptedFileSecretStoreConfig(BaseSecretStoreConfig):
    """The file and the key of an :class:`EncryptedFileSecretStore`.

    Attributes:
        file_path: The file. Without one, the secrets are in memory alone.
        passphrase: What the key is derived from.
        encryption_key: The key itself, as 64 hex digits. It wins over the passphrase.
        pbkdf2_iterations: How often the passphrase is hashed. Every reader of the file needs the same number.
    """

    file_path: str = ""
    passphrase: str = field(default="", repr=False)
    encryption_key: str = field(default="", repr=False)
    pbkdf2_iterations: int = 600_000


class EncryptedFileSecretStore(ManagedSecretStore):
    """Secrets in an encrypted file, in the format of ModelMesh Lite.

    - ``set`` and ``delete`` change what this store's own readers get. :meth:`save` writes all of it.
    - A wrong key, a damaged file or a foreign one is an error of ``get``, ``list`` and ``save``, and nothing is written.
    """

    CONNECTOR_ID: str = "modelmesh.encrypted-file.v1"

    _CONNECTOR = "modelmesh.encrypted-file.v1"
    _CONFIG = EncryptedFileSecretStoreConfig
    _FIXED = NOT_REMEMBERED

    def __init__(self, config: EncryptedFileSecretStoreConfig | None = None) -> None:
        self._config = self._enc_config = config or EncryptedFileSecretStoreConfig()
        if not self._enc_config.file_path:
            # The key is judged even where no file needs it.
            EncryptedFileSecretStore(replace(self._enc_config, file_path="unused"))
        self._open(self._CONNECTOR if self._enc_config.file_path else IN_MEMORY, unsaved=True)

    @property
    def crypto_available(self) -> bool:
        """Whether files are really encrypted: they always are."""
        return True

    def save(self) -> None:
        """Write what was set and deleted to the file, all at once. A file that is not there is made.

        The file is replaced whole, and only where it can be read: what others wrote meanwhile stays, but for the names
        that were changed here.

        Raises:
            ValueError: There is no ``file_path``.
            SecretStoreError: The file could not be read or written. Nothing is lost: it can be tried again.
        """
        if not self._enc_config.file_path:
            raise InvalidConfigError("No file_path configured", kind="invalid_config", store=self.CONNECTOR_ID)
        self._save()
