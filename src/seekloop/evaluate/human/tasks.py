"""What a rater is shown: a question with one answer to rate, or with two to choose from, and in which order.

Which model answered is in no task that is shown. Order and sides come from digests of seed, rater and task: the same
for a rater who comes back, another one for the next rater.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seekloop.artifact.kinds import Report
from seekloop.artifact.rows import Message, Row, read_rows
from seekloop.artifact.store import Store
from seekloop.evaluate.human.spec import Ask, StudySpec
from seekloop.evaluate.scoring import Scored, read_answers
from seekloop.system import digests
from seekloop.system.errors import DataError

__all__ = ["SHARED", "Task", "answers_of", "in_order", "is_swapped", "tasks_of"]

SHARED = "*"
"""In place of a rater where all see the same sides: an annotation tool shows everybody the same record."""
Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One thing to judge."""

    id: str
    """16 hex digits; tells nothing about the model."""
    kind: Ask
    row: str
    reports: tuple[str, ...]
    """Whose answers they are: one to rate; subject and baseline to choose from."""
    turns: tuple[Message, ...]
    """The conversation up to the answer."""
    answers: tuple[str, ...]
    """As `reports`."""
    reference: str
    """The right answer of the dataset."""


def tasks_of(spec: StudySpec, *, store: Store, everything: bool = False) -> list[Task]:
    """The tasks of a study, in the order of the rows' digests, row by row.

    Args:
        spec: reports, what is asked, how many rows.
        store: where reports and datasets are.
        everything: leave the limit out: a judge looks at all rows.

    Raises:
        DataError: the reports share no row.
        ArtifactError: a report or its dataset is missing or damaged.
    """
    reports = [store.open(identity, Report) for identity in spec.reports]
    answered = [answers_of(report, store=store) for report in reports]
    shared = [key for key in answered[0] if all(key in one for one in answered)]
    if not shared:
        others = len(answered[-1])
        raise DataError("human.no_shared_rows", rows=len(answered[0]), others=others)
    keys = sorted(shared, key=lambda key: digests.of_json(["human", *key]))
    keys = keys if everything else keys[: spec.limit]
    rows = _rows(reports[0], {row for row, _ in keys}, store=store)
    return [task for key in keys for task in _of_row(spec, rows[key[0]], answers=[one[key] for one in answered])]


def answers_of(report: Report, *, store: Store) -> dict[Key, Scored]:
    """A report's answers by row and right answer."""
    return {one.key: one for one in read_answers(store.path(report.id, "answers.jsonl"))}


def in_order(tasks: Sequence[Task], *, rater: str, seed: int) -> list[Task]:
    """The tasks in the random order of one rater."""
    return sorted(tasks, key=lambda task: digests.of_json([seed, "order", rater, task.id]))


def is_swapped(task: Task, *, rater: str, seed: int) -> bool:
    """Whether the baseline's answer is shown first."""
    return len(task.answers) == 2 and int(digests.of_json([seed, "side", rater, task.id])[-1], 16) % 2 == 1


def _rows(report: Report, wanted: set[str], *, store: Store) -> Mapping[str, Row]:
    path = store.path(report.dataset, f"{report.split}.jsonl")
    return {row.id: row for row in read_rows(path) if row.id in wanted}


def _of_row(spec: StudySpec, row: Row, *, answers: Sequence[Scored]) -> list[Task]:
    singles = [(one,) for one in zip(spec.reports, answers, strict=True)] if "rate" in spec.ask else []
    pairs = [tuple(zip(spec.reports, answers, strict=True))] if "prefer" in spec.ask else []
    shown = [*(("rate", one) for one in singles), *(("prefer", one) for one in pairs)]
    return [_task(kind, row, shown=one) for kind, one in shown]


def _task(kind: str, row: Row, *, shown: Sequence[tuple[str, Scored]]) -> Task:
    reports = tuple(report for report, _ in shown)
    expected = shown[0][1].expected
    made = digests.of_json(["task", kind, row.id, expected, *reports])
    return Task(
        id=made.removeprefix("sha256:")[:16],
        kind="prefer" if kind == "prefer" else "rate",
        row=row.id,
        reports=reports,
        turns=row.messages[:-1],
        answers=tuple(answer.got for _, answer in shown),
        reference=expected,
    )
