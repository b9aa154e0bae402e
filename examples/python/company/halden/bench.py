"""`halden.bench.v1`: environment variables of a workbench."""

from __future__ import annotations

import os
from dataclasses import dataclass

from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig


@dataclass
class BenchSecretStoreConfig(BaseSecretStoreConfig):
    """`team` is the middle part of every variable's name."""

    team: str = "shared"


class BenchSecretStore(BaseSecretStore):
    """`openai-key` of the team `arms` is the variable `HALDEN_ARMS_OPENAI_KEY`."""

    CONNECTOR_ID = "halden.bench.v1"

    def __init__(self, config: BenchSecretStoreConfig | None = None) -> None:
        self._bench = config or BenchSecretStoreConfig()
        super().__init__(self._bench)

    def _resolve(self, name: str) -> str | None:
        return os.environ.get(f"HALDEN_{self._bench.team}_{name}".upper().replace("-", "_"))
