"""Label sets by hand, and one label a row against the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics import classification, label_sets

sets = st.sets(st.sampled_from(["a", "b", "c/d", "c/e"]), max_size=3)
rows = st.lists(st.tuples(sets.filter(bool), sets), min_size=1, max_size=12)


def value(table, figure, average):
    return float(table.statistic(figure, average=average)(np.ones((1, table.rows)))[0])


def micro(pairs, figure):
    counts = np.array([label_sets.label_counts(*pair) for pair in pairs], dtype=np.float64)
    return float(label_sets.of_counts(counts.sum(axis=0), figure))


def test_counts_of_one_row():
    assert label_sets.label_counts(("a", "b"), ("b", "c", "d")) == (1, 3, 2)


def test_a_sibling_is_right_in_its_branch():
    # expected card, card/lost; answered card, card/stolen: one of two each
    pair = tuple(map(label_sets.with_ancestors, (["card/lost"], ["card/stolen"])))
    assert pair[0] == {"card", "card/lost"}
    assert [micro([pair], figure) for figure in ("precision", "recall", "f1")] == [0.5, 0.5, 0.5]


def test_averages_by_hand():
    # a: shared 1, answered 2, expected 1. b: shared 1, answered 1, expected 2.
    table = label_sets.ClassTable([{"a", "b"}, {"b"}], [{"a", "b"}, {"a", "other"}])
    assert table.counts().tolist() == [[1, 2, 1], [1, 1, 2]]
    assert value(table, "precision", "macro") == pytest.approx((1 / 2 + 1) / 2)
    assert value(table, "recall", "macro") == pytest.approx((1 + 1 / 2) / 2)
    assert value(table, "recall", "weighted") == pytest.approx((1 * 1 + 2 * 1 / 2) / 3)
    assert micro([({"a", "b"}, {"a", "b"}), ({"b"}, {"a", "other"})], "precision") == pytest.approx(2 / 4)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*"abcd", None])), min_size=1, max_size=30))
def test_one_label_a_row_is_the_confusion_matrix(pairs):
    expected, answered = [{one} for one, _ in pairs], [set() if got is None else {got} for _, got in pairs]
    table = label_sets.ClassTable(expected, answered)
    matrix = classification.confusion([one for one, _ in pairs], [got for _, got in pairs], labels=table.labels)
    for average in ("macro", "weighted"):
        assert value(table, "f1", average) == pytest.approx(classification.f1(matrix, average=average))
    if all(got is not None for _, got in pairs):
        accuracy = sum(one == got for one, got in pairs) / len(pairs)
        assert [
            micro(list(zip(expected, answered, strict=True)), figure) for figure in ("precision", "recall", "f1")
        ] == (pytest.approx([accuracy] * 3))


def test_a_resample_leaves_out_classes_that_were_not_drawn():
    table = label_sets.ClassTable([{"a"}, {"a"}, {"b"}], [{"a"}, {"b"}, {"b"}])
    # Drawn: row 1 twice and row 2 once. Only a is expected there: 2 right, 2 answered a, 3 expected.
    assert table.statistic("f1", average="macro")(np.array([[2.0, 1.0, 0.0]])) == pytest.approx([2 * 2 / (2 + 3)])


@given(rows)
def test_every_figure_is_a_share(pairs):
    table = label_sets.ClassTable(*zip(*pairs, strict=True))
    for figure in ("precision", "recall", "f1"):
        found = [value(table, figure, "macro"), value(table, figure, "weighted"), micro(pairs, figure)]
        assert all(0 <= one <= 1 for one in found)


def test_two_lengths_are_our_defect():
    with pytest.raises(ValueError, match="1 expected and 0 answered"):
        label_sets.ClassTable([{"a"}], [])
