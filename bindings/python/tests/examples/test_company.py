"""Halden's stores, over a key server and a database."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from halden import (
    BenchSecretStore,
    BenchSecretStoreConfig,
    KeyboxSecretStore,
    KeyboxSecretStoreConfig,
    LedgerSecretStore,
    LedgerSecretStoreConfig,
)
from running import run

TOKEN = "keybox-canary-51"


class Keybox(BaseHTTPRequestHandler):
    """Halden's key server. `status` is what it answers while it is down, and `None` while it is not."""

    secrets: dict[str, str] = {}
    status: int | None = None

    def do_GET(self) -> None:
        name = self.secret()
        if name == "":
            self.answer(200, {"names": list(self.secrets)})
        elif name in self.secrets:
            self.answer(200, {"value": self.secrets[name]})
        else:
            self.answer(404, {"error": "no-such-secret"})

    def do_PUT(self) -> None:
        self.secrets[self.secret()] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["value"]
        self.answer(200, {})

    def do_DELETE(self) -> None:
        if self.secrets.pop(self.secret(), None) is None:
            self.answer(404, {"error": "no-such-secret"})
        else:
            self.answer(200, {})

    def secret(self) -> str:
        return unquote(self.path.removeprefix("/secrets/"))

    def answer(self, status: int, body: object) -> None:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, body = 401, {"error": "who-are-you"}
        if self.status is not None:
            status, body = self.status, "not the keybox's own answer"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@pytest.fixture
def keybox() -> Iterator[str]:
    Keybox.secrets, Keybox.status = {"openai-key": "sk-keybox"}, None
    with ThreadingHTTPServer(("127.0.0.1", 0), Keybox) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    rows = [
        ("B", "camera-key", "old", 1),
        ("B", "camera-key", "new", 2),
        ("A", "camera-key", "of another line", 3),
    ]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE secrets (line TEXT, name TEXT, value TEXT, revision INTEGER)")
        database.executemany("INSERT INTO secrets VALUES (?, ?, ?, ?)", rows)
    return path


def test_a_configuration_finds_all_of_them_by_their_ids(keybox: str, ledger: Path) -> None:
    printed = run(
        "company/main.py",
        HALDEN_KEYBOX_URL=keybox,
        HALDEN_KEYBOX_TOKEN=TOKEN,
        HALDEN_LEDGER=str(ledger),
        HALDEN_ARMS_OPENAI_KEY="sk-bench-key",
    )
    assert printed.splitlines() == [
        "openai: a key of 9 characters",
        "vision: a key of 3 characters",
        "experiments: a key of 12 characters",
    ]


def opened(url: str, token: str = TOKEN) -> KeyboxSecretStore:
    return KeyboxSecretStore(KeyboxSecretStoreConfig(url=url, token=token))


def test_the_keybox_is_read_and_written(keybox: str) -> None:
    store = opened(keybox)
    assert store.get("openai-key") == "sk-keybox"
    store.set("openai-key", "sk-newer")
    store.set("a/b", "slash")
    assert store.get("openai-key") == "sk-newer"
    assert store.get("a/b") == "slash"
    assert store.list() == ["a/b", "openai-key"]
    store.delete("a/b")
    for missing in (store.get, store.delete):
        with pytest.raises(KeyError):
            missing("a/b")


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_keybox_that_is_down_has_no_missing_secrets(status: int, keybox: str) -> None:
    Keybox.status = status
    with pytest.raises(ConnectionError, match=str(status)):
        opened(keybox).get("openai-key")


def test_a_keybox_that_is_gone_or_refuses_the_token_is_an_error_without_the_token(keybox: str) -> None:
    with pytest.raises(ConnectionError) as refused:
        opened(keybox, token="wrong-canary").get("openai-key")
    with pytest.raises(ConnectionError) as gone:
        opened("http://127.0.0.1:1", token="wrong-canary").get("openai-key")
    shown = [
        str(refused.value),
        str(gone.value),
        repr(opened(keybox)),
        repr(KeyboxSecretStoreConfig(token=TOKEN)),
    ]
    assert not [text for text in shown if "canary" in text]


def test_the_ledger_has_the_newest_value_of_its_line(ledger: Path) -> None:
    store = LedgerSecretStore(LedgerSecretStoreConfig(file_path=str(ledger), line="B"))
    assert store.get("camera-key") == "new"
    with pytest.raises(KeyError):
        store.get("openai-key")


def test_a_ledger_that_is_not_there_is_an_outage_and_not_made(tmp_path: Path) -> None:
    store = LedgerSecretStore(LedgerSecretStoreConfig(file_path=str(tmp_path / "none.db")))
    with pytest.raises(ConnectionError):
        store.get("camera-key")
    assert not list(tmp_path.iterdir())


def test_the_bench_has_the_variables_of_a_team(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALDEN_ARMS_OPENAI_KEY", "sk-arms")
    store = BenchSecretStore(BenchSecretStoreConfig(team="arms"))
    assert store.get("openai-key") == "sk-arms"
    with pytest.raises(KeyError):
        BenchSecretStore().get("openai-key")
