"""What a corpus holds, learnt by one look through it before anything is made of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.artifact.rows import Row
from seekloop.data.labels.labelling import Labelling, labels_of, relabel
from seekloop.data.spec import Split

__all__ = ["Survey", "survey"]


@dataclass
class Survey:
    """Counts of a corpus."""

    path: Path
    """Its `rows.jsonl`."""
    rows: int = 0
    labelled: int = 0
    answered: int = 0
    fixed: set[Split] = field(default_factory=set)
    """Splits that sources fix."""
    labelling: Labelling | None = None
    """With the classes that have too few rows given to those above."""


def survey(path: Path, labelling: Labelling | None) -> Survey:
    """Look through rows that we wrote ourselves, so that most need no second validation."""
    result = Survey(path=path)
    counts: Counter[str] = Counter()
    with path.open("rb") as file:
        for line in file:
            row = json.loads(line)
            result.rows += 1
            result.answered += any(_answers(message) for message in row.get("messages", ()))
            if labelling is None:
                result.labelled += "label" in row
            else:
                classes = _classes(line, labelling)
                result.labelled += bool(classes)
                counts.update(classes)
            if "split" in row.get("meta", ()):
                result.fixed.add(row["meta"]["split"])
    result.labelling = None if labelling is None else labelling.counted(counts)
    return result


def _classes(line: bytes, labelling: Labelling) -> tuple[str, ...]:
    row = relabel(Row.model_validate_json(line), labelling)
    return labels_of(row) if row.dropped is None else ()


def _answers(message: dict[str, Any]) -> bool:
    return message["role"] == "assistant" and bool(message.get("content", "").strip() or message.get("tool_calls"))
