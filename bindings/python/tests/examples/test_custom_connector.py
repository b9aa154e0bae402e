"""A store of one hook."""

from __future__ import annotations

from pathlib import Path

import pytest

from custom_connector import MountedSecrets
from running import run


def test_the_program_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "openai-key").write_text("sk-123")
    printed = run("custom_connector.py", str(tmp_path), "openai-key")
    assert printed == "openai-key: 6 characters\n"


def test_a_file_that_is_not_there_is_a_missing_secret(tmp_path: Path) -> None:
    store = MountedSecrets(tmp_path)
    for name in ["openai-key", "..", "../" + tmp_path.name]:
        with pytest.raises(KeyError):
            store.get(name)


def test_a_folder_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        MountedSecrets(tmp_path / "unmounted").get("openai-key")


def test_the_store_has_at_most_twenty_lines() -> None:
    import inspect

    assert 5 <= len(inspect.getsource(MountedSecrets).splitlines()) <= 20
