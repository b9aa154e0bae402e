"""The interfaces of ModelMesh that this package implements: those of secret stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelmesh import _installation
from modelmesh.interfaces.secret_store import (
    BlockingCallWarning,
    InvalidConfigError,
    InvalidNameError,
    SecretFileError,
    SecretManagement,
    SecretNotFoundError,
    SecretResolution,
    SecretStoreConnector,
    SecretStoreError,
    SecretValue,
)

__all__ = [
    "BlockingCallWarning",
    "InvalidConfigError",
    "InvalidNameError",
    "SecretFileError",
    "SecretManagement",
    "SecretNotFoundError",
    "SecretResolution",
    "SecretStoreConnector",
    "SecretStoreError",
    "SecretValue",
]


if not TYPE_CHECKING:
    # A type checker knows what there is.
    def __getattr__(name: str) -> object:
        _installation.missing(__name__, name)
