"""Reads the keys of Halden's providers from the company's own stores.

HALDEN_KEYBOX_URL=… HALDEN_KEYBOX_TOKEN=… HALDEN_LEDGER=ledger.db python main.py
"""

from pathlib import Path

import halden  # registers the company's stores
from modelmesh import SecretResolver

if __name__ == "__main__":
    resolver = SecretResolver.from_config(Path(__file__).with_name("modelmesh.yaml"))
    for provider, reference in {
        "openai": "${secrets:openai-key}",
        "vision": "${secrets.line:camera-key}",
        "experiments": "${secrets.any:openai-key}",
    }.items():
        print(
            f"{provider}: a key of {len(resolver.resolve(reference))} characters, from {halden.__name__}'s stores"
        )
