"""Which label was taken for which, in `confusion.json`, with precision, recall and F1 of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.measures import answered_labels, expected_labels
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.seen import Seen
from seekloop.metrics import classification, label_sets

__all__ = ["confusion", "part"]


def part(seen: Seen) -> tuple[Figure, ...]:
    """Writes `confusion.json` where answers hold labels; its averages are figures of the report already."""
    labelled = [one for one in seen.answers if one.label is not None]
    if labelled:
        found = confusion(labelled, labels=seen.inputs.dataset.labels)
        seen.job.path("confusion.json").write_text(json.dumps(found, ensure_ascii=False) + "\n", "utf-8")
    return ()


def confusion(answers: Sequence[Scored], *, labels: Sequence[str]) -> dict[str, Any]:
    """The confusion matrix, and each class's figures.

    Args:
        answers: with labels; at least one.
        labels: all classes, those that these rows lack included.

    Returns:
        `labels` of the rows and columns; `matrix`, a row for each expected class and a column for each answered one,
        then one of answers that are no class (`other`), None where rows have several labels; `classes`, the figures of
        the classes that are expected; `others`, how often each answer that is no class was given.
    """
    several = any(len(one.labels) > 1 for one in answers)
    expected = [expected_labels(one) for one in answers]
    answered = [answered_labels(one, several=several) for one in answers]
    known = sorted({*labels, *(label for row in expected for label in row)})
    table = label_sets.ClassTable(expected, answered)
    matrix = None
    if not several:
        firsts = [row[0] for row in expected], [row[0] if row else None for row in answered]
        matrix = classification.confusion(*firsts, labels=known).tolist()
    others = Counter(label for row in answered for label in row)
    for label in known:
        others.pop(label, None)
    return {"labels": known, "matrix": matrix, "classes": _classes(table), "others": dict(sorted(others.items()))}


def _classes(table: label_sets.ClassTable) -> list[dict[str, Any]]:
    found = []
    for label, counts in zip(table.labels, table.counts(), strict=True):
        one: dict[str, Any] = {"label": label}
        for name in label_sets.FIGURES:
            one[name] = round(float(label_sets.of_counts(counts.astype(np.float64), name)), 10)
        found.append({**one, "answered": int(counts[1]), "support": int(counts[2])})
    return found
