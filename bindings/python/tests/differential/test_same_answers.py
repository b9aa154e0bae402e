"""Generated scenarios: both packages answer the same, or differ in a listed way."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scenarios
from comparison import judge
from peers import Peer
from scenarios import Scenario

# The same scenarios in every run, so that a change fails by its own fault. With a number given, others, and as many.
EXAMPLES = os.environ.get("MODELMESH_TEST_EXAMPLES")
THOROUGHNESS = settings(max_examples=int(EXAMPLES or 300), derandomize=EXAMPLES is None, database=None, deadline=None)

STRATEGIES: dict[str, st.SearchStrategy[Scenario]] = {
    "a dictionary, alive": scenarios.base,
    "a subclass that asks its base": scenarios.prefix,
    "a subclass with its own get": scenarios.shouting,
    "a subclass with its own hook": scenarios.hook,
    "a subclass that is written": scenarios.managed,
    "memory": scenarios.memory,
    "names of all kinds": scenarios.memory_of_all_names,
    "two stores over one dictionary": scenarios.shared,
    "the environment": scenarios.env,
    "a plain .env file": scenarios.dotenv_plain,
    "any .env file": scenarios.dotenv,
    "a file: env": scenarios.file_env,
    "a file: json": scenarios.file_json,
    "a file: toml": scenarios.file_toml,
    "a file that is broken": scenarios.broken,
    "a tree of JSON": scenarios.json_store,
    "an encrypted file": scenarios.encrypted,
    "an encrypted file that is none": scenarios.encrypted_in_memory,
    "an encrypted file, misused": scenarios.encrypted_misused,
    "a keyring that is not there": scenarios.keyring,
}
# Ours asks for a keyring several times before it gives up.
SLOW = "a keyring that is not there"


@pytest.mark.parametrize("name", STRATEGIES)
def test_both_packages_answer_the_same(name: str, reference: Peer, ours: Peer) -> None:
    examples = THOROUGHNESS.max_examples // (30 if name == SLOW else 1)

    # The fixtures are processes, which begin each scenario anew.
    @settings(THOROUGHNESS, max_examples=examples, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(STRATEGIES[name])
    def compare(scenario: Scenario) -> None:
        judge(scenario, reference, ours)

    compare()
