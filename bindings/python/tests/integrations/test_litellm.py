"""The secret manager, in the real LiteLLM."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from pathlib import Path

import litellm
import pytest
from litellm.secret_managers.custom_secret_manager_loader import load_custom_secret_manager
from litellm.secret_managers.main import get_secret_str
from litellm.types.secret_managers.main import KeyManagementSettings, KeyManagementSystem

from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.connectors.secret_stores import MemorySecretStore, MemorySecretStoreConfig
from modelmesh.integrations.litellm import StoreSecretManager

CANARY = "sk-canary-77aa"


class Down(BaseSecretStore):
    def _resolve(self, name: str) -> str | None:
        raise ConnectionRefusedError("the store is down")


@pytest.fixture
def store() -> MemorySecretStore:
    return MemorySecretStore(MemorySecretStoreConfig(secrets={"OPENAI_API_KEY": CANARY}))


@pytest.fixture
def manager(store: MemorySecretStore) -> StoreSecretManager:
    return StoreSecretManager(store)


def use(manager: StoreSecretManager) -> None:
    litellm.secret_manager_client = manager
    litellm._key_management_system = KeyManagementSystem.CUSTOM


def test_litellm_finds_its_keys_in_the_store(manager: StoreSecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not this one")
    use(manager)
    assert get_secret_str("os.environ/OPENAI_API_KEY") == CANARY


def test_the_proxy_makes_a_manager_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "company.py").write_text(
        "from modelmesh.connectors.secret_stores import MemorySecretStore, MemorySecretStoreConfig\n"
        "from modelmesh.integrations.litellm import StoreSecretManager\n"
        "class Secrets(StoreSecretManager):\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__(MemorySecretStore(MemorySecretStoreConfig(secrets={'MASTER_KEY': 'from a file'})))\n"
    )
    litellm._key_management_settings = KeyManagementSettings(custom_secret_manager="company.Secrets")
    load_custom_secret_manager(str(tmp_path / "config.yaml"))
    assert get_secret_str("os.environ/MASTER_KEY") == "from a file"


def test_reads_in_both_ways(manager: StoreSecretManager) -> None:
    assert manager.sync_read_secret("OPENAI_API_KEY") == CANARY
    assert manager.sync_read_secret("MISSING") is None
    assert asyncio.run(manager.async_read_secret("OPENAI_API_KEY")) == CANARY
    assert asyncio.run(manager.async_read_secret("MISSING")) is None


def test_an_outage_is_not_a_missing_secret() -> None:
    manager = StoreSecretManager(Down(BaseSecretStoreConfig()))
    with pytest.raises(ConnectionRefusedError):
        manager.sync_read_secret("OPENAI_API_KEY")
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(manager.async_read_secret("OPENAI_API_KEY"))


def test_an_event_loop_runs_on_while_a_hook_is_slow() -> None:
    asked, answer = threading.Event(), threading.Event()

    class Slow(BaseSecretStore):
        def _resolve(self, name: str) -> str | None:
            asked.set()
            assert answer.wait(timeout=30)
            return CANARY

    async def read() -> str | None:
        reading = asyncio.create_task(StoreSecretManager(Slow(BaseSecretStoreConfig())).async_read_secret("KEY"))
        while not asked.is_set():
            await asyncio.sleep(0)
        answer.set()
        return await reading

    assert asyncio.run(read()) == CANARY


def test_writes_and_deletes(manager: StoreSecretManager, store: MemorySecretStore) -> None:
    assert asyncio.run(manager.async_write_secret("NEW", "n", description="a description", tags=["a"])) == {
        "name": "NEW"
    }
    assert store.get("NEW") == "n"
    assert asyncio.run(manager.async_delete_secret("NEW")) == {"name": "NEW"}
    with pytest.raises(KeyError):
        store.get("NEW")
    with pytest.raises(KeyError):
        asyncio.run(manager.async_delete_secret("NEW"))


def test_litellm_rotates_a_secret(manager: StoreSecretManager, store: MemorySecretStore) -> None:
    asyncio.run(manager.async_rotate_secret("OPENAI_API_KEY", "OPENAI_API_KEY_2", "second"))
    assert store.list() == ["OPENAI_API_KEY_2"]
    assert store.get("OPENAI_API_KEY_2") == "second"


def test_a_store_that_cannot_be_written_says_so() -> None:
    manager = StoreSecretManager(Down(BaseSecretStoreConfig()))
    with pytest.raises(NotImplementedError):
        asyncio.run(manager.async_write_secret("NEW", "n"))
    with pytest.raises(NotImplementedError):
        asyncio.run(manager.async_delete_secret("NEW"))


def test_a_write_that_is_refused_shows_no_value(manager: StoreSecretManager) -> None:
    read_only = StoreSecretManager(Down(BaseSecretStoreConfig()))
    for refuses, name in ((manager, "a//b"), (read_only, "KEY")):
        with pytest.raises((KeyError, NotImplementedError)) as raised:
            asyncio.run(refuses.async_write_secret(name, CANARY))
        told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        frames = [frame for frame in told.stack if frame.filename != __file__]
        assert any("litellm.py" in frame.filename for frame in frames)
        assert CANARY not in "".join(traceback.StackSummary.from_list(frames).format())


def test_no_value_shows(
    manager: StoreSecretManager, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    use(manager)
    assert get_secret_str("OPENAI_API_KEY") == CANARY
    assert get_secret_str("MISSING") is None
    asyncio.run(manager.async_write_secret("OTHER", CANARY))
    shown = [
        repr(manager),
        str(manager),
        repr(asyncio.run(manager.async_delete_secret("OTHER"))),
        caplog.text,
    ]
    assert not [text for text in [*shown, *capfd.readouterr()] if CANARY in text]
