"""ModelMesh secrets: one name for a secret, over any store.

Stores are in :mod:`modelmesh.connectors.secret_stores`, the base of one's own in :mod:`modelmesh.cdk`.
:class:`SecretResolver` resolves the references of a configuration and follows their stores.
"""

from __future__ import annotations

import sys

from modelmesh import _installation
from modelmesh._installation import RouterFinder
from modelmesh.interfaces.secret_store import SecretNotFoundError, SecretStoreError, SecretValue
from modelmesh.resolver import AuthFailure, Generation, SecretResolver, Watch

__all__ = [
    "AuthFailure",
    "Generation",
    "SecretNotFoundError",
    "SecretResolver",
    "SecretStoreError",
    "SecretValue",
    "Watch",
]

sys.meta_path.append(RouterFinder())


def __getattr__(name: str) -> object:
    _installation.missing(__name__, name)
