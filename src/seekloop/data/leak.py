"""Leaks between rounds and between fixed splits: what was tested is never trained, what was trained is never tested."""

from __future__ import annotations

from collections.abc import Iterable

from seekloop.artifact.rows import Row
from seekloop.data.dedupe import Twin
from seekloop.data.spec import Split
from seekloop.data.wording import asked
from seekloop.text.similarity import Fingerprint, Seen

__all__ = ["Guard"]


class Guard:
    """Prompts whose split is settled: those of the parent dataset, and those that a source fixes."""

    def __init__(self, similarity: float) -> None:
        self._seen: dict[Split, Seen] = {name: Seen(similarity) for name in ("train", "validation", "test")}

    def settle(self, split: Split, rows: Iterable[Row]) -> None:
        """Remember rows that belong to `split`."""
        for row in rows:
            self._seen[split].add(row.id, Fingerprint.of(asked(row)))

    def check(self, mark: Fingerprint, fixed: Split | None) -> Twin | None:
        """Why a row may not stand in the split that its source fixes (None: in any); None: it may.

        Returns:
            `leak_test` or `leak_validation` for a row that would be trained though its like is held out,
            `leak_train` for a row that would be tested though the parent was trained on its like.
        """
        against: dict[Split | None, tuple[Split, ...]] = {"test": ("train",), "validation": ("train", "test")}
        for split in against.get(fixed, ("test", "validation")):
            match = self._seen[split].find(mark)
            if match is not None:
                return Twin(f"leak_{split}", match.id)
        return None

    def was_trained(self, mark: Fingerprint) -> bool:
        """Whether the parent trained on the like of this prompt, so that the row can only be trained again."""
        return self._seen["train"].find(mark) is not None
