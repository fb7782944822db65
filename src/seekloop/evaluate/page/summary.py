"""A report as Markdown for a pull request: the figures, then what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seekloop.evaluate import markdown
from seekloop.evaluate.page import panels
from seekloop.evaluate.page.panels import Panel
from seekloop.evaluate.page.sheet import Sheet, sentence
from seekloop.evaluate.page.words import Language, words

__all__ = ["render"]

_shown, _long = 8, 160


def render(sheet: Sheet, *, language: Language = "en") -> str:
    """Verdicts, figures and comparisons, kinds of errors, weak slices and confusions, each with its counts; then what

    the probes, people, the business and the receipt tell.
    """
    said, found = words(language), sheet.errors
    parts = [f"**{sentence(one, sheet.report, language=language)}**" for one in sheet.verdicts]
    parts.append(markdown.render(sheet.report, baselines=sheet.baselines, language=language).rstrip())
    if found.wrong:
        note = said[f"errors_note_{'label' if found.means == 'label' else 'text'}"]
        parts += [f"#### {said['errors']}", note.format(wrong=found.wrong, n=found.n)]
    if found.groups:
        rows = [(str(one.n), one.name, one.examples[0].question) for one in found.groups[:_shown]]
        parts.append(_table((said["wrong"], said["groups"], said["question"]), rows))
    if found.weakest:
        slices = [
            (one.name, f"{one.right:.3f} [{one.ci[0]:.3f}, {one.ci[1]:.3f}]", str(one.n), "✓" if one.certain else "")
            for one in found.weakest[:_shown]
        ]
        parts += [f"#### {said['weakest']}", said["slices_note"].format(n=found.slices)]
        parts.append(_table((said["slice"], said["interval"], "n", said["beyond"]), slices))
    if found.confusions:
        mixed = [(one.expected, one.got or said["other"], str(one.n), str(one.of)) for one in found.confusions[:_shown]]
        parts += [f"#### {said['mixed']}", _table((said["right_label"], said["answered"], "n", said["of"]), mixed)]
    for make in (panels.probes, panels.people, panels.business, panels.speed):
        parts += _panel(make(sheet, said))
    return "\n\n".join(parts) + "\n"


def _panel(panel: Panel | None) -> list[str]:
    """As blocks; tables of whole answers are for the page."""
    if panel is None:
        return []
    parts = [f"#### {panel.heading}", *([panel.note] if panel.note else [])]
    for one in panel.tables:
        if not one.texts:
            parts += [*([f"**{one.title}**"] if one.title else []), _table(one.head, one.rows)]
    return parts


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(content: str) -> str:
    """One line, without what would end the cell or be taken for HTML."""
    one_line = " ".join(content.split())
    cut = one_line if len(one_line) <= _long else f"{one_line[:_long]}…"
    for mark, safe in (("&", "&amp;"), ("|", "&#124;"), ("<", "&lt;"), ("`", "&#96;")):
        cut = cut.replace(mark, safe)
    return cut
