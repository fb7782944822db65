"""The rows that a business figure is counted on: production's answers, or the lines of a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.ledger import Answer, Feedback
from seekloop.artifact.records import SIGNALS
from seekloop.system.errors import DataError
from seekloop.text.encoding import sniff

__all__ = ["Cell", "Value", "csv_cells", "traffic_cells"]

Value = str | float | None
"""None is a gap: nothing is known."""

_gaps = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "无", "空"})
_block = 1 << 20
_delimiters = ",;\t|"


@dataclass(frozen=True)
class Cell:
    """One row's value, whom it belongs to, and where it stands."""

    value: Value
    group: str | None
    where: str


def traffic_cells(
    answers: Iterable[Answer],
    feedback: Iterable[Feedback],
    *,
    column: str,
    group: str | None,
    retried: Collection[str] = (),
) -> Iterator[Cell]:
    """One cell an answer; of several opinions on it the newest counts, of an outcome each part that was told last, and
    of signals all.

    Args:
        answers: of the window.
        feedback: of the window.
        column: one of `kpi_spec.COLUMNS`.
        group: another one, or None.
        retried: ids of answers after which the same was asked again.
    """
    newest: dict[str, Feedback] = {}
    became: dict[str, dict[str, Value]] = {}
    for one in sorted(feedback, key=lambda one: (one.at, one.id)):
        if one.is_opinion:
            newest[one.answer] = one
        became.setdefault(one.answer, {}).update(_became(one))
    for answer in answers:
        again = {"retry": 1.0} if answer.id in retried else {}
        row = {**_row(answer, newest.get(answer.id)), **became.get(answer.id, {}), **again}
        yield Cell(row.get(column), None if group is None else str(row.get(group)), answer.id)


def csv_cells(path: Path, *, shown: str, column: str, group: str | None) -> Iterator[Cell]:
    """The cells of one column, line by line.

    Args:
        path: the file.
        shown: how to name it.
        column: of the values.
        group: column that names what several rows are of, or None.

    Raises:
        DataError: no such file or column, bytes that are no text, or a line with more or fewer cells than the header.
    """
    if not path.is_file():
        raise DataError("evaluate.kpi_no_file", path=shown)
    with path.open("rb") as raw:
        found = sniff(iter(lambda: raw.read(_block), b""), where=shown)
    if found.broken_line is not None:
        raise DataError("evaluate.kpi_bad_bytes", encoding=found.name, where=f"{shown}:{found.broken_line}")
    with path.open(encoding=found.name, newline="") as text:
        first = text.readline()
        delimiter = max(_delimiters, key=lambda one: (first.count(one), -_delimiters.index(one)))
        text.seek(0)
        lines = csv.reader(text, delimiter=delimiter)
        header = [name.strip().removeprefix("\ufeff") for name in next(lines, [])]
        for wanted in (column, *([group] if group else [])):
            if header.count(wanted) != 1:
                known = ", ".join(header) or "-"
                raise DataError("evaluate.kpi_no_column", column=wanted, known=known, where=f"{shown}:1")
        at, by = header.index(column), header.index(group) if group else None
        for cells in lines:
            where = f"{shown}:{lines.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise DataError("evaluate.kpi_bad_line", found=len(cells), wanted=len(header), where=where)
            value = cells[at].strip()
            yield Cell(None if value.lower() in _gaps else value, None if by is None else cells[by].strip(), where)


def _became(feedback: Feedback) -> dict[str, Value]:
    """What a piece of feedback tells of the outcome and of what people did."""
    told: dict[str, Value] = dict.fromkeys(feedback.signals, 1.0)
    outcome = feedback.outcome
    if outcome is not None:
        completed = None if outcome.completed is None else float(outcome.completed)
        also = {"completed": completed, "resolved_by": outcome.resolved_by, "value": outcome.value}
        told |= {name: value for name, value in also.items() if value is not None}
    return told


def _row(answer: Answer, feedback: Feedback | None) -> Mapping[str, Value]:
    said = feedback is not None and (feedback.correction is not None or feedback.label is not None)
    return {
        "score": None if feedback is None else feedback.score,
        "judged": float(feedback is not None),
        "corrected": float(said),
        "label": None if feedback is None else feedback.label,
        "first_token_ms": answer.first_token_ms,
        "total_ms": answer.total_ms,
        "prompt_tokens": float(answer.prompt_tokens),
        "completion_tokens": float(answer.completion_tokens),
        "finish_reason": answer.finish_reason,
        "release": answer.release,
        "caller": answer.caller,
        **dict.fromkeys(SIGNALS, 0.0),
    }
