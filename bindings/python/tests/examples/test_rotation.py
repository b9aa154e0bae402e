"""Sixty rotations under load."""

from __future__ import annotations

from running import run


def test_no_request_fails_and_a_rotation_costs_one_store_call() -> None:
    printed = dict(line.split(maxsplit=1) for line in run("rotation.py").replace("store calls", "calls").splitlines())
    assert printed["rotations"] == "60"
    assert printed["failed"] == "0"
    assert printed["calls"] == "60"
    # Every user met every rotation: it was refused, or found that another had been.
    assert int(printed["requests"]) >= 4 * 60
    assert 60 <= int(printed["refusals"].split(",")[0]) <= 4 * 60
