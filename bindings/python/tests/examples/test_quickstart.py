"""The quick start."""

from __future__ import annotations

from running import run


def test_it_resolves_a_key_and_a_mapping_and_prints_no_value() -> None:
    printed = run("quickstart.py", OPENAI_KEY="sk-canary-9c2")
    assert printed == "a key of 13 characters\na header of 20 characters, 3 retries\n"
