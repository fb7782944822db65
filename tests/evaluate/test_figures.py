"""Figures of known answers, computed by hand."""

from __future__ import annotations

import dataclasses

import pytest

from seekloop.evaluate import compare, figures
from seekloop.evaluate.scoring import Scored
from seekloop.metrics import significance
from seekloop.system.errors import DataError


def answer(row, label="a", got="a", *, rouge=1.0, finish="stop", language="en", expected=None):
    expected = expected or f"{label}\nreply"
    return Scored(
        row=f"row:{row}",
        label=label,
        got_label=got,
        correct=label == got,
        expected=expected,
        got=f"{got}\nreply",
        reference_text="reply",
        text="reply",
        rougeL=rouge,
        finish_reason=finish,
        completion_tokens=4,
        language=language,
    )


# a: 3 of 4 right; b: 1 of 2 right; one b was answered a, one a was answered with no label at all.
ANSWERS = [
    answer(1),
    answer(2),
    answer(3, rouge=0.5),
    answer(4, got=None, finish="length"),
    answer(5, "b", "b", language="zh", rouge=0.25),
    answer(6, "b", "a", language="ru", rouge=None),
]


def named(answers):
    return {one.name: one for one in figures.figures(answers, seed=1, resamples=200)}


def test_accuracy_has_its_wilson_interval():
    accuracy = named(ANSWERS)["accuracy"]
    assert (accuracy.value, accuracy.n) == (pytest.approx(4 / 6), 6)
    assert accuracy.ci == pytest.approx(significance.wilson(4, 6), abs=1e-9)


def test_macro_f1_counts_an_answer_that_is_no_label_against_its_row():
    # a: tp 3, answered 4, expected 4. b: tp 1, answered 1, expected 2.
    macro = named(ANSWERS)["macro_f1"]
    assert macro.value == pytest.approx((2 * 3 / 8 + 2 * 1 / 3) / 2)
    assert macro.ci[0] <= macro.value <= macro.ci[1]


def test_reply_overlap_is_named_by_language_and_counts_only_its_rows():
    found = named(ANSWERS)
    assert (found["rougeL_en"].value, found["rougeL_en"].n) == (pytest.approx(3.5 / 4), 4)
    assert (found["rougeL_zh"].value, found["rougeL_zh"].n) == (0.25, 1)


def test_answers_that_were_cut_do_not_end_by_themselves():
    assert named(ANSWERS)["ends_by_itself"].value == pytest.approx(5 / 6)


def test_every_figure_has_n_and_an_interval():
    assert all(one.n > 0 and one.ci is not None for one in named(ANSWERS).values())
    assert list(named(ANSWERS)) == [
        *("accuracy", "macro_f1", "macro_precision", "macro_recall", "micro_f1", "micro_precision", "micro_recall"),
        *("weighted_f1", "exact_match", "rougeL_en", "rougeL_zh", "ends_by_itself", "answer_tokens"),
    ]


def test_free_text_has_no_accuracy():
    plain = [dataclasses.replace(one, label=None, got_label=None) for one in ANSWERS]
    assert not {"accuracy", "macro_f1"} & set(named(plain))


def compared(pairs):
    return {one.figure: one for one in compare.compare_answers(pairs, baseline="report:p", seed=3, resamples=300)}


def test_accuracy_is_compared_pair_by_pair():
    before = [answer(i, got="b") for i in range(8)] + [answer(8)]
    after = [answer(i) for i in range(8)] + [answer(8, got="b")]
    one = compared(list(zip(after, before, strict=True)))["accuracy"]
    assert (one.difference, one.n, one.baseline) == (pytest.approx(7 / 9), 9, "report:p")
    assert one.ci == pytest.approx(significance.paired_share_difference(8, 1, n=9), abs=1e-9)
    assert one.p_value == pytest.approx(significance.mcnemar(8, 1))


def test_overlap_is_compared_on_rows_that_both_have():
    after = [answer(i, rouge=0.9) for i in range(5)] + [answer(5, rouge=None)]
    before = [answer(i, rouge=0.4) for i in range(6)]
    one = compared(list(zip(after, before, strict=True)))["rougeL_en"]
    assert (one.difference, one.n) == (pytest.approx(0.5), 5)


def test_a_model_against_itself_differs_in_nothing():
    for one in compared([(x, x) for x in ANSWERS]).values():
        assert (one.difference, one.p_value) == (0, 1)
        assert one.ci[0] <= 0 <= one.ci[1]


def test_comparing_the_other_way_turns_the_signs():
    before = [dataclasses.replace(one, rougeL=0.1, correct=False, got_label="b") for one in ANSWERS]
    there, back = compared(list(zip(ANSWERS, before, strict=True))), compared(list(zip(before, ANSWERS, strict=True)))
    for name, one in there.items():
        assert back[name].difference == pytest.approx(-one.difference)
        assert back[name].ci == pytest.approx((-one.ci[1], -one.ci[0]), abs=1e-9)


def test_rows_whose_right_answer_changed_are_not_shared():
    before = [answer(1), answer(2, expected="a\nan older reply")]
    shared = compare.shared_answers([one.key for one in ANSWERS], before, baseline="report:p")
    assert [one.row for one in shared.values()] == ["row:1"]


def test_a_baseline_without_a_shared_row_is_refused():
    with pytest.raises(DataError) as caught:
        compare.shared_answers([one.key for one in ANSWERS], [answer(99)], baseline="report:0123456789abcdef")
    assert caught.value.code == "evaluate.no_shared_rows"
    assert "none of the 6 rows" in caught.value.sentence("en")
