"""Stores in a loop: it is never blocked by an `a…`."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from awaiting import LONG
from conftest import CANARY
from modelmesh import SecretResolver
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.connectors.secret_stores import VaultSecretStore
from modelmesh.interfaces.secret_store import BlockingCallWarning, SecretStoreError
from test_hooks import Hooked
from vault_server import TOKEN, VaultServer

Open = Callable[..., VaultSecretStore]


async def test_the_loop_goes_on_while_a_server_is_asked(vault: VaultServer, open_vault: Open) -> None:
    vault.secrets["a"] = "1"
    vault.gate.clear()
    store = open_vault()
    asked = [asyncio.create_task(store.aget("a")) for _ in range(100)]
    # Held up until this very loop lets it go.
    while not vault.is_asked.is_set():
        await asyncio.sleep(0)
    vault.gate.set()
    assert await asyncio.wait_for(asyncio.gather(*asked), LONG) == ["1"] * 100
    assert vault.reads == ["a"]


async def test_the_loop_goes_on_while_a_hook_blocks() -> None:
    is_in, go_on = threading.Event(), threading.Event()

    def hook(_: Hooked, name: str) -> str:
        is_in.set()
        assert go_on.wait(LONG)
        return f"<{name}>"

    store = Hooked(hook)
    asked = [asyncio.create_task(store.aget("a")) for _ in range(10)]
    while not is_in.is_set():
        await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*asked) == ["<a>"] * 10
    assert store.calls == ["a"]


async def test_a_caller_who_gives_up_stops_nobody_else(vault: VaultServer, open_vault: Open) -> None:
    vault.secrets["a"] = "1"
    vault.gate.clear()
    store = open_vault()
    gives_up, stays = asyncio.create_task(store.aget("a")), asyncio.create_task(store.aget("a"))
    while not vault.is_asked.is_set():
        await asyncio.sleep(0)
    gives_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    vault.gate.set()
    assert await stays == "1"
    assert vault.reads == ["a"]


async def test_errors_come_out_where_they_are_awaited(vault: VaultServer, open_vault: Open) -> None:
    vault.is_down = True
    with pytest.raises(SecretStoreError) as raised:
        await open_vault(resolution={"retry": {"tries": 1}}).aget("a")
    assert raised.value.kind == "unavailable"

    error = ValueError("mine")

    def hook(store: Hooked, name: str) -> str:
        if name == "itself":
            return store.get(name)
        raise error

    store = Hooked(hook)
    with pytest.raises(ValueError) as mine:
        await store.aget("a")
    assert mine.value is error
    with pytest.raises(SecretStoreError, match="asked itself"):
        await store.aget("itself")


async def test_a_blocking_call_in_a_loop_warns_when_it_blocks(vault: VaultServer, open_vault: Open) -> None:
    vault.secrets["a"] = "1"
    store = open_vault()
    with pytest.warns(BlockingCallWarning) as warned:
        assert store.get("a") == "1"
    assert warned[0].filename == __file__
    # Warnings are errors here: none comes where nothing is waited for.
    assert store.get("a") == "1"
    assert BaseSecretStore(BaseSecretStoreConfig(secrets={"a": "1"})).get("a") == "1"
    with pytest.warns(BlockingCallWarning):
        store.set("a", "2")
    assert await store.aget("a") == "2"


@contextmanager
def answers_once_warned(vault: VaultServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The server answers when somebody has warned; the files that the warnings were about."""
    about: list[str] = []

    def showwarning(message: object, category: type[Warning], filename: str, *_: object) -> None:
        assert category is BlockingCallWarning
        about.append(filename)
        vault.gate.set()

    vault.gate.clear()
    with warnings.catch_warnings(), monkeypatch.context() as patch:
        warnings.simplefilter("always")
        patch.setattr(warnings, "showwarning", showwarning)
        yield about


async def test_a_resolver_that_blocks_in_a_loop_warns_when_it_blocks(
    vault: VaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.secrets.update(a="1", b="2")
    store = f'store: hashicorp.vault.v1, address: "{vault.address}", token: {TOKEN}, kv_version: 1'
    (tmp_path / "modelmesh.yaml").write_text(
        f"secrets: {{ {store} }}\nproviders: {{ p: {{ api_key: '${{secrets:a}}' }} }}"
    )
    with answers_once_warned(vault, monkeypatch) as warned:
        resolver = SecretResolver.from_config(tmp_path / "modelmesh.yaml")
    assert warned == [__file__]
    calls: list[Callable[[], object]] = [
        lambda: resolver.resolve("${secrets:b}"),
        lambda: resolver.activate("p"),
        resolver.reload,
    ]
    for call in calls:
        with answers_once_warned(vault, monkeypatch) as warned:
            call()
        assert warned == [__file__]
    # Warnings are errors here: none comes where nothing is waited for.
    assert resolver.resolve("${secrets:b}") == "2" and resolver.current("p").setting("api_key") == "1"
    (tmp_path / "local.yaml").write_text("providers: { p: { api_key: '${secrets:HOME}' } }")
    assert SecretResolver.from_config(tmp_path / "local.yaml").reload()


def test_a_blocking_call_outside_a_loop_does_not_warn(vault: VaultServer, open_vault: Open) -> None:
    vault.secrets["a"] = "1"
    assert open_vault().get("a") == "1"


def test_a_loop_that_is_closed_too_early_harms_nobody(vault: VaultServer, open_vault: Open) -> None:
    vault.secrets["a"] = "1"
    vault.gate.clear()
    store = open_vault()

    async def begin() -> None:
        # Nobody awaits it.
        store._begin_get("a")

    asyncio.run(begin())
    vault.gate.set()
    assert store.get("a") == "1"


def test_a_loop_in_debug_mode_logs_no_value(
    vault: VaultServer, open_vault: Open, caplog: pytest.LogCaptureFixture
) -> None:
    vault.secrets["a"] = CANARY
    seen: list[str] = []

    async def ask() -> None:
        # Everything is slow, so everything that is called is logged.
        asyncio.get_running_loop().slow_callback_duration = 0.0
        future = open_vault()._begin_get("a")
        assert not isinstance(future, str)
        answer = await future
        seen.append(repr(future) + repr(answer))
        assert answer.take() == CANARY

    with caplog.at_level(logging.DEBUG):
        asyncio.run(ask(), debug=True)
    assert "_Delivery" in caplog.text, "it was logged"
    assert CANARY not in caplog.text + seen[0]


async def test_a_hook_has_the_context_of_whoever_asks() -> None:
    tenant = contextvars.ContextVar("tenant", default="none")
    store = Hooked(lambda *_: tenant.get(), cache_enabled=False)
    tenant.set("mine")
    assert await store.aget("a") == "mine"
