"""The invariants of training, by the functions that `seekloop selftest` runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from seekloop.loop.selftest import CHECKS, Outcome, Place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place.make(tmp_path_factory.mktemp("selftest"))
    yield made
    made.ctx.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.strip("_"))
def test_the_invariant_holds(check: Callable[[Place], Outcome], place: Place) -> None:
    outcome = check(place)
    assert outcome.figure is not None and outcome.holds, outcome


def test_a_figure_beyond_its_tolerance_does_not_hold() -> None:
    outcome = Outcome(name="any", figure=2e-4, tolerance=1e-4)
    assert not outcome.holds and replace(outcome, at_least=True).holds
    assert (
        not replace(outcome, figure=float("nan")).holds
        and not replace(outcome, figure=float("nan"), at_least=True).holds
    )
    assert replace(outcome, figure=None).holds
