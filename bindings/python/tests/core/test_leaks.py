"""No value and no credential in anything that is shown or written by accident."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CANARY
from modelmesh import AuthFailure, SecretResolver
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.connectors import CONNECTOR_REGISTRY, secret_stores
from modelmesh.connectors.secret_stores import (
    AwsSecretsManagerSecretStoreConfig,
    AzureKeyVaultSecretStoreConfig,
    EncryptedFileSecretStore,
    EncryptedFileSecretStoreConfig,
    GoogleSecretManagerSecretStore,
    GoogleSecretManagerSecretStoreConfig,
    MemorySecretStore,
    MemorySecretStoreConfig,
    OnePasswordConnectSecretStoreConfig,
    VaultSecretStore,
    VaultSecretStoreConfig,
)
from modelmesh.interfaces.secret_store import SecretStoreError, SecretValue

#: What a field that may hold a secret is called. A new one must be one of them, or be shown.
SECRET_WORDS = (
    "secrets",
    "passphrase",
    "encryption_key",
    "token",
    "secret_access_key",
    "client_secret",
    "auth",
)

CONFIGS = [
    config
    for name, config in vars(secret_stores).items()
    if name.endswith("Config") and dataclasses.is_dataclass(config)
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_a_configuration_shows_no_secret(config: type[BaseSecretStoreConfig]) -> None:
    hidden = [field.name for field in dataclasses.fields(config) if not field.repr]
    assert "secrets" in hidden
    named = [
        field.name
        for field in dataclasses.fields(config)
        if any(word in field.name.split("_") or field.name == word for word in SECRET_WORDS)
        and "file" not in field.name
        # Which way to log in is a word, but for Vault, where it is the credentials themselves.
        and not (field.name == "auth" and "Literal" in str(field.type))
    ]
    assert set(named) <= set(hidden) | {"session_token"} and "secrets" in named
    settings: dict[str, object] = {name: CANARY for name in hidden if name != "secrets"}
    made = config(secrets={"a": CANARY}, **settings)  # type: ignore[arg-type]
    assert CANARY not in repr(made) + str(made)


def test_there_is_a_configuration_for_every_class() -> None:
    assert len(CONFIGS) == len(CONNECTOR_REGISTRY)


def test_a_configuration_masks_credentials_where_none_belong() -> None:
    address = f"https://user:{CANARY}@vault/x"
    config = VaultSecretStoreConfig(address=address, addresses=[address], mount="kv")
    assert CANARY not in repr(config)
    assert "address='https://***@vault/x', addresses=['https://***@vault/x']" in repr(config)
    assert "mount='kv'" in repr(config) and "token" not in repr(config).replace("token_file", "")
    for other in (
        AwsSecretsManagerSecretStoreConfig(endpoint=address),
        AzureKeyVaultSecretStoreConfig(vault_url=address),
        OnePasswordConnectSecretStoreConfig(server_url=address),
        GoogleSecretManagerSecretStoreConfig(credentials_file=f'{{"private_key": "{CANARY}"}}'),
    ):
        assert CANARY not in repr(other)


def shown_by(thing: object) -> str:
    return repr(thing) + str(thing) + repr(vars(thing)) + "".join(repr(each) for each in dir(thing))


def test_a_store_shows_no_secret(tmp_path: Path) -> None:
    stores: list[BaseSecretStore] = [
        BaseSecretStore(BaseSecretStoreConfig(secrets={"a": CANARY})),
        MemorySecretStore(MemorySecretStoreConfig(secrets={"a": CANARY})),
        EncryptedFileSecretStore(
            EncryptedFileSecretStoreConfig(file_path=str(tmp_path / "x"), passphrase=CANARY)
        ),
        VaultSecretStore(VaultSecretStoreConfig(address="https://127.0.0.1:1", token=CANARY)),
    ]
    for store in stores[:2]:
        assert store.get("a") == CANARY
    for store in stores:
        assert CANARY not in shown_by(store) + repr(store._cache)


def test_a_value_shows_no_secret() -> None:
    value = SecretValue(CANARY, version="7")
    assert repr(value) == "SecretValue(version='7', expires_at=None)"
    assert CANARY not in repr(AuthFailure("rotated", value))
    assert value == SecretValue(CANARY, version="7") and value.value == CANARY


@pytest.mark.parametrize(
    "make",
    [
        lambda: SecretValue(CANARY),
        lambda: AuthFailure("rotated", SecretValue(CANARY)),
        lambda: BaseSecretStoreConfig(secrets={"a": CANARY}),
        lambda: VaultSecretStoreConfig(token=CANARY),
        lambda: BaseSecretStore(BaseSecretStoreConfig(secrets={"a": CANARY})),
        lambda: MemorySecretStore(),
    ],
)
def test_nothing_that_holds_a_secret_is_pickled(make: Callable[[], object]) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled") as raised:
            pickle.dumps(make(), protocol)
        assert CANARY not in str(raised.value)


def test_what_holds_no_secret_is_pickled_and_all_configurations_are_copied() -> None:
    config = VaultSecretStoreConfig(address="https://vault", kv_version=2)
    assert pickle.loads(pickle.dumps(config)) == config
    secrets = {"a": CANARY}
    config = VaultSecretStoreConfig(secrets=secrets, token=CANARY)
    assert copy.copy(config) == copy.deepcopy(config) == config
    assert copy.copy(config).secrets is secrets and copy.deepcopy(config).secrets is not secrets
    assert dataclasses.replace(config, mount="kv").token == CANARY
    assert copy.deepcopy(SecretValue(CANARY)) == SecretValue(CANARY)


def test_a_copy_of_what_holds_a_store_has_the_same_store() -> None:
    @dataclasses.dataclass
    class Application:
        store: BaseSecretStore

    store = MemorySecretStore()
    application = Application(store)
    assert copy.copy(store) is store and copy.deepcopy(application).store is store
    assert dataclasses.asdict(application) == {"store": store}


@dataclasses.dataclass(slots=True)
class Slotted(BaseSecretStoreConfig):
    hosts: list[str] = dataclasses.field(default_factory=list)


def test_a_configuration_of_ones_own_is_copied_whole() -> None:
    config = Slotted(hosts=["one"])
    assert copy.copy(config) == copy.deepcopy(config) == config
    copy.deepcopy(config).hosts.append("two")
    assert config.hosts == ["one"]


@dataclasses.dataclass
class TokenConfig(BaseSecretStoreConfig):
    token: str = dataclasses.field(default="", repr=False)


class Refusing(BaseSecretStore):
    def __init__(self, config: TokenConfig) -> None:
        raise ValueError("not today")


@pytest.mark.parametrize("more", ["", ", bogus: 1"])
def test_no_error_of_a_class_holds_what_the_file_gave_it(
    more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKS_TOKEN", CANARY)
    monkeypatch.setitem(CONNECTOR_REGISTRY, "test.refusing.v1", Refusing)
    (tmp_path / "modelmesh.yaml").write_text(
        f"secrets: {{ store: test.refusing.v1, config: {{ token: '${{env:LEAKS_TOKEN}}'{more} }} }}\n"
        "providers: { p: { api_key: '${secrets:a}' } }"
    )
    with pytest.raises(SecretStoreError) as raised:
        SecretResolver.from_config(tmp_path / "modelmesh.yaml")
    told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert "_construction" in "".join(told.format()), "what is looked at is the way to the class"
    assert CANARY not in "".join(told.format())


def ours_in(error: BaseException) -> str:
    """The traceback with every variable in it, but for those of this file."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in told.stack if frame.filename != __file__]
    return "".join(traceback.StackSummary.from_list(frames).format()) + "".join(told.format_exception_only())


def test_no_error_holds_a_secret(tmp_path: Path) -> None:
    wrong_key = EncryptedFileSecretStore(
        EncryptedFileSecretStoreConfig(file_path=str(tmp_path / "secrets.enc"), encryption_key="0f" * 32)
    )
    wrong_key.set("a", CANARY)
    wrong_key.save()
    other = EncryptedFileSecretStore(
        EncryptedFileSecretStoreConfig(file_path=str(tmp_path / "secrets.enc"), encryption_key="1f" * 32)
    )
    other.set("b", CANARY)
    memory = MemorySecretStore()
    vault = VaultSecretStore(
        VaultSecretStoreConfig(address="http://127.0.0.1:1", token=CANARY, resolution={"retry": {"tries": 1}})
    )
    (tmp_path / "modelmesh.yaml").write_text(
        f"secrets: {{ stoer: '{CANARY}' }}\na: '${{secrets:x:-{CANARY}}} ${{secrets:'"
    )
    attempts: list[Callable[[], object]] = [
        lambda: other.get("a"),
        other.save,
        lambda: memory.set("", CANARY),
        lambda: memory.set("a", f"{CANARY}\ud800"),
        lambda: memory.set("a", [CANARY]),  # type: ignore[arg-type]
        lambda: vault.get("a"),
        lambda: vault.set("a", CANARY),
        lambda: asyncio.run(vault.aset("a", CANARY)),
        lambda: asyncio.run(vault.aset("a", f"{CANARY}\ud800")),
        lambda: asyncio.run(memory.aset("", CANARY)),
        lambda: VaultSecretStoreConfig(token=CANARY, tokn=CANARY),  # type: ignore[call-arg]
        lambda: VaultSecretStore(VaultSecretStoreConfig(token=CANARY, kv_version=3)),
        lambda: VaultSecretStore(VaultSecretStoreConfig(address=f"https://user:{CANARY}@x", token=CANARY)),
        lambda: GoogleSecretManagerSecretStore(
            GoogleSecretManagerSecretStoreConfig(project="p", credentials_file=f' {{"key": "{CANARY}"}}')
        ),
        lambda: SecretResolver.from_config(tmp_path / "modelmesh.yaml"),
    ]
    for attempt in attempts:
        with pytest.raises((SecretStoreError, TypeError, ValueError)) as raised:
            attempt()
        assert CANARY not in ours_in(raised.value), inspect.getsource(attempt)
        assert CANARY not in repr(raised.value) + repr(vars(raised.value))
        for cause in (raised.value.__cause__, raised.value.__context__):
            assert cause is None or CANARY not in repr(cause) + repr(vars(cause))


class Refused(tuple[str]):
    @classmethod
    def _make(cls, values: object) -> Refused:
        raise ValueError("not this")


def test_no_variable_of_a_resolution_holds_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKS_TOKEN", CANARY)
    (tmp_path / "modelmesh.yaml").write_text("{}")
    resolver = SecretResolver.from_config(tmp_path / "modelmesh.yaml")
    refused = {"a": "${secrets:LEAKS_TOKEN}", "b": Refused(("${secrets:LEAKS_TOKEN}",))}
    for resolve in (resolver.resolve_all, lambda config: asyncio.run(resolver.aresolve_all(config))):
        with pytest.raises(ValueError) as raised:
            resolve(refused)
        assert "resolver.py" in ours_in(raised.value), "what is looked at is there"
        assert CANARY not in ours_in(raised.value)
