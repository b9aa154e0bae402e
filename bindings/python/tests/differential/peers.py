"""The two packages, each in an interpreter of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
REPOSITORY = Path(__file__).parents[4]

# The reference does without the last two, and is another program then: it neither encrypts nor asks a keyring.
REFERENCE = ("modelmesh-lite==0.1.1", "cryptography==50.0.2", "keyring==25.7.0")

Operation = dict[str, Any]
Answer = dict[str, Any]


def reference_interpreter() -> Path:
    """The interpreter that has the reference package, in an environment that is made once, under `target`."""
    environment = REPOSITORY / "target" / "python-reference"
    python = environment / "bin" / "python"
    # Written last: an environment without it is one whose making was interrupted.
    complete = environment / "complete"
    packages = "\n".join(REFERENCE)
    if not complete.exists() or complete.read_text() != packages:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REFERENCE], check=True)
        complete.write_text(packages)
    return python


class Peer:
    """One of the packages at work."""

    def __init__(self, python: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.defpath,
            "HOME": str(folder.parent),
            # No bus, no display: an operating system that has no keyring.
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        self._process = subprocess.Popen(
            [str(python), "-I", "-X", "utf8", str(WORKER), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder.parent,
        )
        self.folder = folder

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.communicate()

    def run(self, operations: Iterable[Operation]) -> list[Answer]:
        """The answers to the operations of a scenario, each done after the one before."""
        self._ask({"do": "begin"})
        return self.continue_with(operations)

    def continue_with(self, operations: Iterable[Operation]) -> list[Answer]:
        """The answers to more operations of the scenario before."""
        return [self._ask(operation) for operation in operations]

    def _ask(self, operation: Operation) -> Answer:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps(operation) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise AssertionError(f"the interpreter ended at {operation}, with exit code {self._process.wait()}")
        answer: Answer = json.loads(line)
        return answer
