"""The snippets of docs/integrations.md, run as they are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from litellm.secret_managers.main import get_secret_str

PAGE = Path(__file__).parents[4] / "docs" / "integrations.md"


def snippets(section: str) -> str:
    """The Python of one section, from the top."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def run(section: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(snippets(section), str(PAGE), "exec", dont_inherit=True), namespace)
    return namespace


def test_settings_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("openai_api_key", "sk-documented")
    monkeypatch.setenv("postgres/password", "p-documented")
    settings = run("pydantic-settings")["Settings"]()
    assert settings.openai_api_key.get_secret_value() == "sk-documented"
    assert settings.database_password.get_secret_value() == "p-documented"
    assert settings.region == "eu-west-1"


def test_litellm_reads_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-documented")
    manager = run("LiteLLM")["Secrets"]()
    assert manager.sync_read_secret("OPENAI_API_KEY") == "sk-documented"
    assert get_secret_str("os.environ/OPENAI_API_KEY") == "sk-documented"
