"""The contract of the interface, on every store that needs no server, and on one that does."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from forking import in_child
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig, FileSecretStore, FileSecretStoreConfig
from modelmesh.cdk.connector_secret_store import ManagedSecretStore
from modelmesh.connectors.secret_stores import (
    AgeFileSecretStore,
    AgeFileSecretStoreConfig,
    DotenvSecretStore,
    DotenvSecretStoreConfig,
    EncryptedFileSecretStore,
    EncryptedFileSecretStoreConfig,
    EnvSecretStore,
    EnvSecretStoreConfig,
    JsonSecretStore,
    JsonSecretStoreConfig,
    MemorySecretStore,
    MemorySecretStoreConfig,
    VaultSecretStore,
)
from modelmesh.interfaces.secret_store import (
    SecretManagement,
    SecretResolution,
    SecretStoreConnector,
    SecretStoreError,
)

NAME, VALUE = "CONTRACT_KEY", 'one "two" = $three #four'
KEY = "0f" * 32

Store = BaseSecretStore
Make = Callable[..., Store]


def base(folder: Path, **config: object) -> Store:
    return BaseSecretStore(BaseSecretStoreConfig(secrets={NAME: VALUE}, **config))  # type: ignore[arg-type]


def memory(folder: Path, **config: object) -> Store:
    return MemorySecretStore(MemorySecretStoreConfig(secrets={NAME: VALUE}, **config))  # type: ignore[arg-type]


def env(folder: Path, **config: object) -> Store:
    os.environ[f"CONTRACT_{NAME}"] = VALUE
    return EnvSecretStore(EnvSecretStoreConfig(prefix="CONTRACT_", **config))  # type: ignore[arg-type]


def dotenv(folder: Path, **config: object) -> Store:
    (folder / ".env").write_text(f"{NAME}='{VALUE}'\n")
    return DotenvSecretStore(DotenvSecretStoreConfig(file_path=str(folder / ".env"), **config))  # type: ignore[arg-type]


def json_file(folder: Path, **config: object) -> Store:
    (folder / "secrets.json").write_text(json.dumps({"scope": {NAME: VALUE}}))
    path = str(folder / "secrets.json")
    return JsonSecretStore(JsonSecretStoreConfig(file_path=path, json_path="scope", **config))  # type: ignore[arg-type]


def toml_file(folder: Path, **config: object) -> Store:
    (folder / "secrets.toml").write_text(f"{NAME} = '{VALUE}'\n")
    path = str(folder / "secrets.toml")
    return FileSecretStore(FileSecretStoreConfig(file_path=path, format="TOML", **config))  # type: ignore[arg-type]


def beside_a_file(folder: Path, **config: object) -> Store:
    (folder / ".env").write_text("OTHER=1\n")
    path = str(folder / ".env")
    return FileSecretStore(FileSecretStoreConfig(file_path=path, secrets={NAME: VALUE}, **config))  # type: ignore[arg-type]


def encrypted(folder: Path, **config: object) -> Store:
    path = str(folder / "secrets.enc")
    writer = EncryptedFileSecretStore(EncryptedFileSecretStoreConfig(file_path=path, encryption_key=KEY))
    writer.set(NAME, VALUE)
    writer.save()
    settings = EncryptedFileSecretStoreConfig(file_path=path, encryption_key=KEY, **config)  # type: ignore[arg-type]
    return EncryptedFileSecretStore(settings)


STORES = [base, memory, env, dotenv, json_file, toml_file, beside_a_file, encrypted]
MANAGED = [memory, encrypted]

every_store = pytest.mark.parametrize("make", STORES)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever a test adds goes away with it.
    monkeypatch.setattr(os, "environ", os.environ.copy())


@every_store
def test_a_secret_is_read_by_its_name(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    assert store.get(NAME) == VALUE
    assert store.get(NAME) == VALUE, "from the cache"
    assert isinstance(store, SecretResolution) and isinstance(store, SecretStoreConnector)


@every_store
def test_a_missing_name_is_a_key_error(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    with pytest.raises(KeyError) as raised:
        store.get("NO_SUCH_KEY")
    assert raised.value.args == ("Secret not found: NO_SUCH_KEY",)
    assert isinstance(raised.value, SecretStoreError) and raised.value.kind == "not_found"


@every_store
def test_a_missing_name_is_an_empty_text_if_it_may_be_missing(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path, fail_on_missing=False)
    assert store.get("NO_SUCH_KEY") == ""
    assert store.get(NAME) == VALUE


@every_store
@pytest.mark.parametrize(
    "name", ["constructor", "__proto__", "__class__", "toString", "get", "_resolve", "ключ"]
)
def test_no_name_means_anything_to_the_language(make: Make, name: str, tmp_path: Path) -> None:
    store = make(tmp_path)
    with pytest.raises(KeyError):
        store.get(name)
    if make in MANAGED:
        assert isinstance(store, SecretManagement)
        store.set(name, "1")
        assert store.get(name) == "1"
        assert name in store.list()


@every_store
def test_what_is_no_name_is_not_found_and_says_why(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    for name in ["", "..", "a/../b", "a\nb", "half \ud800"]:
        with pytest.raises(KeyError, match="Secret not found") as raised:
            store.get(name)
        assert isinstance(raised.value, ValueError) and isinstance(raised.value, SecretStoreError)
        assert raised.value.kind == "invalid_name"
    with pytest.raises(TypeError, match="a secret's name is a str, not int"):
        store.get(1)  # type: ignore[arg-type]


@every_store
def test_a_cache_is_kept_or_not(make: Make, tmp_path: Path) -> None:
    cached = make(tmp_path)
    cached.get(NAME)
    assert NAME in cached._cache and len(cached._cache) == 1
    cached.clear_cache()
    assert NAME not in cached._cache and len(cached._cache) == 0
    configs: list[dict[str, object]] = [{"cache_enabled": False}, {"cache_ttl_ms": 0}, {"cache_ttl_ms": -1}]
    for config in configs:
        uncached = make(tmp_path, **config)
        assert uncached.get(NAME) == VALUE
        assert NAME not in uncached._cache, config


@every_store
async def test_a_loop_reads_the_same(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    assert await store.aget(NAME) == VALUE
    assert await store.aget(NAME) == VALUE, "from the cache"
    with pytest.raises(KeyError):
        await store.aget("NO_SUCH_KEY")
    assert await make(tmp_path, fail_on_missing=False).aget("NO_SUCH_KEY") == ""


@pytest.mark.parametrize("make", MANAGED)
def test_what_is_written_is_read(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    assert isinstance(store, SecretManagement)
    assert store.get(NAME) == VALUE
    store.set(NAME, "new")
    store.set("AN_OTHER", "")
    assert (store.get(NAME), store.get("AN_OTHER")) == ("new", "")
    assert store.list() == ["AN_OTHER", NAME]
    store.delete(NAME)
    with pytest.raises(KeyError) as raised:
        store.get(NAME)
    with pytest.raises(KeyError) as raised:
        store.delete(NAME)
    assert raised.value.args == (f"Secret not found: {NAME}",)
    with pytest.raises(TypeError, match="a secret's value is a str, not int"):
        store.set(NAME, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", MANAGED)
def test_what_is_written_in_a_loop_is_read(make: Callable[..., ManagedSecretStore], tmp_path: Path) -> None:
    store = make(tmp_path)
    asyncio.run(store.aset(NAME, "new"))
    assert store.get(NAME) == "new"

    async def write() -> list[str]:
        task = asyncio.create_task(store.aset("AN_OTHER", "2"))
        await asyncio.gather(task, store.adelete(NAME))
        with pytest.raises(KeyError):
            await store.adelete(NAME)
        return await store.alist()

    assert asyncio.run(write()) == ["AN_OTHER"]


def test_a_dotenv_file_is_edited_and_keeps_its_comments(tmp_path: Path) -> None:
    store = dotenv(tmp_path)
    assert isinstance(store, DotenvSecretStore)
    (tmp_path / ".env").write_text("# mine\nA=1\n")
    store.set("B", "2")
    assert (tmp_path / ".env").read_text() == "# mine\nA=1\nB=2\n"
    assert store.list() == ["A", "B"]
    store.delete("A")
    assert store.list() == ["B"]


async def test_an_age_file_is_written_when_set_returns(tmp_path: Path, identity: Path) -> None:
    def open_store() -> AgeFileSecretStore:
        path = str(tmp_path / "secrets.age")
        return AgeFileSecretStore(AgeFileSecretStoreConfig(path=path, identity=str(identity)))

    open_store().set(NAME, VALUE)
    assert open_store().get(NAME) == VALUE
    await open_store().aset("ANOTHER", "2")
    assert await open_store().alist() == ["ANOTHER", NAME]
    await open_store().adelete(NAME)
    with pytest.raises(KeyError):
        await open_store().aget(NAME)


async def test_a_server_is_written_and_read(open_vault: Callable[..., VaultSecretStore]) -> None:
    store = open_vault()
    await store.aset("openai-key", VALUE)
    assert await store.aget("openai-key") == VALUE
    assert await store.alist() == ["openai-key"]
    await store.adelete("openai-key")
    with pytest.raises(KeyError):
        await store.aget("openai-key")


def test_settings_are_judged_when_a_store_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64 hex digits") as raised:
        EncryptedFileSecretStore(EncryptedFileSecretStoreConfig(file_path="x", encryption_key="short"))
    assert isinstance(raised.value, SecretStoreError) and raised.value.kind == "invalid_config"
    with pytest.raises(ValueError, match="'format' takes one of"):
        FileSecretStore(FileSecretStoreConfig(file_path="x", format="ini"))
    with pytest.raises(ValueError, match="unknown setting 'max_stael'"):
        AgeFileSecretStore(AgeFileSecretStoreConfig(path="x", resolution={"max_stael": "1h"}))


def test_a_file_that_is_not_there_is_no_empty_store(tmp_path: Path) -> None:
    store = JsonSecretStore(
        JsonSecretStoreConfig(file_path=str(tmp_path / "none.json"), fail_on_missing=False)
    )
    with pytest.raises(SecretStoreError) as raised:
        store.get(NAME)
    assert raised.value.kind == "io" and not isinstance(raised.value, KeyError)


@pytest.mark.parametrize("make", [dotenv, json_file, toml_file, encrypted])
def test_a_relative_path_means_what_it_meant_to_the_constructor(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".env").write_text(f"{NAME}=other\n")
    monkeypatch.chdir(tmp_path)
    stores = [make(Path(), cache_enabled=False), make(Path())]
    monkeypatch.chdir("other")
    assert [store.get(NAME) for store in stores] == [VALUE] * 2
    assert in_child(lambda: [store.get(NAME) for store in stores]) == [VALUE] * 2, "where it opens them anew"


def test_the_environment_is_that_of_python(tmp_path: Path) -> None:
    store = EnvSecretStore(EnvSecretStoreConfig(cache_enabled=False))
    os.environ["CONTRACT_LIVE"] = "1"
    assert store.get("contract-live") == "1", "in capitals, where there is no variable of that name"
    os.environ["CONTRACT_LIVE"] = "2"
    assert store.get("CONTRACT_LIVE") == "2"


def test_a_keyring_that_is_not_there_is_no_empty_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from modelmesh.connectors.secret_stores import KeyringSecretStore

    monkeypatch.setitem(os.environ, "DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    store = KeyringSecretStore()
    with pytest.raises(SecretStoreError) as raised:
        store.get(NAME)
    assert not isinstance(raised.value, KeyError)
    assert not store.keyring_available
