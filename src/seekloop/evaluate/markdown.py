"""A report as a short Markdown table, for a terminal or a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from seekloop.artifact.kinds import Comparison, Figure, Report
from seekloop.evaluate.verdict import Verdict
from seekloop.system import digests

__all__ = ["Language", "render"]

Language = Literal["en", "zh"]
"""Of headings and sentences."""

_words: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Report on {subject}, {split} split, {engine}",
        "figure": "figure",
        "subject": "this",
        "n": "n",
        "difference": "Difference to {name}, same rows",
        "change": "difference",
        "interval": "95 % interval",
        "p": "p",
        "cost": "Times and costs of this run",
        "value": "value",
    },
    "zh": {
        "title": "{subject} 的评测报告（{split} 集，{engine}）",
        "figure": "指标",
        "subject": "本次",
        "n": "样本数",
        "difference": "与 {name} 的差异（相同样本）",
        "change": "差值",
        "interval": "95% 区间",
        "p": "p 值",
        "cost": "本次运行的耗时与成本",
        "value": "数值",
    },
}


def render(
    report: Report,
    *,
    baselines: Mapping[str, Report] | None = None,
    verdicts: Sequence[Verdict] = (),
    costs: Sequence[Figure] = (),
    language: Language = "en",
) -> str:
    """The verdicts, the figures with their intervals, a column for each report, the paired differences, the costs.

    Args:
        report: the one to show.
        baselines: other reports by the names to show them under; a comparison with none of them shows a digest.
        verdicts: what the comparisons came to, a sentence each.
        costs: figures of the report's receipt.
        language: of the headings; figures keep their names.
    """
    words, others = _words[language], dict(baselines or {})
    title = words["title"].format(
        subject=f"`{digests.short(report.subject)}`", split=report.split, engine=report.engine
    )
    columns = {words["subject"]: report, **others}
    names = list(dict.fromkeys(figure.name for one in columns.values() for figure in one.figures))
    rows = [[name, *(_cell(_find(one, name), words) for one in columns.values())] for name in names]
    known = {one.id: name for name, one in others.items()}
    told = [f"- {one.sentence(language, name=known.get(one.baseline))}" for one in verdicts]
    parts = [f"### {title}", *(["\n".join(told)] if told else []), _table([words["figure"], *columns], rows)]
    for baseline in dict.fromkeys(one.baseline for one in report.comparisons):
        name = known.get(baseline, f"`{digests.short(baseline)}`")
        compared = [_difference(one) for one in report.comparisons if one.baseline == baseline]
        head = [words[key] for key in ("figure", "change", "interval", "p", "n")]
        parts += [f"#### {words['difference'].format(name=name)}", _table(head, compared)]
    if costs:
        head = [words["figure"], words["value"]]
        parts += [f"#### {words['cost']}", _table(head, [[one.name, _cost(one, words)] for one in costs])]
    return "\n\n".join(parts) + "\n"


def _find(report: Report, name: str) -> Figure | None:
    return next((figure for figure in report.figures if figure.name == name), None)


def _cell(figure: Figure | None, words: Mapping[str, str]) -> str:
    if figure is None:
        return "–"
    interval = f" [{figure.ci[0]:.3f}, {figure.ci[1]:.3f}]" if figure.ci else ""
    unit = "" if figure.unit == "share" else f" {figure.unit}"
    return f"{figure.value:.3f}{unit}{interval} {words['n']}={figure.n}"


def _cost(figure: Figure, words: Mapping[str, str]) -> str:
    """Costs span magnitudes; what was measured as a whole has no interval."""
    low, high = figure.ci or (figure.value, figure.value)
    interval = f" [{low:.4g}, {high:.4g}]" if low < high else ""
    unit = "" if figure.unit == "share" else f" {figure.unit}"
    return f"{figure.value:.4g}{unit}{interval} {words['n']}={figure.n}"


def _difference(one: Comparison) -> list[str]:
    low, high = one.ci
    return [one.figure, f"{one.difference:+.3f}", f"[{low:+.3f}, {high:+.3f}]", f"{one.p_value:.3g}", str(one.n)]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
