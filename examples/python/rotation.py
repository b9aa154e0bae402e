"""A key that rotates while requests are made with it. No request fails, and a rotation costs one call of the store.

    python rotation.py [ROTATIONS]

`call` is the part to copy. The rest stands in for the world around it: a store that somebody else writes, a provider's
API that accepts one key at a time, and users who call it all the time.
"""

import sys
import threading
from pathlib import Path

from modelmesh import SecretResolver
from modelmesh.cdk import BaseSecretStore
from modelmesh.connectors import register_connector

KEY = "${secrets:openai-key}"
USERS = 4


def call(resolver: SecretResolver, api: "Api", user: int) -> bool:
    """One request. If its key is refused, the store is asked for another, once for all who were refused."""
    key = resolver.get(KEY)
    if api.accepts(key.value, user):
        return True
    other = resolver.report_auth_failure(KEY, key.version).value
    return other is not None and api.accepts(other.value, user)


@register_connector("example.vault.v1")
class Vault(BaseSecretStore):
    """A store that cannot tell when a secret changes: only the refusal shows it."""

    keys = {"openai-key": "sk-0"}
    reads = 0

    def _resolve(self, name: str) -> str | None:
        Vault.reads += 1
        return self.keys.get(name)


class Api:
    """A provider's API."""

    def __init__(self) -> None:
        self.key = "sk-0"
        self.refused = 0
        self.changed = threading.Condition()
        # Who has made a request with the current key.
        self.arrived: set[int] = set()

    def accepts(self, key: str, user: int) -> bool:
        with self.changed:
            if key != self.key:
                self.refused += 1
                return False
            self.arrived.add(user)
            self.changed.notify_all()
            return True

    def switch(self, key: str) -> None:
        """Accepts `key` from now on, and no other. Returns when every user got through with it."""
        with self.changed:
            self.key = key
            self.arrived.clear()
            self.changed.wait_for(lambda: len(self.arrived) == USERS)


class User(threading.Thread):
    """Makes one request after the other, and counts them."""

    def __init__(self, number: int, resolver: SecretResolver, api: Api) -> None:
        super().__init__(daemon=True)
        self.number, self.resolver, self.api = number, resolver, api
        self.over = threading.Event()
        self.answered = self.failed = 0

    def run(self) -> None:
        while not self.over.is_set():
            if call(self.resolver, self.api, self.number):
                self.answered += 1
            else:
                self.failed += 1


def main(rotations: int) -> None:
    resolver = SecretResolver.from_config(Path(__file__).with_name("rotation.yaml"))
    api = Api()
    users = [User(number, resolver, api) for number in range(USERS)]
    for user in users:
        user.start()
    before = Vault.reads
    for rotation in range(1, rotations + 1):
        Vault.keys["openai-key"] = f"sk-{rotation}"
        api.switch(f"sk-{rotation}")
    for user in users:
        user.over.set()
    for user in users:
        user.join()
    print(f"requests     {sum(user.answered + user.failed for user in users)}")
    print(f"failed       {sum(user.failed for user in users)}")
    print(f"rotations    {rotations}")
    print(f"store calls  {Vault.reads - before}")
    print(f"refusals     {api.refused}, each answered at the second try")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
