"""Configurations in Python have the settings of their connectors, and take any value that they document."""

from __future__ import annotations

import dataclasses
import pickle
import sys

import pytest
from modelmesh import _native
from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.cdk.connector_secret_store import ConnectorSecretStore, ConnectorSecretStoreConfig
from modelmesh.connectors import CONNECTOR_REGISTRY
from modelmesh.interfaces.secret_store import (
    InvalidNameError,
    SecretFileError,
    SecretNotFoundError,
    SecretStoreError,
)

NEW = [
    connector
    for connector in CONNECTOR_REGISTRY.values()
    if issubclass(connector, ConnectorSecretStore) and issubclass(connector._CONFIG, ConnectorSecretStoreConfig)
]
BASE = {field.name for field in dataclasses.fields(BaseSecretStoreConfig)} | {"resolution"}


@pytest.mark.parametrize("connector", NEW, ids=lambda connector: connector.__name__)
def test_a_configuration_has_every_setting_of_its_connector(connector: type[ConnectorSecretStore]) -> None:
    fields = {field.name for field in dataclasses.fields(connector._CONFIG)} - BASE
    assert fields == set(_native._settings(connector._CONNECTOR))


def test_there_is_a_class_for_every_connector_that_is_new() -> None:
    assert len(NEW) == 7


@pytest.mark.parametrize("milliseconds", [1, 1.5, 2**31, 2**63, sys.maxsize * 1000, float("inf")])
def test_a_time_may_be_as_long_as_can_be(milliseconds: int) -> None:
    store = BaseSecretStore(BaseSecretStoreConfig(secrets={"a": "1"}, cache_ttl_ms=milliseconds))
    assert store.get("a") == "1"
    env = CONNECTOR_REGISTRY["modelmesh.env.v1"]()
    env = type(env)(dataclasses.replace(env._config, cache_ttl_ms=milliseconds, fail_on_missing=False))
    assert env.get("NO_SUCH_VARIABLE") == ""


@pytest.mark.parametrize("error", [SecretStoreError, SecretNotFoundError, InvalidNameError, SecretFileError])
def test_an_error_goes_from_process_to_process(error: type[SecretStoreError]) -> None:
    raised = error("what", kind="denied", name="a", store="s", help="h", retry_after=1.5)
    there = pickle.loads(pickle.dumps(raised))
    assert type(there) is error and there.args == raised.args == ("what",)
    assert vars(there) == vars(raised)
