"""Waits for what is bound to happen."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Longer than anything here takes on the slowest machine. It only bounds how long a failure takes.
LONG = 60.0


def until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; fail if it never does."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.001)
