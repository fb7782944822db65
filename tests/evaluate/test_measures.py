"""Measures of every kind over scored answers: as figures, as paired differences, and slice by slice."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from seekloop.artifact.rows import Message, Row, Source
from seekloop.evaluate import classes, compare, figures, questions, scoring, slices, stage
from seekloop.evaluate.measures import measures
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.system.errors import DataError
from tests.evaluate.conftest import bank_rows, row

TEXTS = [
    ("We have blocked your card.", "We blocked your card."),
    ("余额已到账，请查收。", "余额已经到账。"),
    ("The fee was 3.50 euros.", "The fee was 3.50 euros. The fee was 3.50 euros. The fee was 3.50 euros."),
    ("Please wait two days for it.", ""),
    ("请等待两天。", "请等待两天。请等待两天。请等待两天。请等待两天。请等待两天。请等待两天。"),
]


def scored(reference, answer, *, form="text", labels=(), number=0, file="a.csv"):
    turns = (Message(role="user", content="Why?"), Message(role="assistant", content=reference))
    one = Row(
        id=f"row:{number}",
        messages=turns,
        label="; ".join(labels) or None,
        labels=labels if len(labels) > 1 else (),
        source=Source(file=file, line=1),
    )
    given_answer = Message(role="assistant", content=answer)
    return scoring.score(one, given_answer, form=form, finish_reason="stop", completion_tokens=5)


def labelled(pairs):
    return [scored("; ".join(right), got, form="label", labels=right, number=i) for i, (right, got) in enumerate(pairs)]


def named(answers):
    return {one.name: one for one in figures.figures(answers, seed=1, resamples=200)}


ANSWERS = [scored(*pair, number=i) for i, pair in enumerate(TEXTS)]


def test_corpus_figures_are_those_of_sacrebleu():
    found = named(ANSWERS)
    references, given_texts = zip(*TEXTS, strict=True)
    assert found["chrf"].value == pytest.approx(CHRF().corpus_score(given_texts, [references]).score, abs=1e-9)
    chinese = [pair for pair in TEXTS if not pair[0].isascii()]
    references, given_texts = zip(*chinese, strict=True)
    bleu = BLEU(tokenize="zh").corpus_score(given_texts, [references]).score
    assert (found["bleu_zh"].value, found["bleu_zh"].n) == (pytest.approx(bleu, abs=1e-9), 2)
    assert found["bleu_zh"].unit == "points"


def test_empty_looping_and_garbled_answers_are_counted():
    found = named([*ANSWERS, scored("Yes.", "锟斤拷锟斤拷")])
    assert [found[f"{name}_answers"].value for name in ("empty", "looping", "garbled")] == pytest.approx([1 / 6] * 3)
    assert found["empty_answers"].better == "lower"


def test_length_is_the_ratio_of_all_units():
    one = named([scored("a b c d", "a b"), scored("a b", "a b c d e f g")])["length_ratio"]
    assert one.value == pytest.approx(9 / 6)


def test_a_corpus_figure_is_compared_with_itself_as_equal_and_with_worse_answers_as_better():
    before = [scored(reference, "Nothing of that.", number=i) for i, (reference, _) in enumerate(TEXTS)]
    for others, sign in ((ANSWERS, 0), (before, 1)):
        pairs = list(zip(ANSWERS, others, strict=True))
        found = {one.figure: one for one in compare.compare_answers(pairs, baseline="report:p", seed=3, resamples=300)}
        assert np.sign(found["chrf"].difference) == np.sign(found["bleu_en"].difference) == sign
        assert found["bleu_en"].ci[0] <= found["bleu_en"].difference <= found["bleu_en"].ci[1]


def test_every_figure_of_a_report_is_compared():
    pairs = [(one, one) for one in ANSWERS]
    compared = {one.figure for one in compare.compare_answers(pairs, baseline="report:p", seed=3, resamples=100)}
    assert compared == set(named(ANSWERS))


def test_a_baseline_without_the_values_is_compared_on_what_it_has():
    old = [dataclasses.replace(one, scores={}, counts={}) for one in ANSWERS]
    pairs = list(zip(ANSWERS, old, strict=True))
    compared = {one.figure for one in compare.compare_answers(pairs, baseline="report:p", seed=3, resamples=100)}
    assert compared == {"exact_match", "rougeL_en", "rougeL_zh", "ends_by_itself", "answer_tokens"}


def test_several_labels_are_counted_one_by_one_whatever_their_order():
    found = named(labelled([(("card", "fee"), "fee; card"), (("card", "fee"), "card"), (("card",), "card; loan")]))
    assert found["accuracy"].value == pytest.approx(1 / 3)
    # shared 2 + 1 + 1, answered 2 + 1 + 2, expected 2 + 2 + 1
    assert found["micro_f1"].value == pytest.approx(2 * 4 / (5 + 5))
    assert found["macro_f1"].value == pytest.approx((1 + 2 / 3) / 2)
    assert found["samples_f1"].value == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_a_sibling_of_the_right_path_counts_in_part():
    found = named(labelled([(("card/lost",), "card/stolen"), (("fee/wrong",), "card/lost")]))
    assert (found["micro_f1"].value, found["hierarchical_f1"].value) == (0, 1 / 4)


def test_labels_without_paths_have_no_hierarchical_figures():
    assert not {"hierarchical_f1", "samples_f1"} & set(named(labelled([(("card",), "card")])))


def test_the_confusion_matrix_has_all_classes_and_a_column_for_what_is_none():
    found = classes.confusion(labelled([(("a",), "b"), (("a",), "x"), (("b",), "b")]), labels=("a", "b", "c"))
    assert found["labels"] == ["a", "b", "c"]
    assert found["matrix"] == [[0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert found["others"] == {"x": 1}
    assert [(one["label"], one["precision"], one["recall"]) for one in found["classes"]] == [("a", 0, 0), ("b", 0.5, 1)]


def test_rows_of_several_labels_have_class_figures_and_no_matrix():
    found = classes.confusion(labelled([(("a", "b"), "b; a")]), labels=("a", "b"))
    assert (found["matrix"], [one["f1"] for one in found["classes"]]) == (None, [1, 1])


def sliced(answers, texts):
    rows = [row(text, None, "yes", line=at + 1) for at, text in enumerate(texts)]
    rows = [one.model_copy(update={"source": Source(file=f"{at % 2}.csv", line=1)}) for at, one in enumerate(rows)]
    asked = [questions.Question(row=one) for one in rows]
    return {one.name: one for one in slices.slices(answers, asked, seed=1, resamples=100)}


def test_slices_are_by_label_language_length_and_source():
    answers = labelled([(("a",), "a"), (("a",), "b"), (("b",), "b")])
    found = sliced(answers, ["short", "卡" * 20, "word " * 300])
    assert {name: (one.value, one.n) for name, one in found.items() if name.startswith("accuracy")} == {
        "accuracy[label=a]": (0.5, 2),
        "accuracy[label=b]": (1.0, 1),
        "accuracy[length=0-16]": (1.0, 1),
        "accuracy[length=17-64]": (0.0, 1),
        "accuracy[length=257-]": (1.0, 1),
        "accuracy[source=0.csv]": (1.0, 2),
        "accuracy[source=1.csv]": (0.0, 1),
    }
    assert all(one.ci is not None for one in found.values())


def test_a_slice_by_language_has_the_figures_of_its_tokenisation():
    found = sliced(ANSWERS, ["q"] * 5)
    assert {"rougeL_zh[language=zh]", "bleu_en[language=en]"} <= set(found)
    assert "rougeL_en[language=zh]" not in found


def test_an_empty_right_answer_is_refused_by_file_and_line(ctx, tiny, dataset_of):
    dataset = dataset_of([*bank_rows(2), row("Why?", None, "  ", line=9)], answer="text")
    with pytest.raises(DataError) as caught:
        stage.run(EvaluateSpec(engine="echo"), EvaluateInputs(checkpoint=tiny, dataset=dataset), ctx=ctx)
    assert (caught.value.code, caught.value.facts["where"]) == ("evaluate.empty_reference", "bank.jsonl:9")


def test_the_confusion_matrix_lies_beside_the_report(ctx, tiny, dataset_of):
    inputs = EvaluateInputs(checkpoint=tiny, dataset=dataset_of(bank_rows()))
    report = stage.run(EvaluateSpec(engine="echo", max_tokens=4, resamples=100), inputs, ctx=ctx)
    found = json.loads(ctx.store.path(report.id, "confusion.json").read_text("utf-8"))
    assert found["labels"] == ["card_lost", "top_up", "wrong_fee"]
    assert sum(map(sum, found["matrix"])) == 9


def test_a_line_of_an_older_report_is_read():
    line = {key: value for key, value in dataclasses.asdict(ANSWERS[0]).items() if key not in ("labels", "scores")}
    del line["counts"]
    old = scoring.read_line(json.dumps(line))
    assert (old.rougeL, old.scores, old.labels) == (ANSWERS[0].rougeL, {}, ())


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_whatever_makes_a_figure_that_is_no_number(reference, answer):
    for one in figures.figures([scored(reference, answer)], seed=1, resamples=100):
        assert np.isfinite(one.value)
        assert one.n == 1


def test_measures_are_the_same_whatever_the_order_of_rows():
    assert [one.name for one in measures(ANSWERS)] == [one.name for one in measures(ANSWERS[::-1])]
