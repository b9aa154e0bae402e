"""The table of differences: each occurs, and each has its section in the documentation."""

from __future__ import annotations

import re

import pytest

from comparison import explanations, first_difference
from differences import DIFFERENCES, Difference
from peers import REPOSITORY, Peer

DOCUMENT = REPOSITORY / "docs" / "compatibility.md"


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.id)
def test_a_listed_difference_occurs(difference: Difference, reference: Peer, ours: Peer) -> None:
    step = first_difference(difference.witness, reference, ours)
    assert step is not None, "both packages answer the same: take it off the list"
    assert explanations(step) == [difference], (step.operation, step.reference, step.ours)


def test_the_documentation_has_the_differences_of_the_table() -> None:
    sections = re.findall(r"^### `([a-z-]+)`", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == [difference.id for difference in DIFFERENCES]
