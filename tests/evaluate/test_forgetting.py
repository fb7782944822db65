"""What a later checkpoint no longer gets right, in points over classes."""

from __future__ import annotations

import pytest

from seekloop.artifact.kinds import Report
from seekloop.evaluate.compare import measure
from seekloop.evaluate.forgetting import FIGURE, forgetting, forgetting_by_class, forgotten, lost_by_class
from seekloop.evaluate.scoring import Scored, write_answers
from tests.evaluate.conftest import NoSpec, row


def answered(number: int, label: str | None, *, right: bool) -> Scored:
    expected = label or "the answer"
    got = expected if right else "something else"
    return Scored(
        row=f"row:{number}",
        label=label,
        got_label=None if label is None else got,
        correct=right,
        expected=expected,
        got=got,
        reference_text="" if label else expected,
        text="" if label else got,
        rougeL=None,
        finish_reason="stop",
        completion_tokens=3,
        language="en",
    )


def pairs(classes: dict[str | None, tuple[int, int, int]]):
    """Class -> rows, how many the parent got right, and how many of those the candidate did."""
    found = []
    for label, (rows, parent, candidate) in classes.items():
        for place in range(rows):
            number = len(found)
            found.append(
                (answered(number, label, right=place < candidate), answered(number, label, right=place < parent))
            )
    return found


def figure(some):
    return forgotten(measure(some, seed=7, resamples=300, only=["macro_recall"]))


def test_classes_count_alike_however_many_rows_they_have():
    found = figure(pairs({"common": (90, 90, 90), "rare": (10, 10, 5)}))
    assert (found.name, found.unit, found.better, found.n) == (FIGURE, "points", "lower", 100)
    assert found.value == pytest.approx(25.0)
    assert found.ci is not None and 0 < found.ci[0] < 25 < found.ci[1]


def test_what_became_better_is_below_zero():
    found = figure(pairs({"a": (20, 10, 20), "b": (20, 20, 20)}))
    assert found.value == pytest.approx(-25.0)
    assert found.ci is not None and found.ci[1] < 0


def test_nothing_lost_on_few_rows_is_not_shown_to_be_nothing():
    few, many = (figure(pairs({"a": (n, n, n), "b": (n, n, n)})) for n in (5, 400))
    assert few.value == many.value == 0.0
    assert few.ci is not None and many.ci is not None
    assert few.ci[1] > 10 > 2 > many.ci[1] > 0


def test_each_class_has_its_own_loss_the_worst_first():
    found = lost_by_class(pairs({"kept": (8, 8, 8), "lost": (8, 8, 2)}), groups={}, seed=7)
    assert [(one.label, one.n, one.lost) for one in found] == [("lost", 8, 75.0), ("kept", 8, 0.0)]
    assert found[0].ci[0] > 0 >= found[1].ci[0]


@pytest.mark.parametrize(("label", "lost"), [("card_lost", 50.0), (None, 50.0)])
def test_two_reports_on_the_same_rows_give_the_figure(ctx, dataset_of, label, lost):
    rows = [row(f"Question {n}?", label, label or "the answer") for n in range(10)]
    dataset = dataset_of(rows, answer="label" if label else "text")

    def report(right: int) -> Report:
        with ctx.job("evaluate", NoSpec()) as job:
            answers = [answered(n, label, right=n < right) for n in range(10)]
            write_answers(job.path("answers.jsonl"), answers)
            return job.commit(
                Report(made_by=job.origin, subject="c", dataset=dataset.id, split="test", engine="e", figures=())
            )

    parent, candidate = report(10), report(5)
    found = forgetting(parent, candidate, store=ctx.store, seed=7, resamples=200)
    assert (found.value, found.n) == (pytest.approx(lost), 10)
    assert found == forgetting(parent, candidate, store=ctx.store, seed=7, resamples=200)
    by_class = forgetting_by_class(parent, candidate, store=ctx.store, seed=7, resamples=200)
    assert [one.lost for one in by_class] == ([50.0] if label else [])
