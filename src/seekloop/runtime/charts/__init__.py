"""Charts as SVG text: no dependency, no script, the same bytes for the same numbers.

They stand alone as files and inside pages; they follow light and dark, carry a title and a description for those who
do not see them, and leave out what is no number instead of failing on it.
"""

from __future__ import annotations

from seekloop.runtime.charts.axes import Axis
from seekloop.runtime.charts.bins import Bucket, histogram, reliability_chart
from seekloop.runtime.charts.heat import heat_map
from seekloop.runtime.charts.intervals import Dot, interval_chart
from seekloop.runtime.charts.lines import Series, line_chart

__all__ = [
    "Axis",
    "Bucket",
    "Dot",
    "Series",
    "heat_map",
    "histogram",
    "interval_chart",
    "line_chart",
    "reliability_chart",
]
