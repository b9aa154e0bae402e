"""Workers that were forked go on resolving."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest
from awaiting import LONG, until
from forking import Child, in_child
from modelmesh import SecretResolver, SecretValue
from modelmesh.connectors.secret_stores import (
    EncryptedFileSecretStore,
    EncryptedFileSecretStoreConfig,
    VaultSecretStore,
)
from test_hooks import Hooked
from vault_server import TOKEN, VaultServer

Open = Callable[..., VaultSecretStore]


def test_a_child_keeps_the_values_and_fetches_others(vault: VaultServer, open_vault: Open) -> None:
    vault.secrets.update(a="1", b="2")
    store = open_vault()
    assert store.get("a") == "1"
    assert in_child(lambda: [store.get("a"), store.get("b"), asyncio.run(store.aget("b"))]) == ["1", "2", "2"]
    assert vault.reads == ["a", "b"], "what the parent had is not asked for again"
    assert in_child(lambda: in_child(lambda: [store.get("a"), store.get("b")])) == ["1", "2"], "of a child"
    assert store.get("b") == "2", "the parent goes on"


def test_a_child_calls_the_hook_itself() -> None:
    store = Hooked(lambda *_: str(os.getpid()))
    parent = store.get("a")

    def child() -> list[object]:
        kept = store.get("a")
        store.clear_cache()
        return [kept, store.get("a") == str(os.getpid()), asyncio.run(store.aget("b")) == str(os.getpid())]

    assert in_child(child) == [parent, True, True]
    assert store.get("a") == parent


def test_a_fork_in_the_middle_of_a_fetch_leaves_the_child_free(vault: VaultServer, open_vault: Open) -> None:
    vault.secrets["a"] = "1"
    vault.gate.clear()
    store = open_vault()
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(store.get("a")))
    thread.start()
    assert vault.is_asked.wait(LONG)
    child = Child(lambda: store.get("a"))
    # The child does not wait for a fetch of a thread that it does not have: it asks by itself.
    until(lambda: len(vault.reads) == 2)
    vault.gate.set()
    assert child.result() == "1"
    thread.join(LONG)
    assert answers == ["1"]


def test_what_was_not_saved_is_in_the_child_too(tmp_path: Path) -> None:
    path = str(tmp_path / "secrets.enc")
    store = EncryptedFileSecretStore(EncryptedFileSecretStoreConfig(file_path=path, encryption_key="0f" * 32))
    store.set("a", "1")

    def child() -> list[str]:
        store.set("b", "2")
        store.save()
        return [store.get("a"), *store.list()]

    assert in_child(child) == ["1", "a", "b"]
    assert store.get("b") == "2", "the parent reads the file that the child wrote"
    store.save()
    assert store.list() == ["a", "b"]


def test_a_fork_in_the_middle_of_a_change_leaves_the_child_free(tmp_path: Path) -> None:
    path = str(tmp_path / "secrets.enc")
    store = EncryptedFileSecretStore(EncryptedFileSecretStoreConfig(file_path=path, encryption_key="0f" * 32))
    for number in range(1000):
        store.set(f"n{number}", "1")
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            store.set("a", "1")
            store.list()

    def child() -> int:
        # Ends a child that waits for a thread that it does not have.
        signal.alarm(int(LONG))
        store.set("b", "2")
        return len(store.list())

    threads = [threading.Thread(target=change) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: "a" in store.list())
        assert [in_child(child) for _ in range(20)] == [1002] * 20
    finally:
        is_over.set()
        for thread in threads:
            thread.join(LONG)


def test_a_resolver_starts_anew_in_the_child(vault: VaultServer, tmp_path: Path) -> None:
    vault.secrets["a"] = "1"
    (tmp_path / "modelmesh.yaml").write_text(
        f"""
secrets: {{ store: hashicorp.vault.v1, address: "{vault.address}", token: {TOKEN}, kv_version: 1 }}
providers: {{ p: {{ api_key: "${{secrets:a}}" }} }}
"""
    )
    resolver = SecretResolver.from_config(tmp_path / "modelmesh.yaml")

    def child() -> list[object]:
        generation = resolver.activate("p", "rotation")
        return [
            resolver.resolve("${secrets:a}"),
            generation.setting("api_key"),
            asyncio.run(resolver.aresolve("x")),
        ]

    assert in_child(child) == ["1", "1", "x"]
    assert resolver.resolve("${secrets:a}") == "1"


_STORE: VaultSecretStore


def _get(name: str) -> str:
    return _STORE.get(name)


def test_workers_of_multiprocessing_resolve(vault: VaultServer, open_vault: Open) -> None:
    global _STORE
    vault.secrets.update(a="1", b="2")
    _STORE = open_vault()
    assert _STORE.get("a") == "1"
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_get, ["a", "b", "a", "b"]) == ["1", "2", "1", "2"]


APPLICATION = """
import os
from modelmesh.connectors.secret_stores import VaultSecretStore, VaultSecretStoreConfig

store = VaultSecretStore(VaultSecretStoreConfig(address=os.environ["SERVER"], token=os.environ["TOKEN"], kv_version=1))
loaded = (os.getpid(), store.get("a"))

def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{store.get(name)} {os.getpid() != loaded[0]}".encode()]
"""


def test_workers_of_gunicorn_that_loaded_before_they_forked_resolve(
    vault: VaultServer, tmp_path: Path
) -> None:
    vault.secrets.update(a="1", b="2")
    (tmp_path / "served.py").write_text(APPLICATION)
    socket = tmp_path / "gunicorn.log"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--preload",
        "--workers=2",
        "--bind=127.0.0.1:0",
        "served:application",
    ]
    environment = {**os.environ, "SERVER": vault.address, "TOKEN": TOKEN}
    with socket.open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=log)
    try:
        until(lambda: "Listening at: http://127.0.0.1:" in socket.read_text() or server.poll() is not None)
        listening = socket.read_text().partition("Listening at: http://")[2].partition(" ")[0]
        for name, value in {"a": "1", "b": "2"}.items():
            for _ in range(4):
                connection = HTTPConnection(listening, timeout=LONG)
                connection.request("GET", f"/{name}")
                assert connection.getresponse().read().decode() == f"{value} True"
    finally:
        server.terminate()
        server.wait(LONG)


LOCAL = """
secrets: { store: modelmesh.dotenv.v1, path: secrets.env, override_env: true, cache_ttl: 1h }
providers: { p: { api_key: "${secrets:a}" } }
"""


def local(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SecretResolver:
    monkeypatch.chdir(folder)
    (folder / "secrets.env").write_text("a=1\n")
    (folder / "modelmesh.yaml").write_text(LOCAL)
    return SecretResolver.from_config("modelmesh.yaml")


def test_a_resolver_finds_its_file_in_a_child_that_changed_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = local(tmp_path, monkeypatch)

    def child() -> str | None:
        os.chdir("/")
        return resolver.current("p").setting("api_key")

    assert in_child(child) == "1"
    (tmp_path / "modelmesh.yaml").write_text(LOCAL.replace("path:", "pth:"))
    with pytest.raises(ValueError, match="^modelmesh.yaml:2:"):
        SecretResolver.from_config("modelmesh.yaml")


def test_a_watch_goes_on_in_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = local(tmp_path, monkeypatch)
    watch = resolver.watch("a")

    async def later() -> SecretValue | None:
        return await anext(watch)

    def child() -> list[str]:
        # Ends a child that waits for threads that it does not have.
        signal.alarm(int(LONG))
        first = next(watch)
        (tmp_path / "secrets.env").write_text("a=22\n")
        resolver.activate("p", "rotation")
        return [value.value for value in (first, asyncio.run(later())) if value]

    assert in_child(child) == ["1", "22"], "what there is first, for it may have changed since the fork"
    (tmp_path / "secrets.env").write_text("a=333\n")
    resolver.activate("p", "rotation")
    value = next(watch)
    assert value is not None and value.value == "333", "the parent goes on"
