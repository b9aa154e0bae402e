"""What does not depend on what is done: defaults, interfaces, the registry."""

from __future__ import annotations

import pytest

from comparison import is_same
from peers import Operation, Peer

KINDS = [
    "BaseSecretStore",
    "FileSecretStore",
    "EnvSecretStore",
    "DotenvSecretStore",
    "JsonSecretStore",
    "MemorySecretStore",
    "EncryptedFileSecretStore",
    "KeyringSecretStore",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_has_the_same_fields_and_defaults(kind: str, reference: Peer, ours: Peer) -> None:
    scenario: list[Operation] = [{"do": "defaults", "kind": kind}]
    [before], [after] = reference.run(scenario), ours.run(scenario)
    # Ours may have more fields, behind those of the reference.
    fields = list(before["value"])
    assert list(after["value"])[: len(fields)] == fields
    assert {field: after["value"][field] for field in fields} == before["value"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_implements_the_same_interfaces(kind: str, reference: Peer, ours: Peer) -> None:
    scenario: list[Operation] = [
        {"do": "open", "store": "s", "kind": kind, "config": {}},
        {"do": "interfaces", "store": "s"},
    ]
    before, after = reference.run(scenario)[-1], ours.run(scenario)[-1]
    assert set(before["value"]) <= set(after["value"])


def test_the_registry_has_the_same_stores(reference: Peer, ours: Peer) -> None:
    [before], [after] = reference.run([{"do": "registered"}]), ours.run([{"do": "registered"}])
    assert before == after


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ("BaseSecretStore", "FileSecretStore")]
)
def test_a_store_can_be_made_without_a_configuration(kind: str, reference: Peer, ours: Peer) -> None:
    scenario: list[Operation] = [
        {"do": "open", "store": "s", "kind": kind, "config": None},
        {"do": "get", "store": "s", "name": "MISSING"},
    ]
    for before, after in zip(reference.run(scenario), ours.run(scenario), strict=True):
        # A keyring that is not there: see the listed differences.
        assert is_same(before, after) or kind == "KeyringSecretStore"
