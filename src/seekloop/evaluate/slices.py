"""Where the answers are right and where not: figures of slices of the rows, in `slices.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.figures import share
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.seen import Seen

__all__ = ["by_label", "part"]


def part(seen: Seen) -> tuple[Figure, ...]:
    """Writes `slices.json`; slices are no figures of the whole report."""
    found = [figure.model_dump(mode="json") for figure in by_label(seen.answers)]
    seen.job.path("slices.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return ()


def by_label(answers: Sequence[Scored]) -> list[Figure]:
    """Accuracy of each label's rows: `accuracy[label=card_lost]`, in the order of the labels."""
    labels = sorted({one.label for one in answers if one.label is not None})
    rows = {label: [one.correct for one in answers if one.label == label] for label in labels}
    return [share(f"accuracy[label={label}]", right) for label, right in rows.items()]
