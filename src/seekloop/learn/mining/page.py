"""What a window shows, as one HTML file for a browser: no request to anywhere, English and Chinese side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from seekloop.learn.mining.mined import Mined

__all__ = ["render"]

_style = (
    ":root{color-scheme:light dark}body{font:15px/1.55 system-ui,-apple-system,'PingFang SC','Noto Sans CJK SC',"
    "'Microsoft YaHei',sans-serif;margin:2em auto;max-width:860px;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "td,th{padding:.3em .8em .3em 0;text-align:left;border-bottom:1px solid #8884;vertical-align:top}"
    "th{font-weight:500;opacity:.7}h2{font-size:18px;margin-top:2em}.hot{font-weight:650;color:#b35900}"
    ".scroll{overflow-x:auto}"
)


def render(found: Mined) -> str:
    """The whole page."""
    errors = found.errors
    wrong = f"{errors.n} / {errors.judged} judged 已评 / {errors.answers} answers 回答"
    interval = "" if errors.ci is None else f", {errors.share:.1%} ({errors.ci[0]:.1%} – {errors.ci[1]:.1%})"
    kpi = ""
    if found.kpi is not None and found.kpi.ci is not None:
        span = f"{found.kpi.ci[0]:.1f} – {found.kpi.ci[1]:.1f}"
        kpi = f"<p>Right answers fell by 正确率下降 {found.kpi.points:.1f} points 个百分点 ({span})</p>"
    body = [
        "<h1>Window of production 线上窗口</h1>",
        f"<p>Wrong 错误: {escape(wrong + interval)}</p>{kpi}",
        _section("Drift 漂移", _drift(found), head=("feature 特征", "p (Holm)", "PSI", "PSI by chance 随机水平", "n")),
        _section(
            "New intents 新意图", _intents(found), head=("name 名称", "messages 条数", "p (Holm)", "examples 示例")
        ),
        _section(
            "Like known errors 与已知错误相似", _likes(found), head=("answer 回答", "error 错误", "similarity 相似度")
        ),
        _section("To review 待复核", _queue(found), head=("answer 回答", "score 分值", "why 原因")),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>seekloop mine</title>\n<style>{_style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>"
    )


def _section(title: str, lines: Iterable[Sequence[str]], *, head: Sequence[str]) -> str:
    """A table, its cells escaped; a cell that begins with `!` stands out."""
    rows = [f"<tr>{''.join(map(_cell, line))}</tr>" for line in lines]
    if not rows:
        return f"<h2>{title}</h2>\n<p>–</p>"
    names = "".join(f"<th>{one}</th>" for one in head)
    table = f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f"<h2>{title}</h2>\n<div class=scroll>{table}</div>"


def _cell(text: str) -> str:
    return f"<td class=hot>{escape(text[1:])}</td>" if text.startswith("!") else f"<td>{escape(text)}</td>"


def _drift(found: Mined) -> Iterable[Sequence[str]]:
    for one in found.drift.features:
        psi = "" if one.psi is None else f"{one.psi:.3f}"
        chance = "" if one.by_chance is None else f"{one.by_chance:.3f}"
        mark = "!" if one.drifted else ""
        yield f"{mark}{one.feature}", f"{one.adjusted:.2g}", psi, chance, f"{one.n}/{one.m}"


def _intents(found: Mined) -> Iterable[Sequence[str]]:
    for one in found.intents:
        yield f" {one.name}", str(len(one.members)), f"{one.adjusted:.2g}", " | " + " | ".join(one.examples)


def _likes(found: Mined) -> Iterable[Sequence[str]]:
    for one in found.like_errors:
        yield one.answer, one.error, f"{one.similarity:.2f}"


def _queue(found: Mined) -> Iterable[Sequence[str]]:
    for one in found.queue:
        yield one.answer, f"{one.score:.2f}", ", ".join(one.reasons)
