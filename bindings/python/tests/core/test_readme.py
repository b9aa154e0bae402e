"""The snippets of the package's README, and of the repository's, run as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modelmesh.connectors import CONNECTOR_REGISTRY, secret_stores

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
OF_THE_REPOSITORY = (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def registry() -> Iterator[None]:
    before = dict(CONNECTOR_REGISTRY)
    yield
    CONNECTOR_REGISTRY.clear()
    CONNECTOR_REGISTRY.update(before)


def test_the_snippets_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "secrets.env").write_text("OPENAI_API_KEY=sk-file\n")
    [configuration] = blocks("yaml")
    (tmp_path / "modelmesh.yaml").write_text(configuration)
    read, own, resolve = blocks("python")
    names: dict[str, object] = {}
    exec(read, names)
    assert names["key"] == "sk-file"
    exec(own, {"__name__": "readme"})
    exec(resolve, {})


def test_the_snippet_of_the_repository_runs() -> None:
    [own] = blocks("python", OF_THE_REPOSITORY)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(own, names)
    assert names["store"].get("openai-key") == "sk-123"


def test_every_connector_is_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` *\|.*?\| `([\w.-]+)` *\|", README, re.MULTILINE))
    assert rows == {name: connector.CONNECTOR_ID for name, connector in vars(secret_stores).items() if name in rows}
    assert set(rows.values()) == {
        connector_id for connector_id, connector in CONNECTOR_REGISTRY.items() if connector.__module__.startswith("modelmesh.")
    }
