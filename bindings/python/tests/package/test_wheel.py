"""The wheel in an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Imports all of the package but what needs the library that it is for, and asks a store.
USE = """
import importlib, pkgutil, sys
import modelmesh
from modelmesh.connectors import CONNECTOR_REGISTRY

for module in pkgutil.walk_packages(modelmesh.__path__, "modelmesh."):
    if not module.name.startswith("modelmesh.integrations."):
        importlib.import_module(module.name)
store = CONNECTOR_REGISTRY["modelmesh.memory-secrets.v1"]()
store.set("openai-key", "sk-1")
assert store.get("openai-key") == "sk-1"
assert store.list() == ["openai-key"]
print(len(CONNECTOR_REGISTRY))
"""


def run(*command: str | Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="session")
def wheel() -> str:
    # The test command has made it. A run by hand names one.
    return os.environ["MODELMESH_TEST_WHEEL"]


def test_an_empty_environment_takes_it(wheel: str, tmp_path: Path) -> None:
    environment = tmp_path / "empty"
    run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-index", wheel)
    assert run(python, "-I", "-c", USE).strip() == "13"
    assert run(python, "-m", "pip", "check").startswith("No broken requirements")
