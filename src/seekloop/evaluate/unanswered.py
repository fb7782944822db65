"""What was asked and not answered, and how likely each label was: files of their own beside the answers."""

from __future__ import annotations

import json

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.constrained import write_probabilities
from seekloop.evaluate.figures import share
from seekloop.evaluate.seen import Seen
from seekloop.runtime.endpoint.served import FORM

__all__ = ["part"]


def part(seen: Seen) -> tuple[Figure, ...]:
    """Writes `probabilities.jsonl` where answers were constrained.

    For an endpoint: writes `unanswered.jsonl`, a row and a reason a line; `unanswered` (Wilson) is their share of all
    rows that were asked. The other figures are about the rows that were answered.
    """
    if seen.probabilities:
        write_probabilities(seen.job.path("probabilities.jsonl"), seen.probabilities)
    if seen.inputs.checkpoint.form != FORM:
        return ()
    with seen.job.path("unanswered.jsonl").open("w", encoding="utf-8") as file:
        for question, problem in seen.unanswered:
            file.write(json.dumps({"row": question.row.id, "problem": problem}, ensure_ascii=False) + "\n")
    figure = share("unanswered", [False] * len(seen.answers) + [True] * len(seen.unanswered))
    return (figure.model_copy(update={"better": "lower"}),)
