"""Runs code in the child of a fork, and brings back what it returned."""

from __future__ import annotations

import json
import os
import traceback
import warnings
from collections.abc import Callable
from typing import Any


class Child:
    """A child that runs `work`, whose result can be written as JSON."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._read, write = os.pipe()
        with warnings.catch_warnings():
            # Later Pythons warn of a fork while there are threads. There are, and that is what is tried here.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            try:
                told = {"result": work()}
            except BaseException:
                told = {"error": traceback.format_exc()}
            os.write(write, json.dumps(told).encode())
            # Nothing of pytest runs in the child.
            os._exit(0)
        os.close(write)

    def result(self) -> Any:
        """What the child returned, when it has."""
        with os.fdopen(self._read, "rb") as pipe:
            told = json.loads(pipe.read())
        os.waitpid(self._pid, 0)
        assert "error" not in told, told.get("error")
        return told["result"]


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` returns in a child."""
    return Child(work).result()
