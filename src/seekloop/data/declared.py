"""What the spec declares in files of their own: classes, levels, decisions; and which files those are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from seekloop.data.labels.labelling import Labelling
from seekloop.data.labels.spec import LabelsSpec
from seekloop.data.read.files import locate
from seekloop.system.errors import DataError

__all__ = ["declared_labels", "declared_levels"]

Labels = LabelsSpec | str | Sequence[str] | None


def declared_labels(labels: Labels, root: Path) -> tuple[str, ...] | None:
    """The classes by name, read from their file where the spec names one; None: it declares none, or levels.

    Raises:
        DataError: the file is no JSON list of names.
    """
    if labels is None or isinstance(labels, LabelsSpec):
        return None
    if not isinstance(labels, str):
        return tuple(labels)
    path = locate(labels, root=root)
    try:
        names = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, OSError) as error:
        raise DataError("data.bad_labels", path=labels) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError("data.bad_labels", path=labels)
    return tuple(names)


def declared_levels(labels: Labels, root: Path) -> Labelling | None:
    """Taxonomy and decisions, their files opened; None where the spec says no more of labels than their names.

    Raises:
        DataError: a file cannot be read or does not hold what it should.
    """
    if not isinstance(labels, LabelsSpec):
        return None
    taxonomy, decisions = (None if p is None else locate(p, root=root) for p in (labels.taxonomy, labels.decisions))
    return Labelling.open(labels, taxonomy=taxonomy, decisions=decisions)
