"""Stores that need no code of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelmesh import _installation
from modelmesh.cdk.specialized.file_secret_store import FileSecretStore, FileSecretStoreConfig

__all__ = [
    "FileSecretStore",
    "FileSecretStoreConfig",
]


if not TYPE_CHECKING:
    # A type checker knows what there is.
    def __getattr__(name: str) -> object:
        _installation.missing(__name__, name)
