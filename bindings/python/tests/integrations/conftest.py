"""What LiteLLM is told is taken back after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# No test uses the network: LiteLLM would fetch a list of prices when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402


@pytest.fixture(autouse=True)
def litellm_as_it_was() -> Iterator[None]:
    attributes = ("secret_manager_client", "_key_management_system", "_key_management_settings")
    before = {attribute: getattr(litellm, attribute) for attribute in attributes}
    yield
    for attribute, value in before.items():
        setattr(litellm, attribute, value)
