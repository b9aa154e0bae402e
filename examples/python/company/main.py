"""Reads the keys of Halden's providers from the company's own stores.

HALDEN_KEYBOX_URL=… HALDEN_KEYBOX_TOKEN=… HALDEN_LEDGER=ledger.db python main.py
"""

from pathlib import Path

import halden
from modelmesh import SecretResolver

if __name__ == "__main__":
    halden.register()
    resolver = SecretResolver.from_config(Path(__file__).with_name("modelmesh.yaml"))
    for provider in resolver.providers:
        key = resolver.current(provider).setting("api_key") or ""
        print(f"{provider}: a key of {len(key)} characters")
