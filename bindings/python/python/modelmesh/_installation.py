"""What is installed under the name ``modelmesh``, and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

#: What ``modelmesh`` exports in ModelMesh Lite and this package does not have.
ROUTER_NAMES = frozenset({"create", "MeshClient", "MeshConfig", "ModelMesh"})

#: The packages of ModelMesh Lite that are of its router.
ROUTER_PACKAGES = frozenset({"client", "config", "core", "proxy"})

#: Files that only ModelMesh Lite brings.
_FOREIGN_FILES = ("_sync.py", "core/mesh.py", "client/mesh_client.py")


def without_router(what: str) -> str:
    """Why ``what`` is not here."""
    return (
        f"{what} is of the router of ModelMesh Lite, and this package, 'modelmesh', has its secret stores alone. "
        "Where the router is needed, use the package 'modelmesh-lite' in an environment of its own."
    )


def _require_unmixed() -> None:
    here = Path(__file__).parent
    found = [name for name in _FOREIGN_FILES if (here / name).exists()]
    if found:
        raise ImportError(
            f"the packages 'modelmesh' and 'modelmesh-lite' are both installed in {here}, and each has overwritten "
            f"files of the other (found: {', '.join(found)}). Remove both and install one: "
            "pip uninstall modelmesh modelmesh-lite; pip install modelmesh"
        )


_require_unmixed()


class RouterFinder(MetaPathFinder):
    """Says of the router's modules why they are not here, where the import would find nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        if package == "modelmesh" and rest.partition(".")[0] in ROUTER_PACKAGES:
            return ModuleSpec(fullname, _NoRouter())
        return None


class _NoRouter(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        raise ImportError(without_router(spec.name), name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        raise NotImplementedError
