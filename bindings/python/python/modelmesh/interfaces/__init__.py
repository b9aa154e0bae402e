"""The interfaces of ModelMesh that this package implements: those of secret stores."""

from __future__ import annotations

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
