"""Runs store operations for the differential tests: JSON lines in, JSON lines out.

The same file runs under the reference package (`modelmesh-lite`) and under ours, each in its own interpreter, because
both packages are called `modelmesh`. It imports nothing but the standard library and `modelmesh`, and knows nothing of
which of the two it got: whatever differs in its answers is a difference of the packages.

A request names an operation in `do`; see the `do_…` methods. An answer is `{"value": …}` or `{"error": …}`.
A text that starts with `@` where a path is meant is a file in this worker's own folder.
"""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.cdk.specialized.file_secret_store import FileSecretStore, FileSecretStoreConfig
from modelmesh.connectors import CONNECTOR_REGISTRY, secret_stores
from modelmesh.interfaces.secret_store import SecretManagement, SecretResolution, SecretStoreConnector, SecretValue

# What an application may catch. An error is described by those of them that it is.
CATCHABLE = (
    KeyError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
    RuntimeError,
    UnicodeError,
    ConnectionError,
    TimeoutError,
)

# How long `await_value` waits for a TTL to pass before it gives up and tells what it sees.
PATIENCE_SECONDS = 10.0


class HookStore(BaseSecretStore):
    """An application's store: the hook reads a drawer, counts its calls, and fails when it is told to."""

    def __init__(self, config: BaseSecretStoreConfig) -> None:
        super().__init__(config)
        self.drawer: dict[str, Any] = {}
        self.calls = 0
        self.failure: str | None = None

    def _resolve(self, name: str) -> str | None:
        self.calls += 1
        if self.failure == "asks itself":
            return self.get(name)
        if self.failure is not None:
            raise FAILURES[self.failure](self.failure)
        return self.drawer.get(name)


class PrefixStore(BaseSecretStore):
    """An application's store that asks the base class's own hook, for another name."""

    def _resolve(self, name: str) -> str | None:
        return super()._resolve(f"app-{name}")


class ManagedStore(HookStore, SecretManagement):
    """An application's store that is written too, made after the pattern of the reference's own stores."""

    def set(self, name: str, value: str) -> None:
        self.drawer[name] = value
        if name in self._cache:
            del self._cache[name]

    def list(self) -> list[str]:
        return sorted(self.drawer)

    def delete(self, name: str) -> None:
        if name not in self.drawer:
            raise KeyError(f"Secret not found: {name}")
        del self.drawer[name]
        self._cache.pop(name, None)


class ShoutingStore(BaseSecretStore):
    """An application's store that overrides `get` itself."""

    def get(self, name: str) -> str:
        return super().get(name).upper()


FAILURES: dict[str, type[Exception]] = {
    "KeyError": KeyError,
    "ValueError": ValueError,
    "OSError": OSError,
    "ConnectionRefusedError": ConnectionRefusedError,
    "TimeoutError": TimeoutError,
    "RuntimeError": RuntimeError,
}

CLASSES: dict[str, tuple[type[BaseSecretStore], Callable[..., BaseSecretStoreConfig]]] = {
    "BaseSecretStore": (BaseSecretStore, BaseSecretStoreConfig),
    "FileSecretStore": (FileSecretStore, FileSecretStoreConfig),
    "HookStore": (HookStore, BaseSecretStoreConfig),
    "PrefixStore": (PrefixStore, BaseSecretStoreConfig),
    "ManagedStore": (ManagedStore, BaseSecretStoreConfig),
    "ShoutingStore": (ShoutingStore, BaseSecretStoreConfig),
} | {
    name: (getattr(secret_stores, name), getattr(secret_stores, name + "Config"))
    for name in (
        "EnvSecretStore",
        "DotenvSecretStore",
        "JsonSecretStore",
        "MemorySecretStore",
        "EncryptedFileSecretStore",
        "KeyringSecretStore",
    )
}


class Worker:
    """Holds the stores of one scenario."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.environment = dict(os.environ)
        self.stores: dict[str, Any] = {}
        self.configs: dict[str, Any] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Does what `request` asks for, and describes what came of it."""
        arguments = {key: value for key, value in request.items() if key != "do"}
        operation: Callable[..., Any] = getattr(self, "do_" + request["do"])
        try:
            return {"value": operation(**arguments)}
        except Exception as error:
            return {"error": describe(error)}

    def path(self, text: str) -> str:
        return os.path.join(self.folder, text[1:]) if text.startswith("@") else text

    # -- The scenario ---------------------------------------------------------

    def do_begin(self) -> None:
        """Forgets everything of the scenario before: stores, files, environment variables."""
        self.stores.clear()
        self.configs.clear()
        for file in os.listdir(self.folder):
            path = os.path.join(self.folder, file)
            os.rmdir(path) if os.path.isdir(path) else os.remove(path)
        os.environ.clear()
        os.environ.update(self.environment)

    def do_env(self, name: str, value: str | None) -> None:
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

    def do_write(self, file: str, text: str) -> None:
        with open(self.path(file), "wb") as handle:
            handle.write(text.encode("utf-8", "surrogateescape"))

    def do_remove(self, file: str) -> None:
        os.remove(self.path(file))

    def do_folder(self, file: str) -> None:
        os.mkdir(self.path(file))

    def do_read(self, file: str) -> str:
        """A file's bytes, in base64."""
        with open(self.path(file), "rb") as handle:
            return base64.b64encode(handle.read()).decode("ascii")

    # -- Stores ---------------------------------------------------------------

    def do_open(self, store: str, kind: str, config: dict[str, Any] | None) -> None:
        """Constructs a store of class `kind`. Without `config`, the store's own default."""
        make, make_config = CLASSES[kind]
        if config is None:
            self.stores[store] = make()  # type: ignore[call-arg]
            return
        given = {key: self.path(value) if key == "file_path" else value for key, value in config.items()}
        self.configs[store] = make_config(**given)
        self.stores[store] = make(self.configs[store])

    def do_open_beside(self, store: str, kind: str, other: str) -> None:
        """Constructs a store over the configuration of another: they share its dictionary."""
        make, _ = CLASSES[kind]
        self.configs[store] = self.configs[other]
        self.stores[store] = make(self.configs[store])

    def do_get(self, store: str, name: Any) -> Any:
        return self.stores[store].get(name)

    def do_await_value(self, store: str, name: str, value: str) -> Any:
        """Reads until `value` is served: the cache serves another until its TTL has passed."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = self.stores[store].get(name)
            if seen == value or time.monotonic() > end:
                return seen
            time.sleep(0.001)

    def do_await_call(self, store: str, name: str, calls: int) -> Any:
        """Reads until the hook was called so often: until the TTL has passed."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = self.stores[store].get(name)
            if self.stores[store].calls >= calls or time.monotonic() > end:
                return seen
            time.sleep(0.001)

    def do_set(self, store: str, name: Any, value: Any) -> Any:
        return self.stores[store].set(name, value)

    def do_list(self, store: str) -> Any:
        return self.stores[store].list()

    def do_delete(self, store: str, name: Any) -> Any:
        return self.stores[store].delete(name)

    def do_save(self, store: str) -> Any:
        return self.stores[store].save()

    def do_clear_cache(self, store: str) -> Any:
        return self.stores[store].clear_cache()

    # -- What an application may look at or change beside them ----------------

    def do_put(self, store: str, name: str, value: Any) -> None:
        """Changes the dictionary that was given as `secrets`."""
        self.configs[store].secrets[name] = value

    def do_drop(self, store: str, name: str) -> None:
        self.configs[store].secrets.pop(name, None)

    def do_secrets(self, store: str) -> dict[str, Any]:
        """The dictionary that was given as `secrets`, as it is now."""
        return dict(self.configs[store].secrets)

    def do_fill(self, store: str, name: str, value: Any) -> None:
        """Changes what the hook of an application's store reads."""
        self.stores[store].drawer[name] = value

    def do_break(self, store: str, failure: str | None) -> None:
        """Makes the hook of an application's store raise; `None` mends it."""
        self.stores[store].failure = failure

    def do_calls(self, store: str) -> int:
        return int(self.stores[store].calls)

    def do_configure(self, store: str, field: str, value: Any) -> None:
        """Changes a field of the store's configuration after it was constructed."""
        setattr(self.configs[store], field, value)

    def do_open_again(self, store: str, secrets: dict[str, str]) -> None:
        """Calls the constructor of the store once more, as a class that makes one object does."""
        self.stores[store].__init__(BaseSecretStoreConfig(secrets=secrets))

    def do_patch(self, store: str, value: str) -> None:
        """Puts another hook into the store, as a test of an application does."""
        self.stores[store]._resolve = lambda name: value

    def do_attribute(self, store: str, attribute: str) -> Any:
        return getattr(self.stores[store], attribute)

    def do_pickle(self, store: str) -> dict[str, str]:
        """The secrets that a configuration has on the other side of a pickle."""
        copied: BaseSecretStoreConfig = pickle.loads(pickle.dumps(self.configs[store]))
        return copied.secrets

    def do_shown(self, store: str, value: str) -> bool:
        """Whether a value shows when a configuration is printed."""
        return value in repr(self.configs[store])

    def do_interfaces(self, store: str) -> list[str]:
        """Which of the interfaces the store implements."""
        interfaces = (SecretResolution, SecretStoreConnector, SecretManagement, BaseSecretStore)
        return [interface.__name__ for interface in interfaces if isinstance(self.stores[store], interface)]

    def do_defaults(self, kind: str) -> dict[str, Any]:
        """The configuration that the constructor without arguments gives."""
        return dict(vars(CLASSES[kind][1]()))

    def do_exports(self, module: str) -> list[str]:
        """The names of a module that are about secrets."""
        names = importlib.import_module(module).__all__
        return sorted(name for name in names if "Secret" in name or "CONNECTOR" in name)

    def do_signatures(self, kind: str) -> dict[str, list[str]]:
        """How a class, its configuration and its methods are called."""
        make, make_config = CLASSES[kind]
        methods = ("get", "clear_cache", "_resolve", "set", "list", "delete", "save")
        called: dict[str, Callable[..., Any]] = {"config": make_config, "store": make}
        called |= {method: getattr(make, method) for method in methods if hasattr(make, method)}
        return {name: described(inspect.signature(function)) for name, function in called.items()}

    def do_secret_value(self) -> list[Any]:
        """What a `SecretValue` is made of, and what it is equal to."""
        value, other = SecretValue("one", "7"), SecretValue(value="one", version="7", expires_at=None)
        return [value.value, value.version, value.expires_at, value == other, value == SecretValue("two", "7")]

    def do_registered(self) -> dict[str, str]:
        """The registry's secret stores: ID to class name."""
        stores = {make for make, _ in CLASSES.values()}
        return {id: make.__name__ for id, make in CONNECTOR_REGISTRY.items() if make in stores}


def described(signature: inspect.Signature) -> list[str]:
    """The parameters that a caller can give without a name, and which of them may be left out."""
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    return [
        name if parameter.default is parameter.empty else f"{name}="
        for name, parameter in signature.parameters.items()
        if parameter.kind not in named
    ]


def describe(error: Exception) -> dict[str, Any]:
    """What an application can tell of an error. Its text only where it is part of the contract."""
    return {
        "is": [kind.__name__ for kind in CATCHABLE if isinstance(error, kind)],
        "key": str(error.args[0]) if isinstance(error, KeyError) and error.args else None,
        # For reading a failed test, and for telling apart listed differences.
        "kind": getattr(error, "kind", None),
        "type": type(error).__name__,
        "text": str(error),
    }


def main() -> None:
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
