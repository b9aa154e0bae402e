"""The encrypted file: changes are kept until they are saved, and no save loses anything."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from modelmesh.connectors.secret_stores import EncryptedFileSecretStore, EncryptedFileSecretStoreConfig
from modelmesh.interfaces.secret_store import SecretStoreError

KEY = "0f" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.enc"


def open_store(path: Path, **config: object) -> EncryptedFileSecretStore:
    settings: dict[str, object] = {"encryption_key": KEY, **config}
    return EncryptedFileSecretStore(EncryptedFileSecretStoreConfig(file_path=str(path), **settings))  # type: ignore[arg-type]


def test_changes_are_the_stores_own_until_they_are_saved(path: Path) -> None:
    store = open_store(path)
    store.set("a", "1")
    assert store.get("a") == "1" and store.list() == ["a"]
    assert not path.exists()
    store.save()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = open_store(path)
    assert other.get("a") == "1"
    other.delete("a")
    assert store.get("a") == "1"
    other.save()
    assert other.list() == [] and open_store(path).list() == []


def test_a_save_keeps_what_others_wrote(path: Path) -> None:
    mine, theirs = open_store(path), open_store(path)
    mine.set("mine", "1")
    theirs.set("theirs", "2")
    theirs.set("both", "theirs")
    mine.set("both", "mine")
    mine.save()
    theirs.save()
    assert open_store(path).list() == ["both", "mine", "theirs"]
    assert open_store(path).get("both") == "theirs", "who saves last wins, as to a name that both changed"


def test_a_wrong_key_is_no_empty_store_and_writes_nothing(path: Path) -> None:
    store = open_store(path)
    store.set("a", "1")
    store.save()
    before = path.read_bytes()
    wrong = open_store(path, encryption_key="1f" * 32)
    attempts: list[Callable[[], object]] = [
        lambda: wrong.get("a"),
        wrong.list,
        lambda: wrong.delete("a"),
    ]
    for attempt in attempts:
        with pytest.raises(SecretStoreError) as raised:
            attempt()
        assert raised.value.kind == "locked" and not isinstance(raised.value, KeyError)
    wrong.set("b", "2")
    with pytest.raises(SecretStoreError):
        wrong.save()
    assert path.read_bytes() == before
    assert wrong.get("b") == "2", "nothing is lost that was to be saved"


def test_a_damaged_file_is_an_error_and_is_not_written(path: Path) -> None:
    path.write_text("{")
    store = open_store(path)
    store.set("a", "1")
    with pytest.raises(SecretStoreError) as raised:
        store.save()
    assert raised.value.kind == "malformed"
    assert path.read_text() == "{"


def test_a_passphrase_opens_what_it_closed(path: Path) -> None:
    def with_passphrase(passphrase: str) -> EncryptedFileSecretStore:
        return open_store(path, encryption_key="", passphrase=passphrase, pbkdf2_iterations=1000)

    store = with_passphrase("correct")
    store.set("a", "1")
    store.save()
    assert with_passphrase("correct").get("a") == "1"
    with pytest.raises(SecretStoreError) as raised:
        with_passphrase("wrong").get("a")
    assert raised.value.kind == "locked"


def test_a_save_makes_the_file_even_of_nothing(path: Path) -> None:
    store = open_store(path)
    store.set("a", "1")
    store.delete("a")
    store.save()
    assert path.exists() and open_store(path).list() == []
    path.unlink()
    open_store(path).save()
    assert path.exists() and open_store(path).list() == []


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    store = open_store(tmp_path / "none" / "secrets.enc")
    store.set("a", "1")
    with pytest.raises(OSError) as raised:
        store.save()
    assert isinstance(raised.value, SecretStoreError) and raised.value.kind == "io"
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize(
    "config", [{"encryption_key": "abc"}, {"encryption_key": "g" * 64}, {"passphrase": "p", "pbkdf2_iterations": 0}]
)
@pytest.mark.parametrize("file_path", ["", "secrets.enc"])
def test_a_key_that_is_none_is_refused_at_once(file_path: str, config: dict[str, object]) -> None:
    with pytest.raises(ValueError) as raised:
        EncryptedFileSecretStore(EncryptedFileSecretStoreConfig(file_path=file_path, **config))  # type: ignore[arg-type]
    assert isinstance(raised.value, SecretStoreError) and raised.value.kind == "invalid_config"


def test_a_store_without_a_file_is_in_memory() -> None:
    store = EncryptedFileSecretStore()
    assert store.crypto_available
    store.set("a", "1")
    assert store.get("a") == "1" and store.list() == ["a"]
    with pytest.raises(ValueError, match="No file_path configured"):
        store.save()
    store.delete("a")
    with pytest.raises(KeyError):
        store.get("a")
    assert EncryptedFileSecretStore().list() == [], "another store is another one"
