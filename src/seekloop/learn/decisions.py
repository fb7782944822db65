"""What people decided in a review: it outranks whatever feedback said of the same answer.

accept: the answer was right, and nothing is learnt. correct: a row to train, with the label and text that the reviewer
gave. discard: never trained, whoever says what. Of several decisions on an answer the newest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import TypeAdapter

from seekloop.artifact.ledger import Feedback

__all__ = ["Decision", "newest"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One `review.decided` event."""

    answer: str
    actor: str
    at: str
    seq: int
    decision: Literal["accept", "correct", "discard"]
    label: str | None = None
    correction: str | None = None

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> Self:
        """From a line of `decisions.jsonl`; facts that do not change what is learnt are left aside.

        Raises:
            ValidationError: the event says nothing that can be followed.
        """
        wanted = {name: line["facts"].get(name) for name in ("decision", "label", "correction")}
        told = {name: line[name] for name in ("answer", "actor", "at", "seq")}
        return TypeAdapter(cls).validate_python(told | wanted)

    @property
    def as_feedback(self) -> Feedback:
        """What it says of the answer, as feedback of the reviewer."""
        corrects = self.decision == "correct"
        return Feedback(
            id=f"review {self.seq}",
            answer=self.answer,
            at=self.at,
            caller=self.actor,
            score=1.0 if self.decision == "accept" else None,
            label=self.label if corrects else None,
            correction=self.correction if corrects else None,
        )


def newest(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Answer -> the decision that counts."""
    return {one.answer: one for one in sorted(decisions, key=lambda one: one.seq)}
