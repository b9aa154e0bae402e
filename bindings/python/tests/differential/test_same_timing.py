"""A time to live that passes."""

from __future__ import annotations

import pytest

from comparison import first_difference
from peers import Operation, Peer

TTL_MS = 30


def opened(kind: str, secrets: dict[str, str] | None = None) -> Operation:
    config = {"cache_ttl_ms": TTL_MS} | ({"secrets": secrets} if secrets is not None else {})
    return {"do": "open", "store": "s", "kind": kind, "config": config}


@pytest.mark.parametrize(
    "scenario",
    [
        [
            opened("MemorySecretStore", {"KEY": "old"}),
            {"do": "put", "store": "s", "name": "KEY", "value": "new"},
        ],
        [
            opened("BaseSecretStore", {"KEY": "old"}),
            {"do": "put", "store": "s", "name": "KEY", "value": "new"},
        ],
        [opened("HookStore"), {"do": "fill", "store": "s", "name": "KEY", "value": "new"}],
        [
            {"do": "env", "name": "KEY", "value": "old"},
            opened("EnvSecretStore"),
            {"do": "env", "name": "KEY", "value": "new"},
        ],
    ],
    ids=["memory", "dictionary", "hook", "environment"],
)
def test_a_change_is_served_when_the_time_to_live_has_passed(
    scenario: list[Operation], reference: Peer, ours: Peer
) -> None:
    *before, change = scenario
    fill: list[Operation] = (
        [{"do": "fill", "store": "s", "name": "KEY", "value": "old"}] if change["do"] == "fill" else []
    )
    steps = [
        *before,
        *fill,
        {"do": "get", "store": "s", "name": "KEY"},
        change,
        {"do": "await_value", "store": "s", "name": "KEY", "value": "new"},
    ]
    assert first_difference(steps, reference, ours) is None
    assert ours.run(steps)[-1] == {"value": "new"}


def test_a_hook_is_asked_at_expiry_and_not_before(reference: Peer, ours: Peer) -> None:
    """The reference calls an application's hook on the thread that reads, and only then."""
    steps: list[Operation] = [
        {"do": "open", "store": "s", "kind": "HookStore", "config": {"cache_ttl_ms": 3_600_000}},
        {"do": "fill", "store": "s", "name": "KEY", "value": "old"},
        *[{"do": "get", "store": "s", "name": "KEY"}] * 50,
        {"do": "calls", "store": "s"},
        {"do": "clear_cache", "store": "s"},
        {"do": "calls", "store": "s"},
        {"do": "get", "store": "s", "name": "KEY"},
        {"do": "calls", "store": "s"},
    ]
    assert first_difference(steps, reference, ours) is None
