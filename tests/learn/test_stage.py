"""From traffic to a verdict and corrected rows, every piece of feedback accounted for."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekloop.artifact.kinds import Corpus, Lesson
from seekloop.artifact.rows import read_rows
from seekloop.learn import stage
from seekloop.learn.spec import LearnInputs, LearnSpec
from seekloop.system.errors import ArtifactError, DataError
from tests.learn.conftest import answer, feedback

FEW = LearnSpec(min_corrections=1)
COUNTED_ONCE = (
    *("kept", "confirmed", "no_opinion", "no_correction", "missing_answer", "missing_label", "contradictory"),
    *("caller_cap", "label_conflict", "duplicate_exact", "superseded", "unknown_answer"),
    *("outcome_only", "no_consent", "overruled", "outvoted", "user_cap", "label_cap", "outlying_user", "implausible"),
)


def fixed(number, label="wrong_fee", **changes):
    return feedback(number, label=label, correction=f"{label}\nWe refund it.", **changes)


def learn(place, traffic, spec=FEW):
    return stage.run(spec, LearnInputs(traffic=traffic, report=place.report), ctx=place.ctx)


def rows_of(lesson, ctx):
    return list(read_rows(ctx.store.path(lesson.corpus, "rows.jsonl")))


def test_a_correction_becomes_a_row_as_the_data_stage_reads_any_other(ctx, production):
    place = production()
    lesson = learn(place, place.traffic([answer(1), answer(2)], [fixed(2)]))
    (row,) = rows_of(lesson, ctx)
    assert [(turn.role, turn.content) for turn in row.messages] == [
        ("user", "Question 2?"),
        ("assistant", "We refund it."),
    ]
    assert (row.label, row.origin, row.subject) == ("wrong_fee", "ans_0002", "customer-2")
    assert (row.source.file, row.source.line, row.dropped) == ("traffic", 2, None)


def test_a_lesson_and_its_corpus_open_again_with_their_parents(ctx, production):
    place = production()
    traffic = place.traffic([answer(1)], [fixed(1)])
    lesson = learn(place, traffic)
    corpus = ctx.store.open(lesson.corpus, Corpus)
    assert ctx.store.open(lesson.id, Lesson) == lesson
    assert lesson.parents == {"traffic": traffic.id, "report": place.report.id, "corpus": corpus.id}
    assert corpus.parents == {"traffic": traffic.id, "report": place.report.id}


def test_the_same_traffic_gives_the_same_lesson(production):
    place = production()
    traffic = place.traffic([answer(i) for i in range(5)], [fixed(i) for i in range(5)])
    assert learn(place, traffic).id == learn(place, traffic).id


def test_with_too_few_corrections_it_waits_and_keeps_no_corpus(production):
    place = production()
    lesson = learn(place, place.traffic([answer(1), answer(2)], [fixed(1)]), LearnSpec(min_corrections=2))
    assert (lesson.verdict, lesson.corpus) == ("wait", None)
    assert lesson.reason == "wait: 1 corrected rows from 2 answers, and a retraining needs 2"


def test_a_window_without_traffic_waits(production):
    place = production()
    lesson = learn(place, place.traffic([]), LearnSpec(roll_back=True))
    assert (lesson.verdict, lesson.counts["answers"]) == ("wait", 0)


def test_earlier_assistant_turns_are_context_and_not_trained(ctx, production):
    place = production()
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "A fee?"},
    ]
    (row,) = rows_of(learn(place, place.traffic([answer(1, messages=turns)], [fixed(1)])), ctx)
    assert [turn.train for turn in row.messages] == [None, False, None, None]


def test_the_releases_own_system_message_is_not_doubled_and_a_callers_stays(ctx, production):
    place = production()
    asked = {"role": "user", "content": "A fee?"}
    own, other = (
        answer(i, messages=[{"role": "system", "content": text}, asked])
        for i, text in ((1, "Answer as the bank."), (2, "Answer in French."))
    )
    rows = rows_of(learn(place, place.traffic([own, other], [fixed(1), fixed(2)])), ctx)
    assert [row.messages[0].content for row in rows] == ["A fee?", "Answer in French."]


def test_the_newest_feedback_on_an_answer_counts(ctx, production):
    place = production()
    given_ = [fixed(1, at="2026-03-01"), fixed(1, "card_lost", id="older", at="2026-02-01")]
    lesson = learn(place, place.traffic([answer(1)], given_))
    assert [row.label for row in rows_of(lesson, ctx)] == ["wrong_fee"]
    assert lesson.counts["superseded"] == 1


def test_one_caller_teaches_at_most_its_cap_and_the_rest_stays_with_its_reason(ctx, production):
    place = production()
    given_ = [fixed(i, caller="flood") for i in range(6)] + [fixed(6, caller="other")]
    lesson = learn(
        place, place.traffic([answer(i) for i in range(7)], given_), LearnSpec(min_corrections=1, max_per_caller=2)
    )
    rows = rows_of(lesson, ctx)
    assert [row.dropped for row in rows] == [None, None, *["caller_cap"] * 4, None]
    assert (lesson.counts["kept"], lesson.counts["caller_cap"], lesson.counts["wrong"]) == (3, 4, 3)


def test_corrections_that_teach_the_same_are_merged_into_the_first(ctx, production):
    place = production()
    ask = [[{"role": "user", "content": text}] for text in ("A fee?", "a FEE ?")]
    given_ = [answer(i + 1, messages=ask[i]) for i in range(2)]
    first, second = rows_of(learn(place, place.traffic(given_, [fixed(1), fixed(2)])), ctx)
    assert (first.dropped, second.dropped, second.twin) == (None, "duplicate_exact", first.id)


def test_where_people_disagree_about_a_label_neither_is_trained(ctx, production):
    place = production()
    ask = [{"role": "user", "content": "A fee?"}]
    answers = [answer(i, messages=ask) for i in (1, 2)] + [answer(3)]
    rows = rows_of(learn(place, place.traffic(answers, [fixed(1), fixed(2, "standing_order"), fixed(3)])), ctx)
    assert [row.dropped for row in rows] == ["label_conflict", "label_conflict", None]


def test_a_label_that_the_dataset_does_not_know_is_counted_as_new(production):
    place = production()
    lesson = learn(place, place.traffic([answer(1), answer(2)], [fixed(1, "standing_order"), fixed(2)]))
    assert lesson.counts["new_labels"] == 1


def test_many_more_errors_than_promised_advise_going_back_where_that_is_allowed(production):
    place = production(accuracy=0.95)
    traffic = place.traffic([answer(i) for i in range(40)], [fixed(i) for i in range(20)])
    assert learn(place, traffic).verdict == "retrain"
    lesson = learn(place, traffic, LearnSpec(roll_back=True))
    assert (lesson.verdict, lesson.corpus) == ("roll_back", None)
    assert lesson.reason.startswith("roll back: 20 of 40 answers were wrong, which is at least 35.2%")


def test_errors_within_the_margin_do_not_advise_going_back(production):
    place = production(accuracy=0.95)
    traffic = place.traffic([answer(i) for i in range(40)], [fixed(i) for i in range(6)])
    assert learn(place, traffic, LearnSpec(roll_back=True, min_corrections=1)).verdict == "retrain"


def test_a_new_intent_is_no_reason_to_go_back(production):
    place = production(accuracy=0.95)
    traffic = place.traffic([answer(i) for i in range(40)], [fixed(i, "standing_order") for i in range(20)])
    assert learn(place, traffic, LearnSpec(roll_back=True)).verdict == "retrain"


def test_one_caller_alone_cannot_bring_a_release_down(production):
    place = production(accuracy=0.95)
    given_ = [feedback(i, score=0.0, caller="angry") for i in range(40)]
    spec = LearnSpec(roll_back=True, max_per_caller=5)
    assert learn(place, place.traffic([answer(i) for i in range(40)], given_), spec).verdict == "wait"


def test_label_answers_are_corrected_by_their_label_alone(ctx, production):
    place = production("label")
    (row,) = rows_of(learn(place, place.traffic([answer(1, "card_lost")], [feedback(1, label="wrong_fee")])), ctx)
    assert (row.label, [turn.role for turn in row.messages]) == ("wrong_fee", ["user"])


def test_the_report_of_another_checkpoint_is_refused(production):
    place = production()
    traffic = place.traffic([answer(1)], [fixed(1)], release=place.release_of(None))
    with pytest.raises(DataError) as caught:
        learn(place, traffic)
    assert caught.value.code == "learn.other_report"


def test_a_promise_that_the_report_does_not_make_is_named(production):
    place = production()
    traffic = place.traffic([answer(1)], [fixed(1)])
    with pytest.raises(ArtifactError) as caught:
        learn(place, traffic, LearnSpec(roll_back=True, figure="accurcy"))
    assert caught.value.code == "artifact.no_figure"


def test_a_damaged_line_is_named(production):
    place = production()
    traffic = place.traffic([answer(1, messages=[{"role": "nobody", "content": "x"}])], [fixed(1)])
    with pytest.raises(DataError) as caught:
        learn(place, traffic)
    assert (caught.value.code, caught.value.facts["where"]) == ("learn.bad_traffic", "answers.jsonl:1")


opinions = st.fixed_dictionaries(
    {
        "number": st.integers(0, 7),
        "caller": st.sampled_from(["a", "b"]),
        "score": st.none() | st.sampled_from([0.0, 1.0]),
        "label": st.none() | st.sampled_from(["card_lost", "wrong_fee", "standing_order"]),
        "correction": st.none()
        | st.sampled_from(["x", "wrong_fee\nx", "card_lost\nWe block it.", "standing_order\ny"]),
    }
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(opinions, max_size=12))
def test_every_piece_of_feedback_is_in_exactly_one_count(production, given_):
    place = production()
    said = [feedback(one.pop("number"), id=f"f{i}", **one) for i, one in enumerate(map(dict, given_))]
    lesson = learn(place, place.traffic([answer(i) for i in range(6)], said), LearnSpec(max_per_caller=3))
    counts = lesson.counts
    assert sum(counts.get(name, 0) for name in COUNTED_ONCE) == counts["feedback"] == len(said)
