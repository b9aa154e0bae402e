"""`SecretResolver`: references of a configuration, and providers that follow their stores."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from awaiting import LONG
from conftest import CANARY
from modelmesh import SecretResolver
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.connectors import CONNECTOR_REGISTRY, register_connector
from modelmesh.interfaces.secret_store import SecretStoreError

Load = Callable[[str], SecretResolver]

#: The secrets of the class below, which tests change as somebody else would.
TABLE: dict[str, str] = {}


@dataclass
class TableConfig(BaseSecretStoreConfig):
    prefix: str = ""
    token: str = field(default="", repr=False)
    limits: dict[str, int] = field(default_factory=dict)


class TableStore(BaseSecretStore):
    made: list[TableConfig] = []

    def __init__(self, config: TableConfig) -> None:
        super().__init__(config)
        self.made.append(config)
        self._table_config = config

    def _resolve(self, name: str) -> str | None:
        return TABLE.get(self._table_config.prefix + name)


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    before = dict(CONNECTOR_REGISTRY)
    register_connector("test.table.v1", TableStore)
    TABLE.clear()
    TABLE.update(a="1", b="2")
    TableStore.made.clear()
    yield
    CONNECTOR_REGISTRY.clear()
    CONNECTOR_REGISTRY.update(before)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> SecretResolver:
        (tmp_path / "modelmesh.yaml").write_text(text)
        return SecretResolver.from_config(tmp_path / "modelmesh.yaml")

    return load


STORE = "secrets: { store: test.table.v1 }\n"
PROVIDER = STORE + "providers: { p: { api_key: '${secrets:a}', url: 'https://x', org: '${secrets:b} org' } }"


def test_what_is_wrong_comes_with_what_to_do(load: Load) -> None:
    with pytest.raises(SecretStoreError) as raised:
        load("secrets: { store: modelmesh.dotenv.v1, file_pth: x }")
    assert raised.value.help == "did you mean 'file_path'?"
    assert raised.value.__notes__ == ["did you mean 'file_path'?"]
    with pytest.raises(SecretStoreError) as raised:
        load(PROVIDER.replace("{ p:", "{ openai:")).current("opnai")
    assert (str(raised.value), raised.value.help) == (
        "the configuration has no provider 'opnai'",
        "did you mean 'openai'?",
    )


def test_a_bare_name_is_of_the_default_store(load: Load) -> None:
    resolver = load(STORE)
    assert resolver.get("a") == resolver.get("${secrets:a}")


def test_texts_are_resolved(load: Load) -> None:
    resolver = load(STORE)
    assert resolver.resolve("${secrets:a}") == "1"
    assert resolver.resolve("Bearer ${secrets:a}-${secrets:b} $${secrets:a} ${HOME}") == "Bearer 1-2 ${secrets:a} ${HOME}"
    assert resolver.resolve("${secrets:none:-else}") == "else"
    assert resolver.resolve("nothing") == "nothing"
    TABLE["a"] = "${secrets:b}"
    resolver.invalidate("${secrets:a}")
    assert resolver.resolve("${secrets:a}") == "${secrets:b}", "a value is not read again"


class Pair(NamedTuple):
    left: str
    right: int


def test_a_tuple_of_any_class_is_resolved(load: Load) -> None:
    started = time.gmtime(0)
    resolved = load(STORE).resolve_all({"started": started, "key": "${secrets:a}"})
    assert resolved == {"started": tuple(started), "key": "1"}


def test_a_mapping_is_resolved_into_a_new_one(load: Load) -> None:
    config = {
        "key": "${secrets:a}",
        "deep": [{"x": ("${secrets:b}", 7)}, None, 1.5, Pair("${secrets:a}", 2)],
        "${secrets:a}": "keys stay",
        "secrets": {"bootstrap": "${secrets:a}"},
    }
    before = copy.deepcopy(config)
    resolved = load(STORE).resolve_all(config)
    assert resolved == {
        "key": "1",
        "deep": [{"x": ("2", 7)}, None, 1.5, Pair("1", 2)],
        "${secrets:a}": "keys stay",
        "secrets": {"bootstrap": "${secrets:a}"},
    }
    assert isinstance(resolved["deep"][3], Pair)
    assert config == before and resolved["deep"] is not config["deep"]


def test_everything_that_failed_is_told_at_once(load: Load) -> None:
    resolver = load(STORE)
    with pytest.raises(KeyError) as one:
        resolver.resolve("${secrets:none}")
    assert one.value.args == ("Secret not found: none",)
    with pytest.raises(KeyError) as missing:
        resolver.resolve_all({"x": "${secrets:none}", "y": "${secrets:nor-this} ${secrets:none}"})
    assert isinstance(missing.value, SecretStoreError)
    assert [error.name for error in missing.value.errors] == ["none", "nor-this"]
    with pytest.raises(SecretStoreError) as mixed:
        resolver.resolve_all({"x": "${secrets:none}", "y": "${secrets.other:a}"})
    assert not isinstance(mixed.value, KeyError) and mixed.value.kind == "invalid_config"
    assert "none" in str(mixed.value) and "other" in str(mixed.value)


def test_what_may_be_missing_is_nothing(load: Load) -> None:
    resolver = load("secrets: { store: test.table.v1, fail_on_missing: false }")
    assert resolver.resolve("<${secrets:none}>") == "<>"
    assert resolver.resolve_all({"x": "${secrets:none}", "y": "${secrets:a}"}) == {"x": "", "y": "1"}


def test_a_class_is_made_as_its_configuration_takes_it(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE_TOKEN", CANARY)
    TABLE["mine-a"] = "3"
    resolver = load(
        """
secrets:
  store: test.table.v1
  config: { prefix: mine-, token: "${TABLE_TOKEN}", limits: { depth: 3 }, cache_ttl_ms: 5000, fail_on_missing: false }
"""
    )
    assert resolver.resolve("${secrets:a}") == "3" and resolver.resolve("${secrets:none}") == ""
    [config] = TableStore.made
    assert config == TableConfig(
        prefix="mine-", token=CANARY, limits={"depth": 3}, cache_ttl_ms=5000, fail_on_missing=False
    )


def test_a_class_without_a_configuration_is_made_by_keywords(load: Load) -> None:
    @register_connector("test.plain.v1")
    class Plain:
        def __init__(self, table: str, *, depth: int = 1) -> None:
            self.name = f"{table}/{depth}"

        def get(self, name: str) -> str:
            if name == "none":
                raise KeyError(name)
            return f"{self.name}/{name}"

    resolver = load("secrets: { store: test.plain.v1, table: t, depth: 2, cache_ttl_ms: 1000 }")
    assert resolver.resolve("${secrets:x}") == "t/2/x"
    assert resolver.resolve("${secrets:none:-else}") == "else"


def test_what_cannot_be_registered_is_refused() -> None:
    no_id: Any = TableStore
    with pytest.raises(TypeError, match="under an ID"):
        register_connector(no_id)
    no_class: Any = "test.table.v1"
    with pytest.raises(TypeError, match="must be a class"):
        register_connector("test.none.v1", no_class)
    assert "test.none.v1" not in CONNECTOR_REGISTRY


def test_a_class_in_the_place_of_one_of_ours_is_used(load: Load) -> None:
    CONNECTOR_REGISTRY["modelmesh.env.v1"] = TableStore
    assert load("{}").resolve("${secrets:a} ${secrets.env:b}") == "1 2"


def test_a_setting_that_a_class_does_not_take_is_an_error(load: Load) -> None:
    with pytest.raises(SecretStoreError) as raised:
        load(f"secrets: {{ store: test.table.v1, config: {{ tokn: {CANARY} }} }}\na: '${{secrets:a}}'")
    assert "TableConfig takes no 'tokn'; it takes 'cache_enabled'" in str(raised.value)
    assert CANARY not in str(raised.value)


def test_everything_wrong_in_a_file_is_told_at_its_place(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        load("secrets: { store: test.tabel.v1 }\na: '${secrets.nope:x}'")
    assert isinstance(raised.value, SecretStoreError) and len(raised.value.errors) == 2
    assert "modelmesh.yaml:1:19: secrets.store: there is no connector 'test.tabel.v1'" in str(raised.value)
    with pytest.raises(KeyError, match="modelmesh.yaml:2:5: a: .*'none': not found"):
        load(STORE + "a: '${secrets:none}'")
    with pytest.raises(SecretStoreError, match="there is no configuration file") as missing:
        SecretResolver.from_config(tmp_path / "none.yaml")
    assert missing.value.kind == "io"


def test_a_provider_has_generations(load: Load) -> None:
    resolver = load(PROVIDER)
    assert resolver.providers == ["p"]
    first = resolver.current("p")
    assert (first.provider, first.number, first.reason) == ("p", 1, "init")
    assert first.activated_at.tzinfo is not None
    assert [first.setting(path) for path in ["api_key", "url", "org", "none"]] == ["1", "https://x", "2 org", None]
    reference = first.secret("api_key")
    assert reference is not None and reference[0] == "${secrets:a}" and reference[1].value == "1"
    assert first.secret("url") is None
    assert repr(first) == '<generation 1 of provider "p">'

    TABLE.update(a="new", b="newer")
    second = resolver.activate("p", "rotation")
    assert (second.number, second.reason) == (2, "rotation")
    assert (second.setting("api_key"), second.setting("org")) == ("new", "newer org")
    assert first.setting("api_key") == "1", "a generation never changes"
    assert resolver.current("p").number == 2
    assert [generation.number for generation in resolver.reload()] == [3]

    del TABLE["b"]
    TABLE["a"] = "too new"
    with pytest.raises(KeyError, match="provider 'p' was not activated"):
        resolver.activate("p")
    assert resolver.current("p").setting("api_key") == "new", "all of it is swapped, or nothing"
    with pytest.raises(SecretStoreError, match="no provider 'q'"):
        resolver.activate("q")
    with pytest.raises(ValueError, match="a reason is one of .init., .rotation., .recovery., .manual."):
        resolver.activate("p", "whim")  # type: ignore[arg-type]


def test_a_value_that_was_refused_is_asked_for_again(load: Load) -> None:
    resolver = load(PROVIDER)
    held = resolver.get("${secrets:a}")
    TABLE["a"] = "rotated"
    outcome = resolver.report_auth_failure("${secrets:a}", held.version)
    assert outcome.outcome == "rotated" and outcome.value is not None and outcome.value.value == "rotated"
    assert resolver.current("p").setting("api_key") == "rotated"
    again = resolver.report_auth_failure("${secrets:a}", held.version)
    assert again.value == outcome.value, "the one that is held already"
    assert resolver.report_auth_failure("${secrets:none:-x}", None).outcome == "unchanged"


async def test_a_watch_yields_each_new_version(load: Load) -> None:
    resolver = await asyncio.to_thread(load, PROVIDER)
    watch = await resolver.awatch("${secrets:a}")
    gives_up = asyncio.create_task(watch.__anext__())
    await asyncio.sleep(0)
    gives_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    TABLE["a"] = "2nd"
    await resolver.aactivate("p", "rotation")
    async with asyncio.timeout(LONG):
        async for value in watch:
            assert value is not None and value.value == "2nd"
            break
    TABLE["a"] = "3rd"
    await resolver.areload()
    value = await asyncio.to_thread(lambda: next(iter(watch)))
    assert value is not None and value.value == "3rd"
    with pytest.raises(KeyError):
        resolver.watch("${secrets:none}")


async def test_every_method_has_a_coroutine(load: Load, tmp_path: Path) -> None:
    (tmp_path / "modelmesh.yaml").write_text(PROVIDER)
    resolver = await SecretResolver.afrom_config(tmp_path / "modelmesh.yaml")
    assert await resolver.aresolve("${secrets:a}") == "1"
    assert await resolver.aresolve_all({"x": ["${secrets:a}"]}) == {"x": ["1"]}
    assert (await resolver.aget("${secrets:b}")).value == "2"
    assert (await resolver.acurrent("p")).number == 1
    assert (await resolver.aactivate("p", "manual")).number == 2
    assert [generation.number for generation in await resolver.areload()] == [3]
    TABLE["a"] = "3"
    await resolver.ainvalidate("${secrets:a}")
    assert await resolver.aresolve("${secrets:a}") == "3"
    held = await resolver.aget("${secrets:a}")
    assert (await resolver.areport_auth_failure("${secrets:a}", held.version)).outcome in {"unchanged", "fell_back"}
    with pytest.raises(KeyError):
        await resolver.aresolve("${secrets:none}")
    synchronous = {name for name, member in vars(SecretResolver).items() if callable(member) or name == "from_config"}
    public = {name for name in synchronous if not name.startswith("_") and not name.startswith("a")} | {"activate"}
    assert all(hasattr(SecretResolver, f"a{name}") for name in public)


def test_a_class_with_a_get_of_its_own_is_asked_past_its_cache(load: Load) -> None:
    @register_connector("test.around.v1")
    class Around(TableStore):
        def get(self, name: str) -> str:
            return f"<{super().get(name)}{super().get('b')}>"

    resolver = load(PROVIDER.replace("test.table.v1", "test.around.v1"))
    held = resolver.get("a")
    assert held.value == "<12>"
    TABLE["b"] = "3"
    assert resolver.report_auth_failure("a", held.version).outcome == "rotated"
    TABLE["a"] = "4"
    assert [generation.setting("api_key") for generation in resolver.reload()] == ["<43>"]
    TABLE["a"] = "5"
    assert resolver.activate("p").setting("api_key") == "<53>"


def test_what_cannot_be_resolved_is_named(load: Load) -> None:
    resolver = load(STORE)
    nothing: Any = 5
    with pytest.raises(TypeError, match="^what is resolved is a str, not int$"):
        resolver.resolve(nothing)
    with pytest.raises(TypeError, match="^what is resolved is a mapping, not list$"):
        resolver.resolve_all([nothing])  # type: ignore[arg-type]
