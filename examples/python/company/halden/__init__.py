"""The secret stores of Halden Robotics, an imaginary company.

When they are registered, a configuration file finds them by their IDs:

- `halden.keybox.v1`: the company's key server, over HTTP; read, written and listed
- `halden.ledger.v1`: the production line's SQLite database; read alone
- `halden.bench.v1`: environment variables of a workbench, which the company names `HALDEN_<TEAM>_<NAME>`
"""

from halden.bench import BenchSecretStore, BenchSecretStoreConfig
from halden.keybox import KeyboxSecretStore, KeyboxSecretStoreConfig
from halden.ledger import LedgerSecretStore, LedgerSecretStoreConfig
from modelmesh.connectors import register_connector

__all__ = [
    "BenchSecretStore",
    "BenchSecretStoreConfig",
    "KeyboxSecretStore",
    "KeyboxSecretStoreConfig",
    "LedgerSecretStore",
    "LedgerSecretStoreConfig",
    "register",
]


def register() -> None:
    """Puts the company's stores beside the ones that come with the library."""
    for store in (BenchSecretStore, KeyboxSecretStore, LedgerSecretStore):
        register_connector(store.CONNECTOR_ID, store)
