"""The package takes the place of ModelMesh Lite, and says what it does not have."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import modelmesh
import pytest


@pytest.mark.parametrize(
    "module",
    [
        "core",
        "core.mesh",
        "client.mesh_client",
        "config",
        "proxy",
        "cdk.base_provider",
        "cdk.mixins.retry",
        "cdk.specialized.http_api_provider",
        "connectors.providers",
        "interfaces.provider",
    ],
)
def test_the_routers_modules_say_why_they_are_not_here(module: str) -> None:
    with pytest.raises(ImportError, match="is of the router of ModelMesh Lite"):
        importlib.import_module(f"modelmesh.{module}")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("cdk", "BaseProvider"),
        ("cdk.specialized", "HttpApiProvider"),
        ("connectors", "OpenAIProvider"),
        ("interfaces", "ProviderConnector"),
    ],
)
def test_names_of_the_router_beside_ours_say_why_they_are_not_here(module: str, name: str) -> None:
    ours = importlib.import_module(f"modelmesh.{module}")
    with pytest.raises(ImportError, match=f"modelmesh.{module}.{name} is of the router of ModelMesh Lite"):
        getattr(ours, name)
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        ours.other


@pytest.mark.parametrize("name", ["create", "ModelMesh", "MeshClient", "MeshConfig"])
def test_the_routers_names_say_why_they_are_not_here(name: str) -> None:
    with pytest.raises(ImportError, match="is of the router of ModelMesh Lite"):
        getattr(modelmesh, name)
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        modelmesh.other  # noqa: B018


def test_both_packages_in_one_place_are_refused(tmp_path: Path) -> None:
    package = tmp_path / "modelmesh"
    shutil.copytree(Path(modelmesh.__file__).parent, package)
    importing = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import modelmesh.cdk"]
    assert subprocess.run(importing, capture_output=True).returncode == 0
    # What ModelMesh Lite brings, and this package does not.
    (package / "_sync.py").write_text("")
    refused = subprocess.run(importing, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "'modelmesh' and 'modelmesh-lite' are both installed" in refused.stderr


def test_the_package_is_typed() -> None:
    assert (Path(modelmesh.__file__).parent / "py.typed").exists()


def test_threads_of_the_engine_do_not_hold_up_the_end_of_a_program() -> None:
    program = """
import asyncio, threading
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig

class Slow(BaseSecretStore):
    def _resolve(self, name):
        threading.Event().wait(0.2)
        return "x"

async def main():
    Slow(BaseSecretStoreConfig())._begin_get("a")

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
