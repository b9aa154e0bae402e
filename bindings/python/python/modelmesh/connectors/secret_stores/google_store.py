"""Google Secret Manager. Connector ID: ``google.secret-manager.v1``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Optional

from modelmesh.cdk.connector_secret_store import ManagedSecretStore, NetworkSecretStoreConfig
from modelmesh.interfaces.secret_store import InvalidConfigError

__all__ = [
    "GoogleSecretManagerSecretStore",
    "GoogleSecretManagerSecretStoreConfig",
]


@dataclass(kw_only=True, repr=False)
class GoogleSecretManagerSecretStoreConfig(NetworkSecretStoreConfig):
    """What a :class:`GoogleSecretManagerSecretStore` can be configured with.

    Attributes:
        project: The project's ID or number. Else that of the environment, of the credentials, or of gcloud.
        location: The location of regional secrets. They are global, if none is given.
        auth: How to log in. As Google's own tools do, if nothing is given.
        credentials_file: A file of credentials.
        endpoint: The address of the service, where it is another one.
        replication: Where a secret that ``set`` makes is kept: ``automatic``, or locations.
    """

    project: Optional[str] = None
    location: Optional[str] = None
    auth: Optional[Literal["application_default", "service_account", "anonymous"]] = None
    credentials_file: Optional[str] = None
    endpoint: Optional[str] = None
    replication: Optional[Sequence[str]] = None


class GoogleSecretManagerSecretStore(ManagedSecretStore):
    """Secrets in Google Secret Manager."""

    CONNECTOR_ID: str = "google.secret-manager.v1"

    _CONNECTOR = "google.secret-manager.v1"
    _CONFIG = GoogleSecretManagerSecretStoreConfig

    def __init__(self, config: GoogleSecretManagerSecretStoreConfig | None = None) -> None:
        config = config or GoogleSecretManagerSecretStoreConfig()
        if str(config.credentials_file or "").lstrip().startswith("{"):
            # As a path, it would be repeated in errors.
            raise InvalidConfigError(
                "'credentials_file' is the path of a file, and not what stands in it",
                kind="invalid_config",
                store=self.CONNECTOR_ID,
            )
        super().__init__(config)
