"""A report of the roadmap as Markdown, for a ticket, a mail or a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from seekloop.loop.roadmap.criteria import Report, words

__all__ = ["render"]

_marks = {"met": "[x]", "open": "[ ]", "unknown": "[?]"}
_titles = {
    "assess": "roadmap.title_assess",
    "experiment": "roadmap.title_experiment",
    "production": "roadmap.title_production",
}


def render(report: Report, *, language: str | None = None) -> str:
    """Title, exit criteria, strategy, tables; in "en" or "zh" (default: the user's)."""
    return "\n".join(_lines(report, language)) + "\n"


def _lines(report: Report, language: str | None) -> Iterator[str]:
    title = words(_titles[report.phase], "", language=language, facts={"project": report.project, "at": report.at})
    yield f"# {title}"
    yield ""
    yield words("roadmap.done" if report.is_done else "roadmap.not_done", "", language=language)
    yield ""
    for one in report.criteria:
        yield f"- {_marks[one.state]} {one.sentence(language)}"
        if one.state != "met":
            yield f"  - {one.hint(language)}"
    if report.strategy:
        yield ""
        yield words("roadmap.strategy", "", language=language, facts={"strategy": report.strategy})
    for table in report.tables:
        yield ""
        yield f"## {words(table.title, '', language=language)}"
        yield ""
        yield _row(table.head)
        yield _row(["---"] * len(table.head))
        yield from (_row(row) for row in table.rows)
        yield ""
        yield words(table.title, "hint_", language=language)


def _row(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
