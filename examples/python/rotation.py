"""A key that rotates while requests are made with it. No request fails.

    python rotation.py [ROTATIONS]

`call` is the part to copy. The rest stands in for the world around it: a store that somebody else writes, a provider's
API that takes one key at a time, and users.
"""

import sys
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from modelmesh import SecretResolver
from modelmesh.cdk import BaseSecretStore
from modelmesh.connectors import CONNECTOR_REGISTRY

KEY = "${secrets:openai-key}"
USERS = 4


def call(resolver: SecretResolver, upstream: "Upstream", user: int) -> int:
    """One request: if the key is refused, the store is asked for a newer one, once for all who were refused."""
    key = resolver.get(KEY)
    status = upstream.request(user, key.value)
    if status == 401:
        newer = resolver.report_auth_failure(KEY, key.version)
        if newer.value is not None:
            status = upstream.request(user, newer.value)
    return status
