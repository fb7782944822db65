"""What the learning curve of quick mode says, in one sentence: a pure function of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seekloop.metrics import learning_curve
from seekloop.metrics.learning_curve import Curve

__all__ = ["Outlook", "Point", "State", "Verdict", "verdict"]

State = Literal["worth_it", "more_data", "enough", "no_sign", "out_of_reach", "unsure"]
"""worth_it: the full run adds at least `least_gain`, even at the interval's lower end. more_data: the goal is beyond
these rows, but perhaps not beyond twenty times as many. enough: the full run adds less than `least_gain`, even at the
upper end. no_sign: not surely better than before training. out_of_reach: twenty times the rows do not reach
the goal, even at the upper end. unsure: the interval holds more than one of these."""

_many_times = 20
_en = "all {full} rows should bring {figure} to {value} ({low} to {high})"
_zh = "全部 {full} 条样本预计使 {figure} 达到 {value}（{low} 至 {high}）"
_sentences: dict[State, tuple[str, str]] = {
    "worth_it": (
        f"Worth the full run: {_en}, up from {{last}} with {{rows}}.",
        f"值得完整训练：{_zh}，{{rows}} 条时为 {{last}}。",
    ),
    "more_data": (
        f"More data would help: {_en}; {{goal}} takes at least about {{needed}} rows.",
        f"需要更多数据：{_zh}，要达到 {{goal}} 至少约需 {{needed}} 条。",
    ),
    "enough": (
        f"Not worth the full run: {_en}, and {{rows}} already gave {{last}}.",
        f"不值得完整训练：{_zh}，而 {{rows}} 条已达 {{last}}。",
    ),
    "no_sign": (
        "No sign of learning: after {rows} rows {figure} is {last}, not surely better than {before} before training. "
        "Take larger samples; where these change nothing, look at the data, then at the learning rate.",
        "没有学到东西的迹象：训练 {rows} 条后 {figure} 为 {last}，并不确定优于训练前的 {before}。"
        "请加大抽样；若仍无变化，先查数据，再查学习率。",
    ),
    "out_of_reach": (
        f"The data is the problem: {_en}, and {{times}} times as many would not reach {{goal}}.",
        f"问题在数据：{_zh}，{{times}} 倍的数据也达不到 {{goal}}。",
    ),
    "unsure": (
        f"Too early to tell: {_en}; {{rows}} gave {{last}}.",
        f"尚难断定：{_zh}，{{rows}} 条时为 {{last}}。",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """One training, measured."""

    rows: int
    """Trained on; 0: before training."""
    value: float
    low: float
    high: float
    n: int
    """Rows measured on."""
    seconds: float
    """Of training and measuring."""
    checkpoint: str
    report: str


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What the curve foretells."""

    rows: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What it came to."""

    state: State
    sentence: dict[str, str]
    """In `en` and `zh`."""
    full: Outlook
    """After one epoch on all train rows."""
    double: Outlook
    """On twice as many."""
    needed: int | None
    """Rows that the goal takes at the least, where twenty times these might do."""


def verdict(
    points: Sequence[Point],
    curves: Sequence[Curve],
    *,
    figure: str,
    full: int,
    least_gain: float,
    goal: float | None = None,
    before: Point | None = None,
    learned: float | None = None,
) -> Verdict:
    """The verdict on a learning curve.

    Args:
        points: by growing rows.
        curves: that fit them, as `learning_curve.curves` gives them.
        figure: what was measured.
        full: train rows in all.
        least_gain: what the full run must add.
        goal: that the figure is to reach.
        before: the checkpoint before training; None: it was not measured.
        learned: lower end of the paired interval of the last point less `before`.
    """
    outlook, last = _outlook(curves, full), points[-1]
    added = learning_curve.gain(curves, start=last.rows, end=full)
    needed = None if goal is None else learning_curve.rows_for(curves, goal, most=_many_times * full)
    if learned is not None and learned <= 0:
        state: State = "no_sign"
    elif goal is not None and outlook.high < goal:
        state = "out_of_reach" if needed is None else "more_data"
    elif added.low >= least_gain:
        state = "worth_it"
    elif added.high < least_gain:
        state = "enough"
    else:
        state = "unsure"
    facts = {
        "figure": figure,
        "full": f"{full:,}",
        "value": f"{outlook.value:.3f}",
        "low": f"{outlook.low:.3f}",
        "high": f"{outlook.high:.3f}",
        "rows": f"{last.rows:,}",
        "last": f"{last.value:.3f}",
        "before": "–" if before is None else f"{before.value:.3f}",
        "goal": "–" if goal is None else f"{goal:.3f}",
        "needed": "–" if needed is None else f"{needed:,}",
        "times": str(_many_times),
    }
    said = {tongue: text.format(**facts) for tongue, text in zip(("en", "zh"), _sentences[state], strict=True)}
    return Verdict(state=state, sentence=said, full=outlook, double=_outlook(curves, 2 * full), needed=needed)


def _outlook(curves: Sequence[Curve], rows: int) -> Outlook:
    value, interval = learning_curve.foretold(curves, rows)
    return Outlook(rows=rows, value=round(value, 6), low=round(interval.low, 6), high=round(interval.high, 6))
