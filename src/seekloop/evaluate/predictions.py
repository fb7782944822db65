"""Answers that were made elsewhere: a file of predictions and references, scored as our own are."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Comparison, Figure
from seekloop.artifact.rows import Message, Row, Source
from seekloop.evaluate.compare import compare_answers, shared_answers
from seekloop.evaluate.figures import figures
from seekloop.evaluate.scoring import Scored, score
from seekloop.system import seeds
from seekloop.system.errors import DataError, UsageError
from seekloop.text import labelled
from seekloop.text.encoding import sniff
from seekloop.text.labelled import AnswerForm

__all__ = ["compare_predictions", "read_predictions", "score_predictions"]

_unknown = ("ends_by_itself", "answer_tokens")
"""What a file of texts does not tell."""
_block = 1 << 20


def score_predictions(answers: Sequence[Scored], *, seed: int = 0, resamples: int = 2000) -> list[Figure]:
    """The figures of a file, as a report has them."""
    seed = seeds.derive(seed, "evaluate", "score")
    return [one for one in figures(answers, seed=seed, resamples=resamples) if one.name not in _unknown]


def compare_predictions(
    answers: Sequence[Scored], others: Sequence[Scored], *, name: str, seed: int = 0, resamples: int = 2000
) -> list[Comparison]:
    """The paired differences to another file, on the rows with the same id (or line) and the same reference.

    Raises:
        DataError: they share no row.
    """
    shared = shared_answers([one.key for one in answers], others, baseline=name)
    pairs = [(one, shared[one.key]) for one in answers if one.key in shared]
    found = compare_answers(pairs, baseline=name, seed=seed, resamples=resamples)
    return [one for one in found if one.figure not in _unknown]


def read_predictions(path: Path, *, form: AnswerForm = "text") -> list[Scored]:
    """The rows of a file of JSON lines, or of a CSV with a header, scored.

    A row has `prediction` and `reference`, both text; a prediction may be empty, a reference may not. Rows of two files
    are paired by `id`; without one by the number of the line. Several labels stand as `card; fee`.

    Args:
        path: UTF-8, UTF-16, GB18030, Big5 or Latin.
        form: what the texts hold.

    Raises:
        UsageError: no such file.
        DataError: a value is missing or no text, or the file is broken; `where` is `file:line`.
    """
    if not path.is_file():
        raise UsageError("evaluate.no_predictions", path=path)
    answers = [_scored(record, form=form, where=f"{path}:{line}", line=line) for line, record in _records(path)]
    if not answers:
        raise DataError("evaluate.empty_predictions", where=path)
    return answers


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The number of each row's last line, and its values."""
    with path.open("rb") as file:
        found = sniff(iter(lambda: file.read(_block), b""), where=path)
    if found.broken_line is not None:
        raise DataError("evaluate.prediction_bytes", encoding=found.name, where=f"{path}:{found.broken_line}")
    with path.open(encoding=found.name, newline="") as text:
        if path.suffix.lower() == ".csv":
            reader = csv.DictReader(text)
            for row in reader:
                yield reader.line_num, row
            return
        for line, one in enumerate(text, start=1):
            if one.strip():
                yield line, _record(one, where=f"{path}:{line}")


def _record(line: str, *, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise DataError("evaluate.prediction_not_json", where=where) from error
    if not isinstance(value, dict):
        raise DataError("evaluate.prediction_not_json", where=where)
    return value


def _scored(record: Mapping[str, Any], *, form: AnswerForm, where: str, line: int) -> Scored:
    reference, prediction = (_text(record, key, where=where) for key in ("reference", "prediction"))
    if not reference.strip():
        raise DataError("evaluate.prediction_missing", key="reference", where=where)
    label, _ = labelled.split(reference, form)
    labels = labelled.split_labels(label or "")
    turns = (Message(role="user", content=""), Message(role="assistant", content=reference))
    row = Row(
        id=str(record.get("id") or f"line {line}"),
        messages=turns,
        label=label,
        labels=labels if len(labels) > 1 else (),
        source=Source(file=where, line=line),
    )
    said = Message(role="assistant", content=prediction)
    return score(row, said, form=form, finish_reason="stop", completion_tokens=0)


def _text(record: Mapping[str, Any], key: str, *, where: str) -> str:
    value = record.get(key)
    if value is None:
        raise DataError("evaluate.prediction_missing", key=key, where=where)
    if not isinstance(value, str):
        raise DataError("evaluate.prediction_not_text", key=key, found=json.dumps(value), where=where)
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise DataError("evaluate.prediction_surrogate", key=key, where=where)
    return value
