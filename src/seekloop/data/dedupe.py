"""Duplicates: the first row stays, a later twin is dropped with the id of the row that was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from seekloop.artifact.rows import Row
from seekloop.data.meaning import Meanings
from seekloop.data.spec import DedupeSpec
from seekloop.data.wording import asked, everything
from seekloop.text.near import Index
from seekloop.text.senses import senses
from seekloop.text.shingles import Prints, prints

__all__ = ["Deduper", "Twin", "compares_prompt"]


_Meaning = tuple[str | None, bool | None]
"""A row's label, and whether its answer is desirable."""
_wanted = MappingProxyType({None: 0, True: 1, False: 2})


@dataclass(frozen=True)
class Twin:
    """Why a row is left out, and the row that stands for it."""

    reason: str
    """`duplicate_exact`, `duplicate_near`, `duplicate_meaning`, `label_conflict` or, from the leak check, `leak_…`."""
    id: str


def compares_prompt(row: Row, spec: DedupeSpec) -> bool:
    """Whether a row is compared by what the user asked alone, or by its answers too."""
    return spec.compare == "prompt" or (spec.compare is None and row.label is not None)


class Deduper:
    """Rows kept so far; tells of the next ones which are duplicates.

    Two near duplicates with different labels are two rows: a word more may be another wish. The same text with another
    label is a `label_conflict`, since one of the two labels must be wrong; whether an answer is desirable counts as its
    label does. Where no labels tell wishes apart, numbers and negations do: near duplicates that differ in them are two
    rows.

    Args:
        spec: the stages and their thresholds.
        meanings: finds the same in other words among the rows that the other stages let through; None: nothing does.
    """

    def __init__(self, spec: DedupeSpec, *, meanings: Meanings | None = None) -> None:
        self.spec = spec
        self._meanings = meanings
        self._said: list[str] = []
        """Ids of the rows that the last stage kept, by number."""
        self._instead: dict[str, str] = {}
        """Row that the last stage left out -> the one that stands for it, and for the row's own twins."""
        self.index = Index(spec.similarity if spec.near else None)
        self._ids: list[str] = []
        self._meant: list[_Meaning] = []
        self._classes: dict[_Meaning, int] = {}

    def check(self, rows: Sequence[Row], prompts: Prints) -> list[Twin | None]:
        """The twin of each row among the rows kept before it; None: it is new, and is kept from now on.

        Args:
            rows: the next rows, in order; how they are cut into batches changes nothing.
            prompts: fingerprints of what the user asked in them.

        Returns:
            One for each row.
        """
        by_prompt = [compares_prompt(row, self.spec) for row in rows]
        twins: list[Twin | None] = [None] * len(rows)
        if self.spec.exact or self.spec.near:
            twins = self._alike(rows, prompts, by_prompt=by_prompt)
        return twins if self._meanings is None else self._same(rows, twins, by_prompt=by_prompt)

    def _alike(self, rows: Sequence[Row], prompts: Prints, *, by_prompt: Sequence[bool]) -> list[Twin | None]:
        """Twins by their characters."""
        marks = prompts if all(by_prompt) else prints([_view(*pair) for pair in zip(rows, by_prompt, strict=True)])
        found = self.index.compare(marks, self._classes_of(rows), exact=self.spec.exact)
        for row, number in zip(rows, found.numbers.tolist(), strict=True):
            if number >= 0:
                self._ids.append(row.id)
                self._meant.append((row.label, row.desirable))
        pairs = zip(rows, found.twins.tolist(), found.exact.tolist(), strict=True)
        return [self._twin(row, number, exact=exact) for row, number, exact in pairs]

    def _same(
        self, rows: Sequence[Row], twins: Sequence[Twin | None], *, by_prompt: Sequence[bool]
    ) -> list[Twin | None]:
        """These twins, and those by meaning among the other rows."""
        assert self._meanings is not None  # there is a stage to run
        new = [place for place, twin in enumerate(twins) if twin is None]
        texts = [_view(rows[place], by_prompt[place]) for place in new]
        found = self._meanings.twins(texts, self._classes_of([rows[place] for place in new]))
        result = list(twins)
        for place, number in zip(new, found, strict=True):
            if number is None:
                self._said.append(rows[place].id)
            else:
                self._instead[rows[place].id] = self._said[number]
                result[place] = Twin("duplicate_meaning", self._said[number])
        return [twin and Twin(twin.reason, self._instead.get(twin.id, twin.id)) for twin in result]

    def _twin(self, row: Row, number: int, *, exact: bool) -> Twin | None:
        if number < 0:
            return None
        agree = self._meant[number] == (row.label, row.desirable)
        return Twin(
            ("duplicate_exact" if agree else "label_conflict") if exact else "duplicate_near", self._ids[number]
        )

    def _classes_of(self, rows: Sequence[Row]) -> NDArray[np.int64]:
        """Labels as numbers above zero; what stands for the sense of an unlabelled row is below."""
        bare = [place for place, row in enumerate(rows) if row.label is None]
        classes = np.zeros(len(rows), dtype=np.int64)
        wanted = [_wanted[rows[place].desirable] for place in bare]
        classes[bare] = -1 - (3 * senses([everything(rows[place]) for place in bare]) + np.array(wanted, np.int64))
        for place, row in enumerate(rows):
            if row.label is not None:
                classes[place] = self._classes.setdefault((row.label, row.desirable), len(self._classes) + 1)
        return classes


def _view(row: Row, by_prompt: bool) -> str:
    return asked(row) if by_prompt else everything(row)
