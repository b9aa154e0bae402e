"""AWS Secrets Manager. Connector ID: ``aws.secrets-manager.v1``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Optional

from modelmesh.cdk.connector_secret_store import ManagedSecretStore, NetworkSecretStoreConfig

__all__ = [
    "AwsSecretsManagerSecretStore",
    "AwsSecretsManagerSecretStoreConfig",
]


@dataclass(kw_only=True, repr=False)
class AwsSecretsManagerSecretStoreConfig(NetworkSecretStoreConfig):
    """What an :class:`AwsSecretsManagerSecretStore` can be configured with.

    Attributes:
        region: The region, such as ``us-east-1``. Else that of the environment, the profile or the machine.
        version_stage: The stage of the version that ``get`` reads: ``AWSCURRENT``, if none is given.
        auth: Where credentials come from. Wherever Amazon's own tools find them, if nothing is given.
        profile: A profile of ``~/.aws``, which is then the only place.
        access_key_id: The ID of an access key.
        secret_access_key: The secret of ``access_key_id``.
        session_token: The session of a temporary access key.
        role_arn: A role that is assumed with these credentials.
        endpoint: The address of the service, where it is another one.
        recovery_window_days: For how many days a deleted secret can be restored: 7 to 30, or 0 to delete it at once.
    """

    region: Optional[str] = None
    version_stage: Optional[str] = None
    auth: Optional[Literal["iam_role", "access_key", "profile"]] = None
    profile: Optional[str] = None
    access_key_id: Optional[str] = None
    secret_access_key: Optional[str] = field(default=None, repr=False)
    session_token: Optional[str] = field(default=None, repr=False)
    role_arn: Optional[str] = None
    endpoint: Optional[str] = None
    recovery_window_days: Optional[int] = None


class AwsSecretsManagerSecretStore(ManagedSecretStore):
    """Secrets in AWS Secrets Manager."""

    CONNECTOR_ID: str = "aws.secrets-manager.v1"

    _CONNECTOR = "aws.secrets-manager.v1"
    _CONFIG = AwsSecretsManagerSecretStoreConfig

    def __init__(self, config: AwsSecretsManagerSecretStoreConfig | None = None) -> None:
        super().__init__(config or AwsSecretsManagerSecretStoreConfig())
