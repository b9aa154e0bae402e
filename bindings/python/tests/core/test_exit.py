"""How a process ends that has threads in a store."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: The hook is at work when the process ends, and would go on after it.
BUSY = """
import asyncio, threading
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig

is_in = threading.Event()

class Busy(BaseSecretStore):
    def _resolve(self, name):
        is_in.set()
        while True:
            sum(range(100))

store = Busy(BaseSecretStoreConfig())
"""

ON_A_DAEMON_THREAD = """
threading.Thread(target=store.get, args=("a",), daemon=True).start()
is_in.wait()
"""

FOR_SOMEBODY_WHO_GAVE_UP = """
async def give_up():
    asking = asyncio.create_task(store.aget("a"))
    await asyncio.to_thread(is_in.wait)
    asking.cancel()

asyncio.run(give_up())
"""


@pytest.mark.parametrize("ask", [ON_A_DAEMON_THREAD, FOR_SOMEBODY_WHO_GAVE_UP])
def test_a_hook_that_never_returns_does_not_crash_the_process(ask: str) -> None:
    ended = subprocess.run([sys.executable, "-c", BUSY + ask], capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
