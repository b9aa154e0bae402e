"""Every secret store of this package, and its configuration."""

from __future__ import annotations

from modelmesh.connectors.secret_stores.age_file_store import AgeFileSecretStore, AgeFileSecretStoreConfig
from modelmesh.connectors.secret_stores.aws_store import (
    AwsSecretsManagerSecretStore,
    AwsSecretsManagerSecretStoreConfig,
)
from modelmesh.connectors.secret_stores.azure_store import AzureKeyVaultSecretStore, AzureKeyVaultSecretStoreConfig
from modelmesh.connectors.secret_stores.dotenv_store import DotenvSecretStore, DotenvSecretStoreConfig
from modelmesh.connectors.secret_stores.encrypted_file_store import (
    EncryptedFileSecretStore,
    EncryptedFileSecretStoreConfig,
)
from modelmesh.connectors.secret_stores.env_store import EnvSecretStore, EnvSecretStoreConfig
from modelmesh.connectors.secret_stores.google_store import (
    GoogleSecretManagerSecretStore,
    GoogleSecretManagerSecretStoreConfig,
)
from modelmesh.connectors.secret_stores.json_store import JsonSecretStore, JsonSecretStoreConfig
from modelmesh.connectors.secret_stores.keyring_store import KeyringSecretStore, KeyringSecretStoreConfig
from modelmesh.connectors.secret_stores.kubernetes_store import KubernetesSecretStore, KubernetesSecretStoreConfig
from modelmesh.connectors.secret_stores.memory_store import MemorySecretStore, MemorySecretStoreConfig
from modelmesh.connectors.secret_stores.onepassword_store import (
    OnePasswordConnectSecretStore,
    OnePasswordConnectSecretStoreConfig,
)
from modelmesh.connectors.secret_stores.vault_store import VaultSecretStore, VaultSecretStoreConfig

__all__ = [
    "AgeFileSecretStore",
    "AgeFileSecretStoreConfig",
    "AwsSecretsManagerSecretStore",
    "AwsSecretsManagerSecretStoreConfig",
    "AzureKeyVaultSecretStore",
    "AzureKeyVaultSecretStoreConfig",
    "DotenvSecretStore",
    "DotenvSecretStoreConfig",
    "EncryptedFileSecretStore",
    "EncryptedFileSecretStoreConfig",
    "EnvSecretStore",
    "EnvSecretStoreConfig",
    "GoogleSecretManagerSecretStore",
    "GoogleSecretManagerSecretStoreConfig",
    "JsonSecretStore",
    "JsonSecretStoreConfig",
    "KeyringSecretStore",
    "KeyringSecretStoreConfig",
    "KubernetesSecretStore",
    "KubernetesSecretStoreConfig",
    "MemorySecretStore",
    "MemorySecretStoreConfig",
    "OnePasswordConnectSecretStore",
    "OnePasswordConnectSecretStoreConfig",
    "VaultSecretStore",
    "VaultSecretStoreConfig",
]
