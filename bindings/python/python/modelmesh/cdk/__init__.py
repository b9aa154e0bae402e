"""What stores of one's own are made with."""

from __future__ import annotations

from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.cdk.specialized import FileSecretStore, FileSecretStoreConfig

__all__ = [
    "BaseSecretStore",
    "BaseSecretStoreConfig",
    "FileSecretStore",
    "FileSecretStoreConfig",
]
