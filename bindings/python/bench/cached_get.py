"""A cached `get`, of the reference package and of ours, in one run.

    python bench/cached_get.py [ROUNDS]

Run it with an interpreter that has our package. It makes an environment with the reference package under `target`, as
the differential tests do. Both packages are called `modelmesh`, so each has an interpreter of its own; the two take
turns, round by round, so that what else the machine does falls on both. The time of one `get` is that of the loop
around it too, which is the same for both.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

TESTS = Path(__file__).parents[1] / "tests" / "differential"
sys.path.insert(0, str(TESTS))

from peers import reference_interpreter  # noqa: E402

# What an interpreter does: for each line that it reads, the nanoseconds of one cached `get` of each store.
CONTESTANT = """
import sys, time
from itertools import repeat
from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.connectors.secret_stores import MemorySecretStore, MemorySecretStoreConfig

class HookStore(BaseSecretStore):
    def _resolve(self, name):
        return "sk-value" if name == "openai-key" else None

secrets = {f"key-{n}": f"value-{n}" for n in range(100)} | {"openai-key": "sk-value"}
stores = [
    BaseSecretStore(BaseSecretStoreConfig(secrets=dict(secrets))),
    HookStore(BaseSecretStoreConfig()),
    MemorySecretStore(MemorySecretStoreConfig(secrets=dict(secrets))),
]

def measure(store, calls=200_000):
    name = "openai-key"
    assert store.get(name) == "sk-value"
    begin = time.perf_counter_ns()
    for _ in repeat(None, calls):
        store.get(name)
    return (time.perf_counter_ns() - begin) / calls

for _ in sys.stdin:
    print(*map(measure, stores), flush=True)
"""

STORES = ("BaseSecretStore", "a subclass with a hook", "MemorySecretStore")


class Contestant:
    """An interpreter with one of the packages."""

    def __init__(self, python: Path) -> None:
        command = [str(python), "-I", "-c", CONTESTANT]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rounds: list[list[float]] = []

    def play(self) -> None:
        """One round."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write("\n")
        stdin.flush()
        self.rounds.append([float(nanoseconds) for nanoseconds in stdout.readline().split()])

    def end(self) -> list[float]:
        """The median of each store, in nanoseconds."""
        self._process.communicate()
        return [median(store) for store in zip(*self.rounds, strict=True)]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    reference, ours = Contestant(reference_interpreter()), Contestant(Path(sys.executable))
    for _ in range(rounds):
        reference.play()
        ours.play()
    print(f"median of {rounds} rounds, nanoseconds for one cached get")
    print(f"{'':24}{'modelmesh-lite':>16}{'modelmesh':>12}{'ratio':>8}")
    for store, before, after in zip(STORES, reference.end(), ours.end(), strict=True):
        print(f"{store:24}{before:16.0f}{after:12.0f}{after / before:8.2f}")


if __name__ == "__main__":
    main()
