"""What the tests of the package itself share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from modelmesh.connectors.secret_stores import VaultSecretStore, VaultSecretStoreConfig
from vault_server import TOKEN, VaultServer

#: Part of every value and credential of the tests: wherever it turns up, something leaked.
CANARY = "canary-7f3a"


@pytest.fixture
def vault() -> Iterator[VaultServer]:
    server = VaultServer()
    yield server
    server.close()


@pytest.fixture
def open_vault(vault: VaultServer) -> Callable[..., VaultSecretStore]:
    """Makes a store on the server."""

    def open_store(**config: object) -> VaultSecretStore:
        settings = VaultSecretStoreConfig(address=vault.address, token=TOKEN, kv_version=1, **config)  # type: ignore[arg-type]
        return VaultSecretStore(settings)

    return open_store


@pytest.fixture
def identity() -> Path:
    """An age identity that the Rust tests use, too."""
    return Path(__file__).parents[4] / "crates/stores/tests/fixtures/age-file/identity.txt"
