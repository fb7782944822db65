"""The watermark: green tokens by the secret, found by who knows it, and nothing found where there is none."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.greenlist import GreenList, detect
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.runtime.models import load

MARK = GreenList(0x1234_5678_9ABC_DEF0, gamma=0.25, delta=6.0)


@given(secret=st.integers(0, 2**64 - 1), before=st.integers(0, 10**6))
def test_a_share_gamma_is_green_whatever_came_before(secret, before):
    green = GreenList(secret, gamma=0.25).green(before, np.arange(20_000))
    assert green.mean() == pytest.approx(0.25, abs=0.025)


@given(ids=st.lists(st.integers(0, 50_000), min_size=2, max_size=50))
def test_the_detector_sees_the_pairs_that_the_sampler_saw(ids):
    one_by_one = {(a, b): bool(MARK.green(a, np.array([b]))[0]) for a, b in itertools.pairwise(ids)}
    found = detect([ids], MARK)
    assert (found.pairs, found.green) == (len(one_by_one), sum(one_by_one.values()))


def test_text_without_a_mark_has_none():
    rng = random.Random(7)
    zs = [detect([[rng.randrange(49_152) for _ in range(200)]], MARK).z for _ in range(300)]
    assert abs(np.mean(zs)) < 0.2
    assert np.std(zs) == pytest.approx(1.0, abs=0.15)
    assert sum(z > 4 for z in zs) == 0


def test_text_that_repeats_itself_is_one_coin_toss_a_pair():
    pair = next((a, b) for a in range(50) for b in range(50) if MARK.green(a, np.array([b]))[0])
    assert detect([pair * 500], MARK).pairs == 2


def test_the_chance_of_a_find_by_hand():
    green = next(b for b in range(99) if MARK.green(0, np.array([b]))[0])
    found = detect([(0, green)], MARK)
    assert (found.pairs, found.green, round(found.p, 9)) == (1, 1, 0.25)


def test_a_find_at_one_in_a_hundred_is_one_in_a_hundred_without_a_mark():
    rng = random.Random(7)
    ids = [[rng.randrange(49_152) for _ in range(40)] for _ in range(1000)]
    assert sum(detect([each], MARK).p < 0.01 for each in ids) <= 20


def test_nothing_is_found_in_nothing():
    assert detect([[], [1]], MARK).p == 1.0


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answers_of_a_marked_prompt_carry_it_and_others_do_not(ctx, tiny, temperature):
    def prompt(seed, mark):
        return Prompt(
            ids=(1, 2 + seed), stop_ids=frozenset(), max_tokens=60, temperature=temperature, seed=seed, top=0, mark=mark
        )

    with TorchBackend(load(tiny, store=ctx.store)) as backend:
        marked = [answer.ids for _, answer in backend.generate([prompt(n, MARK) for n in range(4)])]
        plain = [answer.ids for _, answer in backend.generate([prompt(n, None) for n in range(4)])]
        told = next(backend.stream(prompt(0, MARK))).chance
        unmarked = next(backend.stream(prompt(0, None))).chance
    assert detect(marked, MARK).z > 4.5
    assert abs(detect(plain, MARK).z) < 4
    assert abs(detect(marked, GreenList(99)).z) < 4
    assert told is not None and unmarked is not None  # log-probabilities are the model's own, not the mark's
