"""What the table says, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

__all__ = ["Language", "say"]

Language = Literal["en", "zh"]


def say(key: str, language: Language, /, **facts: object) -> str:
    """The words called `key`, with `facts` in their places."""
    return _words[key][0 if language == "en" else 1].format_map(facts)


_words: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "title": ("Forms of {id}", "{id} 的各种形式"),
        "form": ("form", "形式"),
        "size": ("size MB", "大小 MB"),
        "load": ("load s", "加载 s"),
        "first": ("first token s", "首词元 s"),
        "speed": ("tok/s x{streams}", "词元/s ×{streams}"),
        "difference": ("minus parent [95 %]", "与来源之差 [95 %]"),
        "kl": ("KL", "KL"),
        "perplexity": ("perplexity", "困惑度"),
        "peak": ("peak MiB", "峰值 MiB"),
        "parent": ("parent", "来源"),
        "note": (
            "Measured on {cpu}, {cores} cores, each form in a process of its own; {figure} on n = {n} rows, intervals "
            "paired with the parent; mean KL in nats, ≥ where the engine tells only the likeliest ids; speeds "
            "include reading the prompts.",
            "在 {cpu}（{cores} 核）上测得，每种形式单独一个进程；{figure} 基于 n = {n} 行，区间与来源配对；"
            "KL 为平均值，单位 nats，引擎只给出最可能的词元时为下界（≥）；速度包含读取提示的时间。",
        ),
        "pick": ("Pick", "选择"),
        "none": (
            "no form keeps the bounds ({bounds}): the nearest is {name}, which loses {lost:.1f} points and needs "
            "{peak:.0f} MiB",
            "没有形式满足限制（{bounds}）：最接近的是 {name}，损失 {lost:.1f} 个百分点，需要 {peak:.0f} MiB",
        ),
        "smallest": ("the smallest ({size:.0f} MB)", "最小（{size:.0f} MB）"),
        "fastest": ("the fastest ({speed:.1f} tokens/s)", "最快（{speed:.1f} 词元/s）"),
        "accuracy": ("the most accurate ({figure} {quality:.3f})", "最准确（{figure} {quality:.3f}）"),
        "why": (
            "{name} is {best} of the {count} forms that keep the bounds ({bounds}): it loses {lost:.1f} points of "
            "{figure} against the parent (95 % interval {low:.1f} to {high:.1f}, n = {n}){doubt}",
            "在满足限制（{bounds}）的 {count} 种形式中，{name} {best}：{figure} 比来源低 {lost:.1f} 个百分点"
            "（95 % 区间 {low:.1f} 至 {high:.1f}，n = {n}）{doubt}",
        ),
        "itself": (
            "the parent itself ({name}) is {best} of the {count} forms that keep the bounds ({bounds})",
            "在满足限制（{bounds}）的 {count} 种形式中，来源本身（{name}）{best}",
        ),
        "doubt": (
            "; so few rows cannot rule out a loss beyond the bound",
            "；行数太少，不能排除损失超过限制",
        ),
        "drop": ("at most {value:g} percentage points lost", "最多损失 {value:g} 个百分点"),
        "memory": ("at most {value:g} MiB", "最多 {value:g} MiB"),
        "unbounded": ("none", "无"),
        "quality_by_size": ("{figure} by size", "{figure} 与大小"),
        "speed_by_size": ("Speed of one stream by size", "单路速度与大小"),
        "size_axis": ("MB", "MB"),
        "speed_axis": ("tokens/s", "词元/s"),
        "chart": ("Each point is a form of the same checkpoint.", "每个点是同一检查点的一种形式。"),
    }
)
