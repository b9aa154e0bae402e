"""Calls of the engine as coroutines."""

from __future__ import annotations

from typing import TypeVar

from modelmesh._native import _Pending

_T = TypeVar("_T")


async def run(pending: _Pending[_T]) -> _T:
    """Begin a call, and return its answer."""
    return (await pending.begin()).take()
