"""Classification figures against tables computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics import classification

LABELS = ("a", "b", "c")
EXPECTED = ["a"] * 5 + ["b"] * 3 + ["c"] * 2
PREDICTED = ["a", "a", "a", "b", None, "b", "b", "a", "c", "elsewhere"]
# By hand: a: tp 3, answered 4, support 5. b: tp 2, answered 3, support 3. c: tp 1, answered 1, support 2.

pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from([*LABELS, "other", None])), min_size=1, max_size=40)


def _matrix(rows):
    return classification.confusion([e for e, _ in rows], [p for _, p in rows], labels=LABELS)


def test_the_confusion_matrix_keeps_answers_that_are_no_class_in_their_own_column():
    matrix = classification.confusion(EXPECTED, PREDICTED, labels=LABELS)
    assert matrix.tolist() == [[3, 1, 0, 1], [1, 2, 0, 0], [0, 0, 1, 1]]


def test_precision_recall_and_f1_equal_the_table_computed_by_hand():
    scores = classification.class_scores(classification.confusion(EXPECTED, PREDICTED, labels=LABELS), labels=LABELS)
    assert [(s.precision, s.recall, s.support) for s in scores] == [(3 / 4, 3 / 5, 5), (2 / 3, 2 / 3, 3), (1, 1 / 2, 2)]
    assert [s.f1 for s in scores] == pytest.approx([2 / 3, 2 / 3, 2 / 3], abs=1e-12)


@pytest.mark.parametrize(
    ("average", "by_hand"),
    [("macro", 2 / 3), ("micro", 2 * 6 / (8 + 10)), ("weighted", 2 / 3)],
)
def test_averaged_f1_equals_the_one_computed_by_hand(average, by_hand):
    matrix = classification.confusion(EXPECTED, PREDICTED, labels=LABELS)
    assert classification.f1(matrix, average=average) == pytest.approx(by_hand, abs=1e-12)


def test_macro_and_weighted_f1_differ_where_a_large_class_is_easier():
    matrix = classification.confusion(["a"] * 9 + ["b"], ["a"] * 10, labels=("a", "b"))
    assert classification.f1(matrix, average="macro") == pytest.approx((18 / 19 + 0) / 2)
    assert classification.f1(matrix, average="weighted") == pytest.approx(0.9 * 18 / 19)


def test_accuracy_counts_a_missing_answer_as_wrong():
    assert classification.accuracy(EXPECTED, PREDICTED) == 0.6


def test_an_expected_class_outside_the_labels_is_our_defect():
    with pytest.raises(ValueError, match="not in labels: \\['d'\\]"):
        classification.confusion(["d"], ["a"], labels=LABELS)


def test_an_empty_matrix_has_no_f1():
    with pytest.raises(ValueError, match="empty"):
        classification.f1(classification.confusion([], [], labels=LABELS), average="macro")


@given(pairs)
def test_recall_weighted_by_support_is_accuracy(rows):
    scores = classification.class_scores(_matrix(rows), labels=LABELS)
    recall = sum(s.recall * s.support for s in scores) / len(rows)
    assert recall == pytest.approx(classification.accuracy([e for e, _ in rows], [p for _, p in rows]))


@given(pairs, st.permutations(LABELS))
def test_f1_does_not_depend_on_the_order_of_the_classes(rows, order):
    expected, predicted = zip(*rows, strict=True)
    for average in ("macro", "micro", "weighted"):
        shuffled = classification.f1(classification.confusion(expected, predicted, labels=order), average=average)
        assert shuffled == pytest.approx(classification.f1(_matrix(rows), average=average))
