"""Subclasses with a `_resolve` of their own, as they were written for ModelMesh Lite."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from awaiting import LONG, until
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.connectors.secret_stores import (
    EncryptedFileSecretStore,
    EnvSecretStore,
    EnvSecretStoreConfig,
    MemorySecretStore,
)
from modelmesh.interfaces.secret_store import (
    SecretManagement,
    SecretResolution,
    SecretStoreConnector,
    SecretStoreError,
    SecretValue,
)

Hook = Callable[["Hooked", str], object]


class Hooked(BaseSecretStore):
    """A store whose hook a test gives. It counts its calls in a field of its own."""

    def __init__(self, hook: Hook, **config: object) -> None:
        self.calls: list[str] = []
        super().__init__(BaseSecretStoreConfig(**config))  # type: ignore[arg-type]
        self.hook = hook

    def _resolve(self, name: str) -> str | None:
        self.calls.append(name)
        return self.hook(self, name)  # type: ignore[return-value]


def short_lived(value: str) -> SecretValue:
    """A value that ends by itself in a moment."""
    return SecretValue(value, expires_at=datetime.now(timezone.utc) + timedelta(milliseconds=20))


def test_a_hook_is_called_once_and_its_answer_is_kept() -> None:
    store = Hooked(lambda _, name: f"<{name}>")
    assert [store.get("a"), store.get("a"), store.get("b")] == ["<a>", "<a>", "<b>"]
    assert store.calls == ["a", "b"]
    store.clear_cache()
    assert store.get("a") == "<a>" and store.calls == ["a", "b", "a"]


def test_a_missing_name_is_not_remembered() -> None:
    answers: dict[str, str] = {}
    store = Hooked(lambda _, name: answers.get(name))
    with pytest.raises(KeyError):
        store.get("a")
    answers["a"] = "1"
    assert store.get("a") == "1"


def test_a_dictionary_stays_the_callers() -> None:
    secrets = {"a": "1"}
    store = BaseSecretStore(BaseSecretStoreConfig(secrets=secrets))
    assert store.get("a") == "1"
    secrets["b"] = "2"
    assert store.get("b") == "2"
    memory = MemorySecretStore()
    memory.set("x", "y")
    assert memory._config.secrets == {"x": "y"}


@pytest.mark.parametrize(
    "raised", [ValueError("mine"), KeyError("mine"), SecretStoreError("x", kind="denied")]
)
def test_an_exception_of_the_hook_is_its_callers(raised: Exception) -> None:
    def hook(_: Hooked, name: str) -> str:
        raise raised

    for config in [{}, {"fail_on_missing": False}, {"cache_enabled": False}]:
        with pytest.raises(type(raised)) as caught:
            Hooked(hook, **config).get("a")
        assert caught.value is raised


def test_an_interrupt_is_of_its_own_thread_alone() -> None:
    is_in, go_on = threading.Event(), threading.Event()

    def hook(store: Hooked, name: str) -> str:
        if len(store.calls) > 1:
            return "second"
        is_in.set()
        go_on.wait(LONG)
        raise KeyboardInterrupt

    store = Hooked(hook)
    outcomes: list[object] = []

    def first() -> None:
        try:
            store.get("a")
        except KeyboardInterrupt as interrupt:
            outcomes.append(interrupt)

    thread = threading.Thread(target=first)
    thread.start()
    assert is_in.wait(LONG)
    go_on.set()
    thread.join(LONG)
    assert [type(outcome) for outcome in outcomes] == [KeyboardInterrupt]
    assert store.get("a") == "second", "nothing is left behind"


@pytest.mark.parametrize("outage", [ConnectionError(), TimeoutError(), SecretStoreError("x", kind="throttled")])
def test_the_last_good_value_outlives_an_outage(outage: Exception) -> None:
    is_down = threading.Event()

    def hook(_: Hooked, name: str) -> str:
        if is_down.is_set():
            raise outage
        return "good"

    store = Hooked(hook, cache_ttl_ms=1)
    assert store.get("a") == "good"
    is_down.set()
    until(lambda: "a" not in store._cache)
    assert store.get("a") == "good"
    with pytest.raises(type(outage)):
        store.get("b")


def test_a_mistake_of_the_hook_is_heard_of_at_once() -> None:
    answers: list[object] = ["good", ValueError("mine"), "new"]

    def hook(_: Hooked, name: str) -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    store = Hooked(hook, cache_ttl_ms=1)
    assert store.get("a") == "good"
    until(lambda: "a" not in store._cache)
    with pytest.raises(ValueError, match="mine"):
        store.get("a")
    assert store.get("a") == "new"


def test_a_value_ends_when_the_hook_says() -> None:
    answers: list[object] = [short_lived("1"), SecretValue("2", version="7")]
    store = Hooked(lambda *_: answers.pop(0))
    assert store.get("a") == "1"
    until(lambda: "a" not in store._cache)
    assert store.get("a") == "2" and store.get("a") == "2"


def test_an_answer_that_is_no_text_is_an_error_without_it() -> None:
    with pytest.raises(TypeError, match="a str, a SecretValue or None, not list") as raised:
        Hooked(lambda *_: ["canary"]).get("a")
    assert "canary" not in str(raised.value)
    with pytest.raises(SecretStoreError, match="Unicode") as malformed:
        Hooked(lambda *_: "canary\ud800").get("a")
    assert malformed.value.kind == "malformed" and "canary" not in str(malformed.value)


def test_a_hook_may_ask_for_other_names_and_not_for_its_own() -> None:
    def hook(store: Hooked, name: str) -> str:
        if name == "a":
            return f"a of {store.get('b')}"
        return store.get("c") if name == "c" else name

    store = Hooked(hook)
    assert store.get("a") == "a of b"
    with pytest.raises(SecretStoreError, match="asked itself") as raised:
        store.get("c")
    assert raised.value.kind == "invalid_config"


def test_a_hook_may_not_ask_for_its_own_name_by_a_loop_either() -> None:
    def hook(store: Hooked, name: str) -> str:
        return name if name == "b" else asyncio.run(store.aget("b" if name == "a" else name))

    store = Hooked(hook)
    assert store.get("a") == "b"
    with pytest.raises(SecretStoreError, match="asked itself") as raised:
        store.get("c")
    assert raised.value.kind == "invalid_config"
    with pytest.raises(SecretStoreError, match="asked itself"):
        asyncio.run(store.aget("c"))


def test_hooks_that_wait_for_each_other_end() -> None:
    both_in = threading.Barrier(2)

    def hook(store: Hooked, name: str) -> str:
        if len(store.calls) <= 2:
            both_in.wait(LONG)
        return store.get({"a": "b", "b": "a"}[name])

    store = Hooked(hook)
    outcomes: list[str] = []

    def ask(name: str) -> None:
        try:
            store.get(name)
        except SecretStoreError as error:
            outcomes.append(error.kind)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert outcomes == ["invalid_config"] * 2


def test_the_cache_can_be_asked_and_dropped_by_subclasses() -> None:
    store = Hooked(lambda *_: "x")
    store.get("a")
    store.get("b")
    assert (
        "a" in store._cache and len(store._cache) == 2 and "c" not in store._cache and 1 not in store._cache
    )
    del store._cache["a"]
    assert "a" not in store._cache
    with pytest.raises(KeyError):
        del store._cache["a"]
    assert list(store._cache) == store._cache.keys() == ["b"]
    with pytest.raises(KeyError):
        store._cache.pop("a")
    assert store._cache.pop("b", None) is None and len(store._cache) == 0
    store.get("a")
    store._cache.clear()
    assert len(store._cache) == 0
    assert store.get("a") == "x" and len(store.calls) == 4


def test_an_empty_cache_in_the_place_of_the_cache_drops_everything() -> None:
    class Refreshed(BaseSecretStore):
        def __init__(self, secrets: dict[str, str]) -> None:
            self._cache = {}
            super().__init__(BaseSecretStoreConfig(secrets=secrets))

        def refresh(self) -> None:
            self._cache = {}

    secrets = {"a": "1"}
    store = Refreshed(secrets)
    assert store.get("a") == "1" and "a" in store._cache
    secrets["a"] = "2"
    store.refresh()
    assert "a" not in store._cache
    assert store.get("a") == "2" and "a" in store._cache


def test_a_field_named_cache_may_be_the_subclasses_own() -> None:
    class Own(BaseSecretStore):
        def __init__(self) -> None:
            super().__init__(BaseSecretStoreConfig(secrets={"a": "1"}))
            self._cache = {"mine": 1}

    store = Own()
    assert store.get("a") == "1" and vars(store)["_cache"] == {"mine": 1}


def test_a_configuration_may_change_its_mind_on_missing_names() -> None:
    store = Hooked(lambda *_: None)
    store._config.fail_on_missing = False
    assert store.get("a") == ""
    store._config.fail_on_missing = True
    with pytest.raises(KeyError):
        store.get("a")


def test_interfaces_are_abstract_until_they_are_complete() -> None:
    class Unfinished(BaseSecretStore, SecretManagement):
        def set(self, name: str, value: str) -> None: ...

    for interface in [SecretResolution, SecretManagement, SecretStoreConnector]:
        with pytest.raises(TypeError, match="abstract"):
            interface()
    with pytest.raises(TypeError, match="abstract methods? .*delete"):
        Unfinished(BaseSecretStoreConfig())  # type: ignore[abstract]


def test_a_store_that_was_not_opened_says_so() -> None:
    class Forgot(BaseSecretStore):
        def __init__(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="did not call super"):
        Forgot().get("a")


def test_a_constructor_may_set_the_fields_of_the_base_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory(MemorySecretStore):
        def __init__(self, secrets: dict[str, str]) -> None:
            self._config = BaseSecretStoreConfig(secrets=secrets)
            self._cache = {}

    store = Memory({"a": "1"})
    assert store.get("a") == "1" and "a" in store._cache
    other = Memory({})
    other.set("b", "2")
    assert asyncio.run(other.aget("b")) == "2" and other.list() == ["b"]

    class Environment(EnvSecretStore):
        def __init__(self, prefix: str) -> None:
            self._config = self._env_config = EnvSecretStoreConfig(prefix=prefix)

    monkeypatch.setenv("HOOK_KEY", "1")
    assert Environment("HOOK_").get("KEY") == "1"


def test_a_subclass_of_a_connector_may_answer_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loud(EnvSecretStore):
        def _resolve(self, name: str) -> str | None:
            value = super()._resolve(name)
            return None if value is None else value.upper()

    monkeypatch.setenv("HOOK_KEY", "quiet")
    store = Loud()
    assert store.get("HOOK_KEY") == "QUIET"
    with pytest.raises(KeyError):
        store.get("HOOK_NONE")

    class Marked(EncryptedFileSecretStore):
        def _resolve(self, name: str) -> str | None:
            return f"<{super()._resolve(name)}>"

    marked = Marked()
    marked.set("a", "1")
    assert marked.get("a") == "<1>" and marked.list() == ["a"]
    marked.set("a", "2")
    assert marked.get("a") == "<2>", "what is written is not hidden by what was cached above"


def test_a_hook_may_be_given_to_one_object() -> None:
    class Given(EnvSecretStore):
        def __init__(self, hook: Callable[[str], str | None]) -> None:
            self._resolve = hook  # type: ignore[method-assign, assignment]
            super().__init__()

    assert Given(lambda name: f"<{name}>").get("HOOK_NONE") == "<HOOK_NONE>"
    store = BaseSecretStore(BaseSecretStoreConfig())
    store._resolve = lambda name: "later"  # type: ignore[method-assign]
    assert store.get("a") == "later"


def test_a_get_of_ones_own_is_around_the_cache() -> None:
    class Stripped(BaseSecretStore):
        def get(self, name: str) -> str:
            return super().get(name).strip()

    store = Stripped(BaseSecretStoreConfig(secrets={"a": " 1 "}))
    assert store.get("a") == "1" and "a" in store._cache
    assert asyncio.run(store.aget("a")) == "1"


def test_nothing_keeps_a_store_that_nobody_has() -> None:
    store = Hooked(lambda *_: "x")
    store.get("a")
    died = weakref.ref(store)
    del store
    gc.collect()
    assert died() is None
