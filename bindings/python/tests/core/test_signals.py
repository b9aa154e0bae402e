"""A thread that waits for a value hears of signals."""

from __future__ import annotations

import linecache
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest
from awaiting import LONG
from modelmesh.connectors.secret_stores import VaultSecretStore, VaultSecretStoreConfig
from test_hooks import Hooked
from vault_server import TOKEN, VaultServer


class Interrupted(Exception):
    """What the handler raises."""


@pytest.fixture
def interrupt() -> Iterator[Callable[[threading.Event], None]]:
    """Sends this thread a signal as soon as the event has come about, until one comes to a line that says it waits."""
    main, is_handled = threading.get_ident(), threading.Event()
    threads: list[threading.Thread] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if frame and "# waits" in linecache.getline(frame.f_code.co_filename, frame.f_lineno):
            is_handled.set()
            raise Interrupted

    def send(event: threading.Event) -> None:
        event.wait(LONG)
        while not is_handled.is_set():
            signal.pthread_kill(main, signal.SIGUSR1)
            is_handled.wait(0.01)

    def when(event: threading.Event) -> None:
        threads.append(threading.Thread(target=send, args=(event,)))
        threads[-1].start()

    before = signal.signal(signal.SIGUSR1, handle)
    yield when
    is_handled.set()
    for thread in threads:
        thread.join(LONG)
    signal.signal(signal.SIGUSR1, before)


class Read(VaultSecretStore):
    """Asks the server in its hook."""

    def _resolve(self, name: str) -> str | None:
        return super()._resolve(name)  # waits


@pytest.mark.parametrize("kind", [VaultSecretStore, Read])
def test_a_wait_for_a_server_ends(
    kind: type[VaultSecretStore], vault: VaultServer, interrupt: Callable[[threading.Event], None]
) -> None:
    store = kind(VaultSecretStoreConfig(address=vault.address, token=TOKEN, kv_version=1))
    vault.secrets["a"] = "1"
    vault.gate.clear()
    interrupt(vault.is_asked)
    # The server answers when this wait is over, and no sooner.
    with pytest.raises(Interrupted):
        store.get("a")  # waits
    vault.gate.set()
    assert store.get("a") == "1"


def test_a_wait_for_a_hook_on_another_thread_ends(interrupt: Callable[[threading.Event], None]) -> None:
    is_in, go_on = threading.Event(), threading.Event()

    def hook(_: Hooked, name: str) -> str:
        is_in.set()
        assert go_on.wait(LONG)
        return name

    store = Hooked(hook)
    other = threading.Thread(target=store.get, args=("a",))
    other.start()
    assert is_in.wait(LONG)
    interrupt(is_in)
    try:
        with pytest.raises(Interrupted):
            store.get("a")  # waits
    finally:
        go_on.set()
        other.join(LONG)
    assert store.get("a") == "a" and store.calls == ["a"]
