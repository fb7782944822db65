"""Where the answers are right and where not: figures of slices of the rows, in `slices.json`.

Rows are sliced by label (each of several, where a row has them), by language, by the length of the question and by the
file that they came from. A slice has n and an interval as a report has; few rows give a wide one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.figures import measured
from seekloop.evaluate.measures import expected_labels, measures
from seekloop.evaluate.questions import Question
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.seen import Seen
from seekloop.system import seeds
from seekloop.text import segment

__all__ = ["length_bucket", "part", "slices"]

_shown = ("accuracy", "exact_match", "rougeL_en", "rougeL_zh", "bleu_en", "bleu_zh", "chrf", "ends_by_itself")
_by_label = ("accuracy", "rougeL_en", "rougeL_zh")
_bounds = (16, 64, 256)


def part(seen: Seen) -> tuple[Figure, ...]:
    """Writes `slices.json`; slices are no figures of the whole report."""
    seed = seeds.derive(seen.ctx.seed, "evaluate", "slices")
    found = slices(seen.answers, seen.questions, seed=seed, resamples=seen.spec.resamples)
    text = json.dumps([figure.model_dump(mode="json") for figure in found], ensure_ascii=False, indent=1)
    seen.job.path("slices.json").write_text(text + "\n", "utf-8")
    return ()


def slices(answers: Sequence[Scored], questions: Sequence[Question], *, seed: int, resamples: int) -> list[Figure]:
    """`accuracy[label=card_lost]`, `rougeL_zh[language=zh]`, `accuracy[length=17-64]`, `accuracy[source=a.csv]`…

    Slices of the kind that all rows fall into together are left out: they are the report.
    """
    found: list[Figure] = []
    for kind, rows in _kinds(answers, questions).items():
        if len(rows) < 2 and kind != "label":
            continue
        names = _by_label if kind == "label" else _shown
        for value, some in rows.items():
            wanted = [one for one in measures(some) if one.name in names]
            for figure in measured(wanted, some, seed=seed, resamples=resamples):
                found.append(figure.model_copy(update={"name": f"{figure.name}[{kind}={value}]"}))
    return found


def length_bucket(text: str) -> str:
    """The length of a question as a range of units, words and single characters of Chinese: `0-16`, `17-64`, `257-`."""
    units, low = len(segment.tokens(text)), 0
    for bound in _bounds:
        if units <= bound:
            return f"{low}-{bound}"
        low = bound + 1
    return f"{low}-"


def _kinds(answers: Sequence[Scored], questions: Sequence[Question]) -> Mapping[str, Mapping[str, list[Scored]]]:
    """Kind of slice -> its value -> the rows, in the order of the values; lengths in that of their numbers."""
    found: dict[str, dict[str, list[Scored]]] = {}
    for answer, question in zip(answers, questions, strict=True):
        for kind, value in _places(answer, question):
            found.setdefault(kind, {}).setdefault(value, []).append(answer)
    ordered = {kind: dict(sorted(rows.items())) for kind, rows in found.items()}
    if "length" in ordered:
        ordered["length"] = dict(sorted(ordered["length"].items(), key=lambda one: int(one[0].partition("-")[0])))
    return ordered


def _places(answer: Scored, question: Question) -> Iterator[tuple[str, str]]:
    for label in expected_labels(answer):
        yield "label", label
    yield "language", answer.language
    asked = [message.content for message in question.asked if message.role == "user"]
    yield "length", length_bucket(asked[-1] if asked else "")
    yield "source", question.row.source.file
