"""Curves: a line of blocks for the terminal, and a page that a browser shows without anything else."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.runtime.train.curves import page, panels, sparkline


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([], ""), ([2.0], "▁"), ([1.0, 1.0], "▁▁"), ([8.0, 1.0], "█▁"), ([1.0, float("nan"), 2.0], "▁█")],
)
def test_the_highest_value_is_the_highest_block(values: list[float], drawn: str) -> None:
    assert sparkline(values) == drawn


@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=30))
def test_whatever_the_losses_were_the_page_is_drawn(values: list[float]) -> None:
    history = [{"step": index + 1, "loss": value, "learning_rate": 0.1} for index, value in enumerate(values)]
    drawn = page(history, title="a < b")
    assert "a &lt; b" in drawn
    for part in drawn.split("<svg")[1:]:
        svg = ElementTree.fromstring("<svg" + part.partition("</svg>")[0] + "</svg>")
        assert all("nan" not in line.get("points", "") for line in svg.iter("{http://www.w3.org/2000/svg}polyline"))


def test_train_and_validation_stand_in_one_chart_each_at_its_steps() -> None:
    history = [{"step": step, "loss": 3.0 / step} for step in range(1, 9)] + [{"step": 8, "eval_loss": 1.0}]
    (panel,) = panels(history)
    assert [(curve.name, len(curve.points)) for curve in panel.curves] == [("train", 8), ("validation", 1)]
    (svg,) = page(history, title="run").split("<svg")[1:]
    line = svg.split('points="')[1].split('"')[0].split(" ")
    places = [part.split('"')[0] for part in svg.split('<circle cx="')[1:]]
    assert (len(line), len(places)) == (8, 9)
    assert places[-1] == line[-1].split(",")[0]


def test_figures_of_preferences_and_speed_have_charts_of_their_own() -> None:
    history = [{"step": 1, "loss": 0.7, "rewards/margins": 0.1, "rewards/accuracies": 0.5, "tokens_per_s": 9.0}]
    history += [{"step": 1, "eval_loss": 0.6, "eval_rewards/margins": 0.2, "eval_rewards/accuracies": 1.0}]
    assert [panel.name for panel in panels(history)] == [
        "loss",
        "better answer preferred",
        "reward margin",
        "tokens a second",
    ]
    assert "train from 0.7 at step 1" in page(history, title="run")


def test_a_long_run_is_drawn_with_as_many_points_as_can_be_seen() -> None:
    history = [{"step": step, "loss": 1.0 / step} for step in range(1, 5001)]
    points = page(history, title="run").split('points="')[1].split('"')[0].split()
    assert 500 <= len(points) <= 600
