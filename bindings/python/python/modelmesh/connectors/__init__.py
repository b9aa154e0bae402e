"""The connectors of this package, and the registry that finds a class by its ID."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from modelmesh import _installation
from modelmesh.connectors.secret_stores import (
    AgeFileSecretStore,
    AwsSecretsManagerSecretStore,
    AzureKeyVaultSecretStore,
    DotenvSecretStore,
    EncryptedFileSecretStore,
    EnvSecretStore,
    GoogleSecretManagerSecretStore,
    JsonSecretStore,
    KeyringSecretStore,
    KubernetesSecretStore,
    MemorySecretStore,
    OnePasswordConnectSecretStore,
    VaultSecretStore,
)

__all__ = [
    "CONNECTOR_REGISTRY",
    "AgeFileSecretStore",
    "AwsSecretsManagerSecretStore",
    "AzureKeyVaultSecretStore",
    "DotenvSecretStore",
    "EncryptedFileSecretStore",
    "EnvSecretStore",
    "GoogleSecretManagerSecretStore",
    "JsonSecretStore",
    "KeyringSecretStore",
    "KubernetesSecretStore",
    "MemorySecretStore",
    "OnePasswordConnectSecretStore",
    "VaultSecretStore",
    "register_connector",
]

#: The class of each connector, by its ID. A class that is put here is found by its ID from a configuration file.
CONNECTOR_REGISTRY: dict[str, type] = {
    AgeFileSecretStore.CONNECTOR_ID: AgeFileSecretStore,
    AwsSecretsManagerSecretStore.CONNECTOR_ID: AwsSecretsManagerSecretStore,
    AzureKeyVaultSecretStore.CONNECTOR_ID: AzureKeyVaultSecretStore,
    DotenvSecretStore.CONNECTOR_ID: DotenvSecretStore,
    EncryptedFileSecretStore.CONNECTOR_ID: EncryptedFileSecretStore,
    EnvSecretStore.CONNECTOR_ID: EnvSecretStore,
    GoogleSecretManagerSecretStore.CONNECTOR_ID: GoogleSecretManagerSecretStore,
    JsonSecretStore.CONNECTOR_ID: JsonSecretStore,
    KeyringSecretStore.CONNECTOR_ID: KeyringSecretStore,
    KubernetesSecretStore.CONNECTOR_ID: KubernetesSecretStore,
    MemorySecretStore.CONNECTOR_ID: MemorySecretStore,
    OnePasswordConnectSecretStore.CONNECTOR_ID: OnePasswordConnectSecretStore,
    VaultSecretStore.CONNECTOR_ID: VaultSecretStore,
}

_C = TypeVar("_C", bound=type)


@overload
def register_connector(connector_id: str, connector: _C) -> _C: ...
@overload
def register_connector(connector_id: str) -> Callable[[_C], _C]: ...
def register_connector(connector_id: str, connector: Any = None) -> Any:
    """Put a class into :data:`CONNECTOR_REGISTRY`, in place of whatever is there. May be used as a decorator.

    From then on, ``store: <connector_id>`` in a configuration file is a store of that class. It is made with what
    stands under ``config:``: as the dataclass that its ``__init__`` takes, or as keyword arguments.

    Raises:
        TypeError: The ID is not a ``str``, as where a decorator is written without one; or the connector is no class.
    """
    if not isinstance(connector_id, str):
        raise TypeError("a connector is registered under an ID: @register_connector('company.vault.v1')")
    if connector is None:
        return lambda decorated: register_connector(connector_id, decorated)
    if not isinstance(connector, type):
        raise TypeError(f"what is registered as {connector_id!r} must be a class")
    CONNECTOR_REGISTRY[connector_id] = connector
    return connector


if not TYPE_CHECKING:
    # A type checker knows what there is.
    def __getattr__(name: str) -> object:
        _installation.missing(__name__, name)
