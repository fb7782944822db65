"""Whether the model's own probability of its label means what it says: the reliability curve, in `calibration.json`."""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.seen import Seen
from seekloop.metrics.calibration import reliability

__all__ = ["part"]


def part(seen: Seen) -> tuple[Figure, ...]:
    """Writes `calibration.json` where rows have a label's probability; its error is a figure of the report already."""
    rows = [one for one in seen.answers if "label_probability" in one.scores]
    if rows:
        probabilities = np.array([one.scores["label_probability"] for one in rows])
        right = np.array([one.correct for one in rows])
        bins = [dataclasses.asdict(one) for one in reliability(probabilities, right)]
        text = json.dumps({"bins": bins, "n": len(rows)}, indent=1)
        seen.job.path("calibration.json").write_text(text + "\n", "utf-8")
    return ()
