"""The learning rate: warm-up from above zero to the peak, then down as told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.runtime.train.schedule import Shape, rate_at


def _rates(shape: Shape, *, warmup: float = 0.2, steps: int = 10) -> list[float]:
    return [rate_at(step, steps=steps, peak=1.0, shape=shape, warmup=warmup) for step in range(steps)]


@pytest.mark.parametrize("shape", ["cosine", "linear", "constant"])
def test_the_peak_is_reached_right_after_the_warm_up(shape: Shape) -> None:
    rates = _rates(shape)
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert max(rates) == 1.0


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_no_step_is_wasted_at_rate_zero(shape: Shape) -> None:
    assert min(_rates(shape)) > 0
    assert _rates(shape) == sorted(_rates(shape)[:2]) + sorted(_rates(shape)[2:], reverse=True)


def test_constant_stays_constant() -> None:
    assert _rates("constant", warmup=0.0) == [1.0] * 10


def test_linear_is_halfway_down_at_half_time() -> None:
    assert _rates("linear", warmup=0.0)[5] == pytest.approx(0.5)


def test_cosine_is_halfway_down_at_half_time() -> None:
    assert _rates("cosine", warmup=0.0)[5] == pytest.approx(0.5)


def test_the_rates_are_those_of_the_formulas_down_to_the_floor() -> None:
    given = {"steps": 100, "peak": 1e-4, "warmup": 0.0, "warmup_steps": 20, "floor": 1e-6}
    for step in range(20, 100):
        done = (step - 20) / 80
        falling = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done}
        for shape, share in falling.items():
            assert rate_at(step, shape=shape, **given) == pytest.approx(1e-6 + 99e-6 * share)
    assert rate_at(100, shape="cosine", **given) == pytest.approx(1e-6)
    assert [rate_at(step, shape="cosine", **given) for step in (0, 9, 19)] == pytest.approx(
        [1e-4 / 21, 1e-3 / 21, 2e-3 / 21]
    )


def test_steps_of_warm_up_go_before_its_share() -> None:
    assert rate_at(0, steps=10, peak=1.0, shape="linear", warmup=0.5, warmup_steps=0) == 1.0


@given(
    steps=st.integers(1, 200),
    shape=st.sampled_from(["cosine", "linear", "constant"]),
    warmup_steps=st.integers(0, 300),
    floor=st.floats(0, 1),
)
def test_a_rate_is_never_zero_nor_above_the_peak(steps: int, shape: Shape, warmup_steps: int, floor: float) -> None:
    for step in range(steps):
        rate = rate_at(step, steps=steps, peak=1.0, shape=shape, warmup=0.0, warmup_steps=warmup_steps, floor=floor)
        assert 0.0 < rate <= 1.0
