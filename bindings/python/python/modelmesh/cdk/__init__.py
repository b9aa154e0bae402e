"""What stores of one's own are made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelmesh import _installation
from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.cdk.specialized import FileSecretStore, FileSecretStoreConfig

__all__ = [
    "BaseSecretStore",
    "BaseSecretStoreConfig",
    "FileSecretStore",
    "FileSecretStoreConfig",
]


if not TYPE_CHECKING:
    # A type checker knows what there is.
    def __getattr__(name: str) -> object:
        _installation.missing(__name__, name)
