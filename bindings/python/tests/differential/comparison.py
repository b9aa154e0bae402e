"""When two answers are the same, and how a scenario is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from differences import DIFFERENCES, Difference
from peers import Answer, Operation, Peer


@dataclass(frozen=True)
class Step:
    """One operation of a scenario, and what both packages answered."""

    scenario: Sequence[Operation]
    index: int
    reference: Answer
    ours: Answer

    @property
    def operation(self) -> Operation:
        return self.scenario[self.index]

    @property
    def opening(self) -> Operation:
        """How the store of this operation was constructed; the operation itself, if it is that or names no store."""
        store = self.operation.get("store")
        before = reversed(self.scenario[: self.index + 1])
        return next(
            (step for step in before if step["do"] in ("open", "open_beside") and step["store"] == store),
            self.operation,
        )

    @property
    def kind(self) -> str:
        """The class of the store that the operation is about."""
        return str(self.opening.get("kind", ""))

    @property
    def config(self) -> Operation:
        """The configuration that the store was constructed with."""
        config: Operation = self.opening.get("config") or {}
        return config

    def text_of(self, file: str) -> str | None:
        """What the scenario itself last wrote to a file."""
        before = reversed(self.scenario[: self.index + 1])
        return next((step["text"] for step in before if step["do"] == "write" and step["file"] == file), None)


def is_same(reference: Answer, ours: Answer) -> bool:
    """Whether an application can do with `ours` what it did with `reference`.

    - A value is the same value, of the same type.
    - An error is caught by every `except` that caught the reference's. It may be caught by others too.
    - The text of a `KeyError` is part of the contract. Of other errors it is not.
    - A name that is refused is no answer of the store, whatever the reference raises.
    """
    if "value" in reference:
        return "value" in ours and same_value(reference["value"], ours["value"])
    if "error" not in ours or ours["error"]["kind"] == "invalid_name":
        return False
    before, after = reference["error"], ours["error"]
    return set(before["is"]) <= set(after["is"]) and before["key"] in (None, after["key"])


def same_value(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def first_difference(scenario: Sequence[Operation], reference: Peer, ours: Peer) -> Step | None:
    """The first step at which the packages differ. After it they are in different states, and no longer comparable."""
    pairs = zip(reference.run(scenario), ours.run(scenario), strict=True)
    for index, (before, after) in enumerate(pairs):
        if not is_same(before, after):
            return Step(scenario, index, before, after)
    return None


def explanations(step: Step) -> list[Difference]:
    """The listed differences that this step is an instance of."""
    return [difference for difference in DIFFERENCES if difference.occurs(step)]


def judge(scenario: Sequence[Operation], reference: Peer, ours: Peer) -> None:
    """Fails if the packages differ in a way that is not listed."""
    step = first_difference(scenario, reference, ours)
    if step is not None and not explanations(step):
        steps = "\n".join(f"    {operation}" for operation in scenario[: step.index + 1])
        raise AssertionError(
            f"not the same, and not listed\n{steps}\n  reference: {step.reference}\n  ours:      {step.ours}"
        )
