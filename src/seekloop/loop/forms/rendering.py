"""The table as Markdown, and as a page of its own with two charts."""

from __future__ import annotations

from html import escape

from seekloop.loop.forms.pick import Pick
from seekloop.loop.forms.table import FormLine, FormsTable
from seekloop.loop.forms.words import Language, say
from seekloop.runtime.charts import Axis, Series, line_chart
from seekloop.system import digests

__all__ = ["cells", "head", "markdown", "page"]

_style = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1f2328;"
    "background:#fff}table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto}"
    "td,th{border-bottom:1px solid #d0d7de;padding:.35rem .6rem;text-align:right;white-space:nowrap}"
    "td:first-child,th:first-child{text-align:left}.pick{border-left:4px solid #2f6fdb;padding:.4rem .8rem}"
    "@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td,th{border-color:#2b323b}}"
)


def head(table: FormsTable, *, language: Language) -> list[str]:
    """Names of the columns."""
    first = table.lines[0]
    return [
        say("form", language),
        say("size", language),
        say("load", language),
        say("first", language),
        *(say("speed", language, streams=streams) for streams in first.speeds),
        table.figure,
        say("difference", language),
        say("kl", language),
        say("perplexity", language),
        say("peak", language),
    ]


def cells(line: FormLine, *, language: Language) -> list[str]:
    """One form's line."""
    found = line.measured
    difference = say("parent", language)
    if line.difference is not None:
        middle, low, high = line.difference
        difference = f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"
    return [
        line.name,
        f"{line.size_mb:.1f}",
        f"{found['load_s']:.2f}",
        f"{found['first_token_s']:.3f}",
        *(f"{speed:.1f}" for speed in line.speeds.values()),
        f"{line.quality:.3f}",
        difference,
        f"{'≥' if line.kl_at_least else ''}{line.kl:.4f}",
        f"{found['perplexity']:.3f}" if "perplexity" in found else "-",
        f"{found['peak_mib']:.0f}",
    ]


def markdown(table: FormsTable, picked: Pick, *, language: Language) -> str:
    """A heading, the table, how it was measured, and the pick."""
    columns = head(table, language=language)
    rows = [columns, ["---", *("---:" for _ in columns[1:])]]
    rows += [cells(line, language=language) for line in table.lines]
    told = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"# {_title(table, language)}\n\n{told}\n\n{_note(table, language)}\n\n"
        f"**{say('pick', language)}**: {picked.reason}\n"
    )


def page(table: FormsTable, picked: Pick, *, language: Language) -> str:
    """One file, without a request to anywhere."""
    title = escape(_title(table, language))
    columns = "".join(f"<th>{escape(one)}</th>" for one in head(table, language=language))
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(one)}</td>" for one in cells(line, language=language)) + "</tr>"
        for line in table.lines
    )
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_style}</style></head><body>\n<h1>{title}</h1>\n'
        f'<p class="pick"><b>{say("pick", language)}</b>: {escape(picked.reason)}</p>\n'
        f"<table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table>\n"
        f"<p>{escape(_note(table, language))}</p>\n{_quality(table, language)}{_speed(table, language)}</body></html>\n"
    )


def _title(table: FormsTable, language: Language) -> str:
    return say("title", language, id=digests.short(table.parent))


def _note(table: FormsTable, language: Language) -> str:
    hardware = table.hardware
    return say(
        "note",
        language,
        cpu=hardware["cpu"],
        cores=hardware["cores"],
        figure=table.figure,
        n=table.lines[0].n,
    )


def _quality(table: FormsTable, language: Language) -> str:
    """Quality over size; whiskers are the paired interval around the parent's value."""
    parent = table.lines[0].quality
    series = []
    for line in table.lines:
        around = line.difference
        band = () if around is None else ((line.size_mb, parent + around[1], parent + around[2]),)
        series.append(
            Series(name=line.name, points=[(line.size_mb, line.quality)], band=band, whiskers=True, markers=True)
        )
    return line_chart(
        series,
        title=say("quality_by_size", language, figure=table.figure),
        description=say("chart", language),
        x=Axis(label=say("size_axis", language), low=0),
        y=Axis(label=table.figure),
    )


def _speed(table: FormsTable, language: Language) -> str:
    return line_chart(
        [
            Series(name=line.name, points=[(line.size_mb, next(iter(line.speeds.values())))], markers=True)
            for line in table.lines
        ],
        title=say("speed_by_size", language),
        description=say("chart", language),
        x=Axis(label=say("size_axis", language), low=0),
        y=Axis(label=say("speed_axis", language), low=0),
    )
