"""Duplicates: the first row stays, a later twin is dropped with the id of the row that was kept."""

from __future__ import annotations

from dataclasses import dataclass

from seekloop.artifact.rows import Row
from seekloop.data.spec import DedupeSpec
from seekloop.data.wording import everything
from seekloop.text.similarity import Fingerprint, Seen

__all__ = ["Deduper", "Twin"]


@dataclass(frozen=True)
class Twin:
    """Why a row is left out, and the row that stands for it."""

    reason: str
    """`duplicate_exact`, `duplicate_near`, `label_conflict` or, from the leak check, `leak_…`."""
    id: str


class Deduper:
    """Rows kept so far; tells of the next one whether it is a duplicate.

    Two near duplicates with different labels are two rows: a word more may be another wish. The same text with another
    label is a `label_conflict`, since one of the two labels must be wrong.
    """

    def __init__(self, spec: DedupeSpec) -> None:
        self.spec = spec
        self._seen = Seen(spec.similarity if spec.near else None)
        self._labels: dict[str, str | None] = {}

    def check(self, row: Row, prompt: Fingerprint) -> Twin | None:
        """The twin of `row` among the rows kept before it; None: it is new, and is kept from now on.

        Args:
            row: the row.
            prompt: fingerprint of what the user asked in it.
        """
        by_prompt = self.spec.compare == "prompt" or (self.spec.compare is None and row.label is not None)
        mark = prompt if by_prompt else Fingerprint.of(everything(row))
        exact = self._seen.exact(mark) if self.spec.exact else None
        if exact is not None:
            agree = self._labels[exact.id] == row.label
            return Twin("duplicate_exact" if agree else "label_conflict", exact.id)
        for near in self._seen.near(mark):
            if self._labels[near.id] == row.label:
                return Twin("duplicate_near", near.id)
        self._seen.add(row.id, mark)
        self._labels[row.id] = row.label
        return None
