"""Poison is set aside with its reason, a bad window is held, decisions outrank, nothing is learnt without consent."""

from __future__ import annotations

import dataclasses
import json

import pytest

from seekloop.artifact.records import Outcome
from seekloop.artifact.rows import Message, Row, Source, read_rows
from seekloop.learn import stage
from seekloop.learn.outliers import screened
from seekloop.learn.quarantine import read_set_aside
from seekloop.learn.retries import retried
from seekloop.learn.spec import LearnInputs, LearnSpec
from seekloop.learn.traffic import read_window
from seekloop.learn.trust_spec import TrustSpec
from seekloop.learn.verdict import Counts, decide
from seekloop.metrics.exact import fisher_greater
from seekloop.system.spec import Spec
from tests.learn.conftest import answer, feedback

TOPICS = {"card_lost": "my card was lost or stolen somewhere", "wrong_fee": "charged a fee that is not right"}


def said(number, label="wrong_fee", **changes):
    return feedback(number, label=label, correction=f"{label}\nOk.", **changes)


def learn(place, traffic, **spec):
    found = LearnSpec(min_corrections=1, **spec)
    return stage.run(found, LearnInputs(traffic=traffic, report=place.report), ctx=place.ctx)


def beside(place, traffic, **files):
    """The traffic with more files, as `collect` writes them."""
    with place.ctx.job("serve", Spec()) as job:
        for name in traffic.files:
            job.path(name).write_bytes(place.ctx.store.path(traffic.id, name).read_bytes())
        for name, records in files.items():
            job.path(f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")
        return job.commit(traffic.model_copy(update={"files": {}, "made_by": job.origin}))


def decision(number, decision, **facts):
    return {"answer": f"ans_{number:04x}", "actor": "eva", "at": "2026-02-01T00:00:00+00:00", "seq": number,
            "facts": {"decision": decision, **facts}}  # fmt: skip


def test_a_users_cap_leaves_the_caller_room_for_others(production):
    place = production()
    flood = [said(i, caller="web", user="mallory") for i in range(12)]
    others = [said(12 + i, caller="web", user=f"u{i}") for i in range(3)]
    lesson = learn(place, place.traffic([answer(i) for i in range(15)], [*flood, *others]), max_per_caller=8)
    assert (lesson.counts["kept"], lesson.counts["label_cap"]) == (8, 7)
    aside = list(read_set_aside(lesson, store=place.ctx.store))
    assert {one.reason for one in aside} == {"label_cap"}
    assert all("mallory" not in one.speaker for one in aside)


def test_a_correction_of_one_is_outvoted_by_two_who_agree(production):
    place = production()
    ask = [{"role": "user", "content": "信用卡丢了？"}]
    given = [said(i, label, caller=f"c{i}") for i, label in enumerate(["wrong_fee", "wrong_fee", "card_stolen"])]
    lesson = learn(place, place.traffic([answer(i, messages=ask) for i in range(3)], given))
    assert (lesson.counts["kept"], lesson.counts["outvoted"], lesson.counts["duplicate_exact"]) == (1, 1, 1)


@pytest.mark.parametrize(("verdict", "kept"), [("accept", 0), ("discard", 0), ("correct", 1)])
def test_a_decision_outranks_feedback(production, verdict, kept):
    place = production()
    traffic = place.traffic([answer(1)], [said(1)])
    decided = decision(1, verdict, label="card_stolen", correction="card_stolen\nBlocked.")
    lesson = learn(place, beside(place, traffic, decisions=[decided]))
    assert (lesson.counts["overruled"], lesson.counts.get("reviewed", 0)) == (1, kept)
    if kept:
        rows = read_rows(place.ctx.store.path(lesson.corpus, "rows.jsonl"))
        (row,) = (one for one in rows if one.dropped is None)
        assert (row.label, row.meta["feedback"]) == ("card_stolen", "review 1")


def test_nothing_is_learnt_where_somebody_said_no_and_each_row_names_why_it_may_be(production):
    place = production()
    traffic = place.traffic(
        [answer(i) for i in range(4)], [said(i, consent=False if i == 3 else None) for i in range(4)]
    )
    consent = [{"answer": "ans_0000", "allowed": True, "by": "request"},
               {"answer": "ans_0001", "allowed": False, "by": "event 7"}]  # fmt: skip
    lesson = learn(place, beside(place, traffic, consent=consent))
    rows = list(read_rows(place.ctx.store.path(lesson.corpus, "rows.jsonl")))
    assert [(row.origin, row.meta["consent"]) for row in rows] == [("ans_0000", "request"), ("ans_0002", "assumed")]
    assert lesson.counts["no_consent"] == 2


def test_where_consent_is_required_silence_is_no(production):
    place = production()
    traffic = place.traffic([answer(1), answer(2, caller="lab")], [said(1), said(2)])
    lesson = learn(place, traffic, consent="required", consent_of={"lab": True})
    assert (lesson.counts["kept"], lesson.counts["no_consent"]) == (1, 1)


def known(count=60):
    for label, text in TOPICS.items():
        for number in range(count):
            turns = (Message(role="user", content=f"{text} {number}"),)
            yield Row(id=f"row:{label}{number}", messages=turns, label=label, source=Source(file="t", line=number + 1))


def findings_of(window, place):
    from seekloop.learn.findings import Finding
    from seekloop.learn.judging import judge

    labels = place.dataset.labels
    return [
        Finding(
            heard=one, judgement=judge(one.answer.content, one.feedback, form="label", labels=labels, bad_score=0.5)
        )
        for one in window.heard
    ]


@pytest.mark.parametrize("rows", [5, 60])
def test_a_user_who_contradicts_everybody_is_set_aside_and_nobody_else(production, rows):
    place = production("label")
    answers, given = [], []
    for number in range(60):
        right = "wrong_fee" if number % 2 else "card_lost"
        ask = [{"role": "user", "content": f"{TOPICS[right]} {number}"}]
        answers.append(answer(number, "other", messages=ask))
        flipped = "card_lost" if right == "wrong_fee" else "wrong_fee"
        user, label = ("mallory", flipped) if number < 12 else (f"u{number % 8}", right)
        given.append(feedback(number, label=label, caller="web", user=user))
    window = read_window(place.traffic(answers, given), store=place.ctx.store)
    found = screened(findings_of(window, place), TrustSpec(), known=lambda: known(rows), labels=TOPICS, form="label")
    reasons = [one.dropped for one in found]
    assert reasons[:12] == ["outlying_user"] * 12 and set(reasons[12:]) == {None}
    assert (found[0].evidence["disagrees"], found[0].evidence["of"]) == (12, 12)


def test_a_window_with_too_much_poison_is_held_and_says_so():
    spec = LearnSpec(roll_back=True)
    counts = Counts(answers=100, errors=60, corrections=40, promised=0.95, claims=60, poisoned=20)
    verdict, reason = decide(counts, spec)
    assert verdict == "wait"
    assert reason.startswith("held: poisoned: 20 of 60 corrections (33.3%)")
    assert decide(dataclasses.replace(counts, poisoned=4), spec)[0] == "roll_back"


def test_the_exact_test_is_fishers():
    assert fisher_greater(3, 4, others_hits=1, others=4) == pytest.approx(17 / 70)
    assert fisher_greater(0, 4, others_hits=1, others=4) == 1.0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How do I block my stolen card?", "how do I block my stolen card"),
        ("信用卡丢了怎么挂失？", "信用卡丢了，怎么挂失"),
    ],
)
def test_asking_nearly_the_same_again_soon_is_a_retry(first, second):
    asked = [[{"role": "user", "content": text}] for text in (first, second, "Something else entirely, please")]
    answers = [answer(i, messages=asked[i], caller="c", session="s") for i in range(3)]
    assert retried(answers, within_s=60, alike=0.8) == {"ans_0000": "ans_0001"}
    other = [answers[0], dataclasses.replace(answers[1], session="t")]
    assert retried(other, within_s=60, alike=0.8) == {}
    late = [answers[0], dataclasses.replace(answers[1], at="2026-01-01T01:00:00+00:00")]
    assert retried(late, within_s=60, alike=0.8) == {}


def test_what_became_of_an_answer_supersedes_no_opinion(production):
    place = production()
    given = [
        said(1),
        feedback(1, id="later", at="2026-03-01", outcome=Outcome(completed=False), signals=("escalation",)),
    ]
    lesson = learn(place, place.traffic([answer(1)], given))
    assert (lesson.counts["kept"], lesson.counts["outcome_only"], lesson.counts["signal_escalation"]) == (1, 1, 1)
