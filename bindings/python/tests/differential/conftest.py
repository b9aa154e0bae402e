"""The two packages, started once for all tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers import Peer, reference_interpreter


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Peer(reference_interpreter(), tmp_path_factory.mktemp("reference") / "files") as peer:
        yield peer


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Peer(Path(sys.executable), tmp_path_factory.mktemp("ours") / "files") as peer:
        yield peer
