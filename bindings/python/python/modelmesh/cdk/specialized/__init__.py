"""Stores that need no code of one's own."""

from __future__ import annotations

from modelmesh.cdk.specialized.file_secret_store import FileSecretStore, FileSecretStoreConfig

__all__ = [
    "FileSecretStore",
    "FileSecretStoreConfig",
]
