"""What the guide shows of the story: two charts and a table, written from the receipt of the last run.

`python -m bench.learn_story_page` writes them again from `benchmarks/learn_story_receipt.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType

from pydantic import TypeAdapter

from bench.harness import REPOSITORY
from bench.learn_told import Month, Share, Story
from seekloop.runtime.charts import Axis, Series, line_chart
from seekloop.system.files import write_whole

__all__ = ["charts", "publish", "table"]

RECEIPT = REPOSITORY / "benchmarks" / "learn_story_receipt.json"
GUIDE = REPOSITORY / "docs" / "guide"
PAGES: Mapping[str, str] = MappingProxyType({"en": "loop-story.md", "zh": "loop-story.zh.md"})
BEGIN, END = "<!-- figures of the last run -->", "<!-- end of figures -->"
BUDGET = 2.0
"""Points that may be forgotten."""
_heads: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("Month", "Cases", "With the loop", "Frozen", "Taught", "Lies", "Verdict", "Forgotten", "Cycle"),
        "zh": ("月", "咨询数", "有闭环", "冻结模型", "学到的行", "谎报", "裁决", "遗忘", "周期"),
    }
)
_words: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {"en": ("points", "min", "Why"), "zh": ("个百分点", "分钟", "原因")}
)
_runs: Mapping[str, str] = MappingProxyType(
    {
        "en": "The run shown here: {months} of the months, {cases} customers in each; month 0's release answers "
        "{accuracy:.1%} of its {rows} frozen test rows.",
        "zh": "这里展示的运行：{months} 个月，每月 {cases} 位客户；首轮版本在 {rows} 条冻结测试行上答对 "
        "{accuracy:.1%}。",
    }
)
_pictures: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "en": ("Cases resolved by month", "Forgetting on month 0's test rows"),
        "zh": ("每月解决的咨询", "在首轮测试行上的遗忘"),
    }
)


def publish(found: Story) -> None:
    """Write the receipt, the charts and the figures of both pages."""
    write_whole(RECEIPT, (json.dumps(asdict(found), ensure_ascii=False, indent=2) + "\n").encode())
    for name, picture in charts(found).items():
        write_whole(GUIDE / name, picture.encode())
    for language, file in PAGES.items():
        page = (GUIDE / file).read_text("utf-8")
        shown = [f"![{said}]({name})" for said, name in zip(_pictures[language], charts(found), strict=True)]
        between = "\n\n".join([BEGIN, *shown, table(found, language), END])
        page = re.sub(f"{BEGIN}.*{END}", lambda _: between, page, flags=re.DOTALL)  # noqa: B023
        write_whole(GUIDE / file, page.encode())


def table(found: Story, language: str) -> str:
    """The months as a table, and under it why each verdict came."""
    head = _heads[language]
    lines = [head, ("---",) * len(head), *(_cells(month, language) for month in found.months)]
    rows = [f"| {' | '.join(line)} |" for line in lines]
    why = [f"- {month.month}: {'; '.join((*month.why[language], *month.moves))}" for month in found.months]
    cases = min(month.live.n for month in found.months)
    run = _runs[language].format(months=len(found.months), cases=cases, accuracy=found.accuracy, rows=found.rows)
    return "\n".join([run, "", *rows, "", f"{_words[language][2]}:", "", *why])


def charts(found: Story) -> dict[str, str]:
    """The two pictures of the guide, by file name."""
    months = found.months
    resolution = line_chart(
        [
            _series("with the loop", months, [month.live for month in months]),
            _series("frozen", months, [month.frozen for month in months]),
        ],
        title="Cases resolved by month",
        description="Share of customers' cases that the live release resolved, and that month 0's would have resolved.",
        x=Axis(label="month"),
        y=Axis(unit="share", high=1.0),
    )
    forgotten = [(0.0, 0.0), *((float(month.month), month.forgetting) for month in months)]
    budget = [(0.0, BUDGET), (float(len(months)), BUDGET)]
    forgetting = line_chart(
        [Series(name="forgotten", points=forgotten, markers=True), Series(name="budget", points=budget, dashed=True)],
        title="Forgetting on month 0's test rows",
        description="Points of accuracy that the live release is below month 0's; below 0 it is better.",
        x=Axis(label="month"),
        y=Axis(label="points"),
        size=(640, 240),
    )
    return {"loop-story-resolution.svg": resolution, "loop-story-forgetting.svg": forgetting}


def _series(name: str, months: Sequence[Month], shares: Sequence[Share]) -> Series:
    pairs = list(zip(months, shares, strict=True))
    points = [(float(month.month), share.value) for month, share in pairs]
    band = [(float(month.month), *share.ci) for month, share in pairs]
    return Series(name=name, points=points, band=band, whiskers=True, markers=True)


def _cells(month: Month, language: str) -> tuple[str, ...]:
    points, minutes, _ = _words[language]
    low, high = month.live.ci
    return (
        str(month.month),
        str(month.live.n),
        f"{month.live.value:.3f} [{low:.3f}, {high:.3f}]",
        f"{month.frozen.value:.3f}",
        str(month.counts.get("kept", 0)),
        str(month.lies),
        f"`{month.decision}`",
        f"{month.forgetting:+.1f} {points}",
        f"{month.minutes:.1f} {minutes}",
    )


if __name__ == "__main__":
    publish(TypeAdapter(Story).validate_json(RECEIPT.read_bytes()))
