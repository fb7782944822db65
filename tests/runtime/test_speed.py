"""The speed of this machine's matrix products."""

from __future__ import annotations

from seekloop.runtime.speed import product_speed


def test_the_speed_is_that_of_a_machine():
    assert 1e6 < product_speed(2) < 1e14
