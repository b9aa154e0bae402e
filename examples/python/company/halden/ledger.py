"""`halden.ledger.v1`: the production line's SQLite database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig


@dataclass
class LedgerSecretStoreConfig(BaseSecretStoreConfig):
    """Where the database is, and for which line."""

    file_path: str = "ledger.db"
    line: str = "A"


class LedgerSecretStore(BaseSecretStore):
    """Rows of the table `secrets`: the newest value of a name, for one production line."""

    CONNECTOR_ID = "halden.ledger.v1"

    def __init__(self, config: LedgerSecretStoreConfig | None = None) -> None:
        self._ledger = config or LedgerSecretStoreConfig()
        super().__init__(self._ledger)

    def _resolve(self, name: str) -> str | None:
        # Opened for reading alone: a database that is not there is an error, and not a new one.
        place = f"{Path(self._ledger.file_path).absolute().as_uri()}?mode=ro"
        query = "SELECT value FROM secrets WHERE line = ? AND name = ? ORDER BY revision DESC LIMIT 1"
        try:
            with closing(sqlite3.connect(place, uri=True)) as database:
                row: tuple[str] | None = database.execute(query, (self._ledger.line, name)).fetchone()
        except sqlite3.OperationalError as error:
            raise ConnectionError("the ledger cannot be read") from error
        return row and row[0]
