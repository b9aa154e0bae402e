"""Many threads, one store."""

from __future__ import annotations

import threading
from collections.abc import Callable

from awaiting import LONG, until
from modelmesh.cdk import BaseSecretStore
from modelmesh.connectors.secret_stores import VaultSecretStore
from test_hooks import Hooked, short_lived
from vault_server import VaultServer

THREADS = 8


def get_together(store: BaseSecretStore, name: str) -> list[object]:
    """What eight threads get that ask at the same time."""
    barrier = threading.Barrier(THREADS)
    outcomes: list[object] = []

    def ask() -> None:
        barrier.wait(LONG)
        try:
            outcomes.append(store.get(name))
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    return outcomes


def test_a_value_that_ends_is_fetched_once() -> None:
    answers = [short_lived("1"), "2"]
    store = Hooked(lambda *_: answers.pop(0))
    assert store.get("a") == "1"
    until(lambda: "a" not in store._cache)
    assert get_together(store, "a") == ["2"] * THREADS
    assert store.calls == ["a", "a"]


def test_whoever_waits_gets_what_the_hook_raised() -> None:
    error = ValueError("mine")

    def hook(*_: object) -> str:
        raise error

    # One who comes too late to wait calls the hook again, and gets the same.
    assert get_together(Hooked(hook), "a") == [error] * THREADS


def test_a_server_is_asked_once(vault: VaultServer, open_vault: Callable[..., VaultSecretStore]) -> None:
    vault.secrets["a"] = "1"
    assert get_together(open_vault(), "a") == ["1"] * THREADS
    assert vault.reads == ["a"]


def test_other_threads_run_while_one_waits(
    vault: VaultServer, open_vault: Callable[..., VaultSecretStore]
) -> None:
    # The server runs in this interpreter: if the thread that waits for it held the lock, it could never answer.
    vault.secrets["a"] = "1"
    vault.gate.clear()
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(open_vault().get("a")))
    waiting.start()
    assert vault.is_asked.wait(LONG)
    assert answers == []
    vault.gate.set()
    waiting.join(LONG)
    assert answers == ["1"]
