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


@pytest.mark.parametrize("kind", KINDS)
def test_classes_and_methods_are_called_in_the_same_way(kind: str, reference: Peer, ours: Peer) -> None:
    scenario: list[Operation] = [{"do": "signatures", "kind": kind}]
    [before], [after] = reference.run(scenario), ours.run(scenario)
    assert {name: after["value"][name] for name in before["value"]} == before["value"]


@pytest.mark.parametrize(
    "module",
    [
        "modelmesh.interfaces",
        "modelmesh.interfaces.secret_store",
        "modelmesh.cdk",
        "modelmesh.cdk.base_secret_store",
        "modelmesh.cdk.specialized",
        "modelmesh.cdk.specialized.file_secret_store",
        "modelmesh.connectors",
        "modelmesh.connectors.secret_stores",
        "modelmesh.connectors.secret_stores.dotenv_store",
        "modelmesh.connectors.secret_stores.encrypted_file_store",
        "modelmesh.connectors.secret_stores.env_store",
        "modelmesh.connectors.secret_stores.json_store",
        "modelmesh.connectors.secret_stores.keyring_store",
        "modelmesh.connectors.secret_stores.memory_store",
    ],
)
def test_a_module_has_the_same_names(module: str, reference: Peer, ours: Peer) -> None:
    scenario: list[Operation] = [{"do": "exports", "module": module}]
    [before], [after] = reference.run(scenario), ours.run(scenario)
    assert set(before["value"]) <= set(after["value"])


def test_a_secret_value_is_made_and_compared_in_the_same_way(reference: Peer, ours: Peer) -> None:
    assert reference.run([{"do": "secret_value"}]) == ours.run([{"do": "secret_value"}])


def test_the_registry_has_the_same_stores(reference: Peer, ours: Peer) -> None:
    [before], [after] = reference.run([{"do": "registered"}]), ours.run([{"do": "registered"}])
    assert before == after


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("BaseSecretStore", "FileSecretStore")])
def test_a_store_can_be_made_without_a_configuration(kind: str, reference: Peer, ours: Peer) -> None:
    scenario: list[Operation] = [
        {"do": "open", "store": "s", "kind": kind, "config": None},
        {"do": "get", "store": "s", "name": "MISSING"},
    ]
    for before, after in zip(reference.run(scenario), ours.run(scenario), strict=True):
        # A keyring that is not there: see the listed differences.
        assert is_same(before, after) or kind == "KeyringSecretStore"
