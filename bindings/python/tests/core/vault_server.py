"""A key/value engine of Vault, version 1, on this machine: as much of it as the tests ask for."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "t-vault-canary"


class VaultServer:
    """The server, its secrets, and a gate that holds answers back."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.reads: list[str] = []
        #: Set when a read has come in, which waits for `gate`.
        self.is_asked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.is_down = False
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self.gate.set()
        self._http.shutdown()
        self._http.server_close()


def _handler(server: VaultServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/v1/auth/token/lookup-self":
                data = {"ttl": 0, "creation_ttl": 0, "renewable": False}
                return self._answer(200, {"data": data})
            name = self.path.removeprefix("/v1/secret/")
            if name.endswith("?list=true") or name == "?list=true":
                return self._answer(200, {"data": {"keys": sorted(server.secrets)}})
            server.reads.append(name)
            server.is_asked.set()
            server.gate.wait()
            if server.is_down:
                return self._answer(503, {"errors": ["down"]})
            if name not in server.secrets:
                return self._answer(404, {"errors": []})
            return self._answer(200, {"data": {"value": server.secrets[name]}})

        def do_LIST(self) -> None:
            self._answer(200, {"data": {"keys": sorted(server.secrets)}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.secrets[self.path.removeprefix("/v1/secret/")] = body["value"]
            self._answer(204, None)

        do_PUT = do_POST

        def do_DELETE(self) -> None:
            server.secrets.pop(self.path.removeprefix("/v1/secret/"), None)
            self._answer(204, None)

        def _answer(self, status: int, body: object) -> None:
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
