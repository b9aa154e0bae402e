"""The cases that every language's implementation runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from modelmesh import _native
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.interfaces.secret_store import SecretStoreError
from modelmesh.resolver import SecretResolver

Case = dict[str, Any]


def cases_of(name: str) -> dict[str, Any]:
    path = Path(__file__).parents[4] / f"conformance/{name}.json"
    cases: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return cases


CASES: dict[str, list[Case]] = cases_of("references")
CONFIGURATIONS = cases_of("configurations")


def every_case_of(section: str) -> pytest.MarkDecorator:
    assert CASES[section], f"'{section}' has cases"
    return pytest.mark.parametrize("case", CASES[section], ids=lambda case: json.dumps(case)[:60])


def test_every_section_is_run() -> None:
    assert CASES.keys() == {"about", "pieces", "names", "written", "fields", "durations", "naming", "listed"}


@every_case_of("pieces")
def test_texts_have_these_pieces(case: Case) -> None:
    pieces: list[dict[str, object]] = []
    for kind, part in _native._scan(case["text"]):
        if kind == "literal" and pieces and "literal" in pieces[-1]:
            # Neighboring literals are one.
            part = f"{pieces.pop()['literal']}{part}"
        pieces.append({kind: part})
    assert pieces == case["pieces"]


@every_case_of("names")
def test_names_are_names_or_not(case: Case) -> None:
    store = BaseSecretStore(BaseSecretStoreConfig(secrets={case["name"]: "1"}))
    if case["valid"]:
        assert store.get(case["name"]) == "1"
    else:
        with pytest.raises(SecretStoreError) as raised:
            store.get(case["name"])
        assert raised.value.kind == "invalid_name"


@every_case_of("written")
def test_names_are_written_as_references_and_read_back(case: Case) -> None:
    assert _native._to_reference(case["name"]) == case["reference"]
    assert _native._scan(case["reference"]) == [("reference", {"name": case["name"]})]


@every_case_of("fields")
def test_documents_have_these_fields(case: Case) -> None:
    if "error" in case:
        with pytest.raises(SecretStoreError) as raised:
            _native._field(case["field"], case["document"])
        assert raised.value.kind == case["error"]
    else:
        assert _native._field(case["field"], case["document"]) == case["value"]


@every_case_of("durations")
def test_durations_last_this_long(case: Case) -> None:
    assert _native._milliseconds(case["text"]) == case["milliseconds"]


@every_case_of("naming")
def test_logical_names_become_these_names_of_the_backend(case: Case) -> None:
    if "error" in case:
        with pytest.raises(SecretStoreError) as raised:
            _native._to_backend(case["prefix"], case["naming"], case["logical"])
        assert raised.value.kind == case["error"]
    else:
        backend, canonical = _native._to_backend(case["prefix"], case["naming"], case["logical"])
        assert (backend, canonical) == (case["backend"], case.get("canonical", case["logical"]))


@every_case_of("listed")
def test_listings_give_these_logical_names(case: Case) -> None:
    assert _native._to_logical(case["prefix"], case["naming"], case["backend"]) == case["logical"]


@pytest.mark.parametrize("case", CONFIGURATIONS["resolved"], ids=lambda case: json.dumps(case["given"])[:60])
def test_configurations_become_these(case: Case, tmp_path: Path) -> None:
    config = tmp_path / "modelmesh.json"
    store = {"store": "modelmesh.memory-secrets.v1", "secrets": CONFIGURATIONS["secrets"]}
    config.write_text(json.dumps({"secrets": store}), encoding="utf-8")
    resolver = SecretResolver.from_config(config)
    before = json.dumps(case["given"])
    if "error" in case:
        with pytest.raises(SecretStoreError) as raised:
            resolver.resolve_all(case["given"])
        assert raised.value.kind == case["error"]
    else:
        assert resolver.resolve_all(case["given"]) == case["resolved"]
    assert json.dumps(case["given"]) == before, "what was given is not touched"
