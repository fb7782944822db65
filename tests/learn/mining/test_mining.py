"""A window of production shows what is in it, and nothing that is not."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from statistics import NormalDist

import pytest

from seekloop.learn import mining
from seekloop.learn.mining import page
from seekloop.learn.mining.faults import like_errors
from seekloop.learn.mining.intents import new_intents
from seekloop.learn.mining.nearest import Space, nearest
from seekloop.learn.mining.seen import Seen
from seekloop.learn.mining.selection import select
from seekloop.metrics.sequential import Tally
from tests.learn.conftest import answer, feedback
from tests.learn.mining.saying import KNOWN, KNOWN_ZH, NEW, NEW_ZH, said

FAST = mining.MiningSpec(permutations=199)


def verdicts(found):
    return {one.feature: one.drifted for one in found.features}


def test_the_same_messages_have_not_drifted():
    found = mining.drift(said(KNOWN, 200, seed=1), said(KNOWN, 300, seed=1, prefix="b"), spec=FAST)
    assert not found.drifted
    assert {"characters", "language", "label", "meaning", "unknown_words"} <= set(verdicts(found))
    assert all(one.n and one.m for one in found.features)


@pytest.mark.parametrize(("known", "new", "zh"), [(KNOWN, NEW, False), (KNOWN_ZH, NEW_ZH, True)])
def test_new_wording_is_drift_of_meaning_in_english_and_chinese(known, new, zh):
    window = said(known, 100, seed=1, zh=zh) + said({"new": new}, 60, seed=1, zh=zh, prefix="n")
    found = verdicts(mining.drift(window, said(known, 200, seed=1, zh=zh, prefix="b"), spec=mining.MiningSpec()))
    assert found["meaning"] and found["label"]


def test_another_language_is_drift_of_language_and_script():
    window = said(KNOWN, 60, seed=1) + said(KNOWN_ZH, 60, seed=1, zh=True, prefix="z")
    found = verdicts(mining.drift(window, said(KNOWN, 120, seed=1, prefix="b"), spec=FAST))
    assert found["language"] and found["chinese_share"]


def test_what_is_certain_but_small_is_no_drift():
    normal = NormalDist(100, 10)
    times = [normal.inv_cdf((n + 0.5) / 2000) for n in range(2000)]
    reference = [Seen(id=f"r{n}", text=f"message {n}", first_token_ms=ms) for n, ms in enumerate(times)]
    window = [dataclasses.replace(one, id=f"w{one.id}", first_token_ms=one.first_token_ms + 2) for one in reference]
    quick = mining.MiningSpec(permutations=199, compared=100)
    (slower,) = [one for one in mining.drift(window, reference, spec=quick).features if one.feature == "first_token_ms"]
    assert slower.adjusted < 0.01 and not slower.drifted
    loose = mining.MiningSpec(permutations=199, compared=100, least_psi=0)
    assert verdicts(mining.drift(window, reference, spec=loose))["first_token_ms"]


def test_an_empty_side_tells_nothing():
    assert not mining.drift([], said(KNOWN, 5, seed=1)).features


def test_errors_are_counted_with_an_interval_and_silence_is_no_judgement():
    given = [feedback(1, score=0.0), feedback(2, score=1.0), feedback(3, comment="hm")]
    window = mining.of_answers([answer(n) for n in range(5)], given, form="label_then_text", labels=("card_lost",))
    found = mining.errors(window)
    assert (found.wrong, found.judged, found.answers) == (("ans_0001",), 2, 5)
    assert found.ci[0] < found.share == 0.5 < found.ci[1]


def test_the_newest_word_counts_and_an_unclear_one_is_told():
    given = [feedback(1, score=0.0), feedback(1, id="later", at="2026-02-01T00:00:00+00:00", label="wrong_fee")]
    labels = ("card_lost", "wrong_fee")
    (one,) = mining.of_answers([answer(1)], given, form="label_then_text", labels=labels)
    assert (one.is_right, one.is_unclear, one.label) == (False, True, "card_lost")


def test_an_answer_that_was_not_finished_is_not_looked_at():
    assert mining.of_answers([answer(1, finish_reason="cancelled"), answer(2, messages=[])]) == []


@pytest.mark.parametrize(
    ("after", "points", "dropped"), [((700, 1000), 3.0, True), ((890, 1000), 3.0, False), ((880, 1000), 0.5, False)]
)
def test_a_drop_must_be_large_enough_and_no_chance(after, points, dropped):
    found = mining.kpi_drop(Tally(900, 1000), Tally(*after), points=points)
    assert found.dropped is dropped
    assert found.ci[0] < found.points < found.ci[1]


def test_one_look_sees_more_than_many():
    before, after = Tally(900, 1000), Tally(865, 1000)
    assert mining.kpi_drop(before, after, points=3, once=True).dropped
    assert not mining.kpi_drop(before, after, points=3).dropped


def test_nothing_counted_is_no_drop():
    found = mining.kpi_drop(Tally(0, 0), Tally(0, 10), points=3)
    assert (found.dropped, found.ci, found.p_value) == (False, None, 1.0)


@pytest.mark.parametrize(
    ("known", "new", "zh", "word"), [(KNOWN, NEW, False, "wallet"), (KNOWN_ZH, NEW_ZH, True, "绑定")]
)
def test_a_new_intent_is_found_and_named_in_english_and_chinese(known, new, zh, word):
    window = said(known, 250, seed=2, zh=zh) + said({"new": new}, 40, seed=2, zh=zh, prefix="n")
    (found,) = new_intents(window, said(known, 500, seed=2, zh=zh, prefix="b"))
    members = Counter(identity[0] for identity in found.members)
    assert members["n"] >= 30 and members["a"] <= 2
    assert word in found.name
    assert found.ratio > 4 and found.adjusted <= 0.01


def test_where_nothing_is_new_no_intent_is_named():
    assert new_intents(said(KNOWN, 250, seed=3), said(KNOWN, 500, seed=3, prefix="b")) == []


def test_answers_to_messages_like_a_wrong_ones_are_found_and_others_are_not():
    wrong = Seen(id="w", text="我的银行卡昨天在超市被偷了怎么办", label="fee", is_right=False)
    twin = Seen(id="t", text="我的银行卡昨天在超市被偷了，怎么办呢", label="fee")
    other = Seen(id="o", text="汇率为什么和昨天的不一样", label="fee")
    fixed = Seen(id="f", text="我的银行卡昨天在超市被偷了怎么办？", label="card_lost")
    spoken = Seen(id="s", text="我的银行卡昨天在超市被偷了怎么办!", label="fee", is_right=True)
    found = like_errors([wrong, twin, other, fixed, spoken], [wrong], threshold=0.8)
    assert [(one.answer, one.error, one.same) for one in found] == [("t", "w", True), ("f", "w", False)]


def test_an_answer_that_its_neighbours_contradict_is_looked_at_before_others():
    known = said(KNOWN, 300, seed=4, prefix="b")
    window = said(KNOWN, 100, seed=4)
    wrong = {f"a{n}" for n in range(0, 100, 10)}
    window = [
        dataclasses.replace(one, label="pin" if one.label != "pin" else "fee") if one.id in wrong else one
        for one in window
    ]
    space = Space.of(window, known)
    picks = select(window, space, near=nearest(space, window), budget=10)
    assert sum(one.answer in wrong for one in picks) >= 8
    assert picks[0].reasons == ("disagreement",)


def test_unsure_answers_come_first_and_no_two_alike():
    window = [Seen(id=f"u{n}", text=f"{word} question", logprob=-2.0) for n, word in enumerate(["card"] * 3 + ["rate"])]
    window += [Seen(id=f"s{n}", text=f"clear message number {n}", logprob=-0.01) for n in range(4)]
    space = Space.of(window, [])
    picks = [one.answer for one in select(window, space, near=nearest(space, window), budget=2)]
    assert sorted(one[0] for one in picks) == ["u", "u"] and "u3" in picks


def test_all_that_a_window_shows_is_the_same_again_and_is_json():
    known = said(KNOWN, 300, seed=5, prefix="b")
    window = said(KNOWN, 120, seed=5) + said({"new": NEW}, 30, seed=5, prefix="n")
    window = [dataclasses.replace(one, is_right=False) if one.id == "a3" else one for one in window]
    first, again = (mining.mine(window, known, before=known[:100], spec=FAST, seed=7) for _ in range(2))
    assert json.dumps(first.as_json(), sort_keys=True) == json.dumps(again.as_json(), sort_keys=True)
    assert first.drift.drifted and first.intents and first.kpi is not None
    assert "new_intent" in {reason for pick in first.queue for reason in pick.reasons}
    assert "a3" not in {pick.answer for pick in first.queue}
    assert len(first.queue) == FAST.budget


def test_what_people_have_is_not_picked_again():
    known, window = said(KNOWN, 50, seed=6, prefix="b"), said(KNOWN, 10, seed=6)
    found = mining.mine(window, known, skip={"a1", "a2"}, spec=FAST)
    assert sorted(pick.answer for pick in found.queue) == sorted({one.id for one in window} - {"a1", "a2"})


def test_a_page_shows_messages_as_text():
    window = said(KNOWN, 60, seed=7) + [
        Seen(id=f"x{n}", text=f"<script>alert(1)</script> crypto wallet {n} coins", label="fee") for n in range(20)
    ]
    shown = page.render(mining.mine(window, said(KNOWN, 200, seed=7, prefix="b"), spec=FAST))
    assert "<script>" not in shown and "漂移" in shown
