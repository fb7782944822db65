"""The learning rate: warm-up from above zero to the peak, then down as told."""

from __future__ import annotations

import pytest

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
