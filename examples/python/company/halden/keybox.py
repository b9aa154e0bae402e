"""`halden.keybox.v1`: the company's key server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.interfaces.secret_store import SecretManagement


@dataclass
class KeyboxSecretStoreConfig(BaseSecretStoreConfig):
    """Where the server is, and what proves to it who asks."""

    url: str = "https://keybox.halden.example"
    # Not shown when the configuration is printed.
    token: str = field(default="", repr=False)
    timeout_seconds: float = 5.0


class KeyboxSecretStore(BaseSecretStore, SecretManagement):
    """Secrets of the key server. What is written through it is read by its next `get`."""

    CONNECTOR_ID = "halden.keybox.v1"

    def __init__(self, config: KeyboxSecretStoreConfig | None = None) -> None:
        self._keybox = config or KeyboxSecretStoreConfig()
        super().__init__(self._keybox)

    def _resolve(self, name: str) -> str | None:
        answer = self._ask("GET", name)
        return None if answer is None else str(answer["value"])

    def set(self, name: str, value: str) -> None:
        self._ask("PUT", name, {"value": value})
        self.clear_cache()

    def list(self) -> list[str]:
        answer = self._ask("GET", "")
        return sorted(answer["names"] if answer is not None else [])

    def delete(self, name: str) -> None:
        if self._ask("DELETE", name) is None:
            raise KeyError(f"Secret not found: {name}")
        self.clear_cache()

    def _ask(self, method: str, name: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
        """What the server answers; `None` if it says that it has no such secret.

        Whatever else goes wrong is a `ConnectionError`: a failure of the server is never a missing secret, and neither
        is the 404 of something between us and the server, which does not have the server's own shape.
        """
        request = Request(
            f"{self._keybox.url}/secrets/{quote(name, safe='')}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._keybox.token}"},
            method=method,
        )
        try:
            with urlopen(request, timeout=self._keybox.timeout_seconds) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except HTTPError as error:
            with error:
                if error.code == 404 and _code(error) == "no-such-secret":
                    return None
            # Not with the answer itself, which may repeat what was sent.
            raise ConnectionError(f"the keybox answered {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise ConnectionError(f"the keybox cannot be reached: {type(error).__name__}") from None


def _code(error: HTTPError) -> str | None:
    try:
        answer = json.load(error)
    except ValueError:
        return None
    return answer.get("error") if isinstance(answer, dict) else None
