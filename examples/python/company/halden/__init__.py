"""The secret stores of Halden Robotics, an imaginary company.

Importing this package registers them, so that a configuration file finds them by their IDs:

- `halden.keybox.v1`: the company's key server, over HTTP; read, written and listed
- `halden.ledger.v1`: the production line's SQLite database; read alone, with the time at which each secret expires
- `halden.bench.v1`: environment variables of a workbench, which the company names `HALDEN_<TEAM>_<NAME>`
"""

from halden.bench import BenchSecretStore, BenchSecretStoreConfig
from halden.keybox import KeyboxSecretStore, KeyboxSecretStoreConfig
from halden.ledger import LedgerSecretStore, LedgerSecretStoreConfig
from modelmesh.connectors import CONNECTOR_REGISTRY

__all__ = [
    "BenchSecretStore",
    "BenchSecretStoreConfig",
    "KeyboxSecretStore",
    "KeyboxSecretStoreConfig",
    "LedgerSecretStore",
    "LedgerSecretStoreConfig",
]

for store in (BenchSecretStore, KeyboxSecretStore, LedgerSecretStore):
    CONNECTOR_REGISTRY[store.CONNECTOR_ID] = store
