"""The charts of a report's page; each is empty where there is nothing to draw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from seekloop.artifact.kinds import Comparison, Figure
from seekloop.evaluate.page.sheet import Sheet
from seekloop.metrics import significance
from seekloop.runtime.charts import (
    Axis,
    Bucket,
    Dot,
    Series,
    heat_map,
    interval_chart,
    line_chart,
    reliability_chart,
)

__all__ = ["confusion", "curves", "differences", "first_token", "reliability", "shares", "shown_p", "sliced", "weakest"]

Words = Mapping[str, str]
_labels, _slices = 100, 40
_share = Axis(unit="share", low=0.0, high=1.0)
_slice = re.compile(r"(?P<figure>[^\[]+)\[(?P<fact>\w+)=(?P<value>.*)\]", re.DOTALL)


def shares(figures: Sequence[Figure], words: Words) -> str:
    """All figures that are shares, in their order."""
    dots = [_dot(one) for one in figures if one.unit == "share"]
    return interval_chart(dots, title=words["shares"], axis=_share) if dots else ""


def differences(found: Sequence[Comparison], words: Words, *, name: str, units: Mapping[str, str]) -> str:
    """Differences to one baseline, of the figures that are shares."""
    dots = [
        Dot(
            name=one.figure,
            value=one.difference,
            low=one.ci[0],
            high=one.ci[1],
            note=f"p {shown_p(one.p_value)}",
            colour=5 if one.ci[0] <= 0 <= one.ci[1] else 0 if one.difference > 0 else 1,
        )
        for one in found
        if units.get(one.figure, "share") == "share"
    ]
    axis = Axis(label=words["difference"])
    return interval_chart(dots, title=words["differences"].format(name=name), axis=axis, reference=0.0) if dots else ""


def curves(history: Sequence[Mapping[str, float]], words: Words) -> str:
    """Loss of training and validation over the steps."""
    series = [
        Series(
            name=words[name],
            points=[(entry["step"], entry[key]) for entry in history if key in entry and "step" in entry],
            markers=name == "validation",
        )
        for name, key in (("train", "loss"), ("validation", "eval_loss"))
    ]
    drawn = [one for one in series if one.points]
    axes = Axis(label=words["step"]), Axis(label=words["loss_axis"])
    return line_chart(drawn, title=words["loss"], x=axes[0], y=axes[1]) if drawn else ""


def confusion(sheet: Sheet, words: Words) -> str:
    """Right labels against answered ones, the latter with a column for what is no label."""
    pairs = [(one.label, one.got_label) for one in sheet.answers if one.label is not None]
    labels = sorted({label for label, _ in pairs})
    if not 1 < len(labels) <= _labels:
        return ""
    counted = Counter((label, got if got in labels else None) for label, got in pairs)
    stray = any(got is None for _, got in counted)
    columns: list[str | None] = [*labels, *([None] if stray else [])]
    counts = [[float(counted[row, column]) for column in columns] for row in labels]
    return heat_map(
        labels,
        [words["other"] if one is None else one for one in columns],
        counts=counts,
        title=words["confusion_chart"],
        description=words["confusion_note"],
        row_label=words["right_label"],
        column_label=words["answered"],
    )


def reliability(sheet: Sheet, words: Words) -> str:
    """What probabilities say against what came true, with Wilson's intervals."""
    buckets = []
    for one in sheet.buckets:
        n, observed = int(one["n"]), float(one["observed"])
        low, high = significance.wilson(round(observed * n), n)
        buckets.append(Bucket(predicted=float(one["predicted"]), observed=observed, n=n, low=low, high=high))
    labels = words["said"], words["observed"]
    return reliability_chart(buckets, title=words["reliability_chart"], labels=labels) if buckets else ""


def weakest(sheet: Sheet, words: Words) -> str:
    """The weakest slices against the whole, those beyond chance in another colour."""
    found = sheet.errors
    dots = [
        Dot(
            name=one.name,
            value=one.right,
            low=one.ci[0],
            high=one.ci[1],
            note=f"n={one.n}",
            colour=1 if one.certain else 0,
        )
        for one in found.weakest
    ]
    whole = (found.n - found.wrong) / found.n
    return interval_chart(dots, title=words["weakest"], axis=_share, reference=whole) if dots else ""


def sliced(sheet: Sheet, words: Words) -> list[str]:
    """A chart for each figure and fact of `slices.json`, weakest first, with the whole as an upright line."""
    parts: dict[tuple[str, str], list[Dot]] = {}
    for figure in sheet.slices:
        match = _slice.fullmatch(figure.name)
        if match and figure.unit == "share":
            dot = _dot(figure.model_copy(update={"name": match["value"]}))
            parts.setdefault((match["figure"], match["fact"]), []).append(dot)
    whole = {figure.name: figure.value for figure in sheet.report.figures}
    return [
        interval_chart(
            sorted(dots, key=lambda dot: (dot.value, dot.name))[:_slices],
            title=words["sliced"].format(figure=figure, fact=words.get(f"by_{fact}", fact)),
            axis=_share,
            reference=whole.get(figure),
        )
        for (figure, fact), dots in parts.items()
        if len(dots) > 1
    ]


def first_token(cost: Mapping[str, float], words: Words, *, goal_s: float) -> str:
    """Percentiles of the time to the first token, against the goal."""
    names = {"first_token_p50_s": "p50", "first_token_p95_s": "p95", "first_token_p99_s": "p99"}
    dots = [Dot(name=name, value=1000 * cost[key], note="ms") for key, name in names.items() if key in cost]
    axis, goal = Axis(label="ms", low=0.0), 1000 * goal_s
    return interval_chart(dots, title=words["first_token"], axis=axis, reference=goal, bars=True) if dots else ""


def shown_p(value: float) -> str:
    """A p-value for people: what is smaller than a test can tell apart is only said to be small."""
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _dot(one: Figure) -> Dot:
    low, high = one.ci or (None, None)
    return Dot(name=one.name, value=one.value, low=low, high=high, note=f"n={one.n}")
