"""Encrypted files that one package writes and the other reads."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

import scenarios
from peers import Operation, Peer


CASES = settings(max_examples=100, derandomize=True, database=None, deadline=None)


def write(secrets: dict[str, str], key: dict[str, Any]) -> list[Operation]:
    return [
        {
            "do": "open",
            "store": "s",
            "kind": "EncryptedFileSecretStore",
            "config": {"file_path": "@file", **key},
        },
        *({"do": "set", "store": "s", "name": name, "value": value} for name, value in secrets.items()),
        {"do": "save", "store": "s"},
    ]


def read(secrets: dict[str, str], key: dict[str, Any]) -> list[Operation]:
    return [
        {
            "do": "open",
            "store": "s",
            "kind": "EncryptedFileSecretStore",
            "config": {"file_path": "@file", **key},
        },
        {"do": "list", "store": "s"},
        *({"do": "get", "store": "s", "name": name} for name in secrets),
    ]


def carry(secrets: dict[str, str], key: dict[str, Any], writer: Peer, reader: Peer) -> None:
    """`reader` reads, changes and saves a file that `writer` wrote, and `writer` reads that again."""
    changed = {**secrets, "added": "by the other"}
    written = writer.run(write(secrets, key))
    assert all("value" in answer for answer in written), written
    reader.run([])
    (reader.folder / "file").write_bytes((writer.folder / "file").read_bytes())
    answers = reader.continue_with(
        [
            *read(secrets, key),
            {"do": "set", "store": "s", "name": "added", "value": "by the other"},
            {"do": "save", "store": "s"},
        ]
    )
    assert answers == told(secrets) + [{"value": None}, {"value": None}]
    (writer.folder / "file").write_bytes((reader.folder / "file").read_bytes())
    assert writer.continue_with(read(changed, key)) == told(changed)


def told(secrets: dict[str, str]) -> list[dict[str, Any]]:
    return [{"value": None}, {"value": sorted(secrets)}, *({"value": value} for value in secrets.values())]


@settings(CASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secrets=scenarios.secrets, key=scenarios.credentials)
def test_a_file_of_the_reference_is_read_and_changed(
    secrets: dict[str, str], key: dict[str, Any], reference: Peer, ours: Peer
) -> None:
    carry(secrets, key, reference, ours)


@settings(CASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secrets=scenarios.secrets, key=scenarios.credentials)
def test_a_file_of_ours_is_read_and_changed_by_the_reference(
    secrets: dict[str, str], key: dict[str, Any], reference: Peer, ours: Peer
) -> None:
    carry(secrets, key, ours, reference)


def test_our_default_derivation_is_the_references(reference: Peer, ours: Peer) -> None:
    """With 600,000 iterations, which the generated cases save themselves."""
    carry({"KEY": "one"}, {"passphrase": "correct horse"}, reference, ours)
