"""Charts are SVG that any reader of XML takes, whatever is drawn."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.runtime.charts import (
    Axis,
    Bucket,
    Dot,
    Series,
    heat_map,
    histogram,
    interval_chart,
    line_chart,
    reliability_chart,
)

SVG = "{http://www.w3.org/2000/svg}"
anything = st.floats(allow_nan=True, allow_infinity=True)
scales = st.sampled_from(["linear", "log"])


def drawn(chart: str) -> ET.Element:
    """The chart as XML; no number in it is NaN or infinite."""
    root = ET.fromstring(chart)
    assert root.get("role") == "img"
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not any(word in value for word in ("nan", "inf")), (element.tag, name, value)
    return root


@given(points=st.lists(st.tuples(anything, anything), max_size=8), x=scales, y=scales, name=st.text(max_size=30))
def test_any_numbers_and_names_give_a_line_chart(points, x, y, name):
    band = [(a, b, b) for a, b in points]
    series = [Series(name=name, points=points, band=band, markers=True), Series(name="b", points=[(1, 2)])]
    drawn(line_chart(series, title=name, x=Axis(scale=x, label=name), y=Axis(scale=y)))


@given(values=st.lists(anything, max_size=8), scale=scales, name=st.text(max_size=30))
def test_any_numbers_and_names_give_dots_bars_and_histograms(values, scale, name):
    axis = Axis(scale=scale, unit="share")
    dots = [Dot(name=name, value=value, low=value, high=value, note="n=3") for value in values]
    drawn(interval_chart(dots, title=name, axis=axis, reference=0.0, bars=True))
    drawn(histogram(values, title=name, axis=axis, marks={name: 0.5}))
    drawn(reliability_chart([Bucket(predicted=v, observed=v, n=1, low=v, high=v) for v in values], title=name))


def test_a_broken_line_is_broken_where_a_number_is_missing():
    points = [(0, 1), (1, 2), (2, math.nan), (3, 2), (4, 1)]
    root = drawn(line_chart([Series(points=points)], title="loss", x=Axis(), y=Axis()))
    assert len(root.findall(f"{SVG}polyline")) == 2


def test_a_hundred_labels_fit_and_empty_cells_are_not_drawn():
    names = [f"label_{i}" for i in range(100)]
    counts = [[float(i == j) for j in range(100)] for i in range(100)]
    root = drawn(heat_map(names, names, counts=counts, title="confusion"))
    assert len(root.findall(f"{SVG}g")) == 100
    assert float(root.get("width")) < 1200


def test_the_counts_of_a_heat_map_have_the_shape_of_its_names():
    with pytest.raises(ValueError, match="2 x 1"):
        heat_map(["a", "b"], ["c"], counts=[[1.0]], title="")


def test_what_users_wrote_stays_text():
    root = drawn(interval_chart([Dot(name="<script>&", value=0.5)], title='"<b>"', axis=Axis()))
    assert root.find(f"{SVG}title").text == '"<b>"'
    assert "<script>&" in [element.text for element in root.iter(f"{SVG}text")]


def test_the_same_numbers_give_the_same_bytes_and_other_numbers_another_name():
    one, again, other = (
        interval_chart([Dot(name="查询余额", value=value)], title="准确率", axis=Axis()) for value in (0.5, 0.5, 0.6)
    )
    assert one == again
    assert one.split("aria-labelledby")[1][:14] != other.split("aria-labelledby")[1][:14]


def test_names_of_lines_that_end_together_do_not_lie_on_each_other():
    series = [Series(name=f"s{i}", points=[(0, 0), (1, 1 + i / 1000)]) for i in range(4)]
    root = drawn(line_chart(series, title="", x=Axis(), y=Axis()))
    heights = sorted(float(t.get("y")) for t in root.iter(f"{SVG}text") if (t.text or "").startswith("s"))
    assert all(after - before >= 13.9 for before, after in pairwise(heights))
