"""Curves: a line of blocks for the terminal, and a page that a browser shows without anything else."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.runtime.train.curves import page, sparkline


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
        assert all("nan" not in line.get("points", "") for line in svg.iter("polyline"))


def test_train_and_validation_stand_in_one_chart_each_at_its_steps() -> None:
    history = [{"step": step, "loss": 3.0 / step} for step in range(1, 9)] + [{"step": 8, "eval_loss": 1.0}]
    (svg,) = page(history, title="run").split("<svg")[1:]
    lines = [
        part.split(" ") for part in (line.split('points="')[1].split('"')[0] for line in svg.split("<polyline")[1:])
    ]
    assert [len(line) for line in lines] == [8, 1]
    assert lines[1][0].split(",")[0] == lines[0][-1].split(",")[0]


def test_a_long_run_is_drawn_with_as_many_points_as_can_be_seen() -> None:
    history = [{"step": step, "loss": 1.0 / step} for step in range(1, 5001)]
    points = page(history, title="run").split('points="')[1].split('"')[0].split()
    assert 500 <= len(points) <= 600
