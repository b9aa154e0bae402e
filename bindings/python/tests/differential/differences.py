from __future__ import annotations
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    id: str

    def explains(self, step: Any) -> bool:
        return False


DIFFERENCES: list[Difference] = []
