"""Sketches: what they count, that two add up, that they survive being written down, and what is normal."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.serve.guard.baseline import LOOKS, fit
from seekloop.serve.guard.sketch import Features, Sketch, fold

PROMPTS = st.lists(st.text(max_size=40), max_size=30)


def filled(prompts, answers=()):
    sketch = Sketch(7)
    for prompt in prompts:
        sketch.ask(fold(prompt))
    for answer in answers:
        sketch.answered(answer)
    return sketch


@given(prompts=PROMPTS)
def test_a_sketch_counts_queries_and_different_prompts(prompts):
    sketch = filled(prompts)
    assert sketch.queries == len(prompts)
    assert sketch.prompts == pytest.approx(len({fold(prompt) for prompt in prompts}), abs=1.5)


@given(prompts=PROMPTS, answers=st.lists(st.text(max_size=8), max_size=10))
def test_a_sketch_that_was_written_down_is_the_same(prompts, answers):
    sketch = filled(prompts, answers)
    assert Sketch.load(sketch.dump(), 7).features() == sketch.features()


@given(one=PROMPTS, two=PROMPTS)
def test_sketches_of_two_gateways_add_up(one, two):
    both, sum_ = filled([*one, *two]), filled(one)
    sum_.add(filled(two))
    assert sum_.queries == both.queries
    assert sum_.features().growth == both.features().growth
    assert sum_.features().fresh == both.features().fresh


@given(data=st.binary(max_size=60))
def test_what_is_no_sketch_is_refused(data):
    with pytest.raises(ValueError, match="sketch"):
        Sketch.load(data, 7)


def test_case_and_space_make_no_other_prompt_and_chinese_counts_as_well():
    sketch = filled(["Where  is my CARD?", "where is my card?", "我的银行卡丢了怎么办", "我的银行卡丢了怎么办"])
    assert sketch.queries == 4
    assert sketch.prompts == pytest.approx(2, abs=0.1)


def test_nearly_the_same_prompts_are_probing_and_repeats_are_not():
    text = "My card was declined at the shop this morning although there is money on my account"
    near = filled([text.replace("shop", f"shop{n}") for n in range(40)]).features()
    same = filled([text] * 40).features()
    assert near.probing > 0.8
    assert same.probing == 0.0


def test_answers_of_one_kind_are_uneven_and_of_all_kinds_even():
    assert filled([], ["card_arrival\nIt is …"] * 99 + ["refund"]).features().even < 0.2
    assert filled([], [f"intent{n % 20}\n…" for n in range(400)]).features().even == pytest.approx(1.0)


def moments(rng, *, words):
    """A key that asks four of so many words at a time."""
    sketch, found = Sketch(7), []
    for number in range(1, 501):
        sketch.ask(fold(" ".join(str(rng.randrange(words)) * 3 for _ in range(4))))
        sketch.answered(str(number % 5))
        if number in LOOKS:
            found.append(sketch.features())
    return found


def test_a_key_that_covers_more_ground_than_others_stands_out_and_they_do_not():
    rng = random.Random(7)
    normal = fit([moments(rng, words=rng.randint(25, 35)) for _ in range(12)])
    assert max(normal.score(one) for one in moments(rng, words=30)) < 3
    assert normal.score(moments(rng, words=3000)[-1]) > 8


def test_being_less_curious_on_one_count_forgives_nothing_on_another():
    rng = random.Random(7)
    normal = fit([moments(rng, words=30) for _ in range(5)])
    usual = moments(rng, words=30)[-1]
    eager = Features(usual.queries, usual.growth + 1, usual.fresh, usual.even, usual.probing)
    dull = Features(usual.queries, usual.growth + 1, usual.fresh - 1, usual.even - 1, usual.probing)
    assert normal.score(dull) >= normal.score(eager) - 1 > 5


def test_a_baseline_of_keys_that_are_all_alike_has_room_around_it():
    one = moments(random.Random(1), words=30)
    normal = fit([one, one])
    assert normal.growth.spread >= 0.05
    assert normal.score(list(itertools.islice(one, 5))[-1]) < 3
