"""An application with strict types, which sees of the package what its stubs say. It is checked, and never run.

A line that the package's types do not allow fails `mypy --strict`, and so does one that they should not allow but do:
an unused `type: ignore` is an error.
"""

from __future__ import annotations

from typing import assert_type

from modelmesh import SecretResolver, SecretStoreError
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig, FileSecretStore, FileSecretStoreConfig
from modelmesh.connectors import CONNECTOR_REGISTRY, register_connector
from modelmesh.connectors.secret_stores import (
    EncryptedFileSecretStore,
    EncryptedFileSecretStoreConfig,
    EnvSecretStore,
)
from modelmesh.interfaces.secret_store import SecretManagement, SecretResolution, SecretValue


class Drawer(BaseSecretStore, SecretManagement):
    CONNECTOR_ID = "application.drawer.v1"

    def _resolve(self, name: str) -> str | None:
        return super()._resolve(name)

    def set(self, name: str, value: str) -> None:
        self._config.secrets[name] = value
        self.clear_cache()

    def list(self) -> list[str]:
        return sorted(self._config.secrets)

    def delete(self, name: str) -> None:
        del self._config.secrets[name]


class Versioned(BaseSecretStore):
    def _resolve(self, name: str) -> SecretValue | None:
        return SecretValue("sk", version="1")


class Wrong(BaseSecretStore):
    def _resolve(self, name: int) -> str | None:  # type: ignore[override]
        return None


def read(store: SecretResolution) -> str:
    try:
        return store.get("openai-key")
    except SecretStoreError as error:
        assert_type(error.kind, str)
        raise


async def read_in_a_loop(store: BaseSecretStore, resolver: SecretResolver) -> None:
    assert_type(await store.aget("openai-key"), str)
    await resolver.aresolve_all({"key": "${secrets:openai-key}"})


def use() -> None:
    drawer = Drawer(BaseSecretStoreConfig(secrets={"openai-key": "sk"}, cache_ttl_ms=1_000))
    assert_type(read(drawer), str)
    read(EnvSecretStore())
    read(FileSecretStore(FileSecretStoreConfig(file_path="secrets.toml", format="toml")))
    read("openai-key")  # type: ignore[arg-type]

    encrypted = EncryptedFileSecretStore(EncryptedFileSecretStoreConfig(file_path="s.enc", passphrase="p"))
    encrypted.set("openai-key", "sk")
    encrypted.save()
    assert_type(encrypted.list(), list[str])
    assert_type(encrypted.crypto_available, bool)
    encrypted.set("openai-key", 1)  # type: ignore[arg-type]

    register_connector(Drawer.CONNECTOR_ID, Drawer)
    assert_type(CONNECTOR_REGISTRY, dict[str, type])
    value = SecretValue("sk", version="1")
    assert_type(value.version, str | None)


def resolve() -> None:
    resolver = SecretResolver.from_config("modelmesh.yaml")
    assert_type(resolver.resolve("${secrets:openai-key}"), str)
    resolver.activate("openai", "rotation")
    resolver.reload()
