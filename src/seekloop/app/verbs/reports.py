"""Verbs that look at reports: the page, what went wrong, what to label and to collect."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from seekloop.app.console import print_json, print_table
from seekloop.app.folder import context_of
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Figure, Report
from seekloop.artifact.store import Store
from seekloop.data.labels.exchange import FORMATS, write_annotations
from seekloop.data.labels.items import Guess, Item, from_row
from seekloop.evaluate import errors as wrong
from seekloop.evaluate.collect import Want, wanted, write_wanted
from seekloop.evaluate.errors import Errors
from seekloop.evaluate.page import document, sheet, summary
from seekloop.evaluate.page.words import Language
from seekloop.evaluate.scoring import read_answers
from seekloop.loop.business import of_the_ledger
from seekloop.loop.project import FILE, Project
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole

__all__ = ["errors", "page"]

_shown = 12


def page(*, report: str, out: Path, folder: Path) -> None:
    """Write a report as a page or as Markdown, with the project's business figures where it defines some."""
    language: Language = "zh" if settings.language() == "zh" else "en"
    with context_of(folder) as ctx:
        shown = sheet.of_report(ctx.store.open(report, Report), store=ctx.store)
        shown = replace(shown, business=_business(folder, ctx=ctx))
    render = summary.render if out.suffix in (".md", ".markdown") else document.render
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, render(shown, language=language).encode())
    print(out)


def _business(folder: Path, *, ctx: RunContext) -> tuple[Figure, ...]:
    """The project's own figures as the ledger stands; none in a folder without a project file."""
    kpis = Project.open(folder).spec.kpis if (folder / FILE).exists() else ()
    found = of_the_ledger(kpis, ctx=ctx) if kpis else []
    for one in found:
        if one.missing or one.figure is None:
            ctx.progress.say(f"{one.name}: {one.missing} of {one.rows} rows have no value")
    return tuple(one.figure for one in found if one.figure is not None)


def errors(
    *, report: str, to_label: Path | None, format: str, collect: Path | None, folder: Path, as_json: bool
) -> None:
    """Print groups, weak slices and confusions of a report's wrong answers, and write what was asked for."""
    forms = {one: one for one in FORMATS}
    if format not in forms:
        raise UsageError("labels.choice", name="format", given=format, known=", ".join(FORMATS))
    with context_of(folder) as ctx:
        opened = ctx.store.open(report, Report)
        found = wrong.of_report(opened, store=ctx.store)
        wants = wanted(opened, found, store=ctx.store)
        if to_label is not None:
            done = write_annotations(to_label, _items(opened, found, store=ctx.store), format=forms[format])
            _say(f"{to_label}: {done.items} items for {format}, {done.guesses} guesses")
            _say(f"they are {opened.split} rows: once trained on, they no longer tell how good a model is")
        if collect is not None:
            write_wanted(collect, wants)
            _say(f"{collect}: {sum(one.rows for one in wants)} rows of {len(wants)} kinds")
    if as_json:
        print_json({**found.model_dump(mode="json"), "collect": [asdict(one) for one in wants]})
    else:
        _print(found, wants)


def _print(found: Errors, wants: list[Want]) -> None:
    print(f"{found.wrong} of {found.n} answers are wrong ({found.means})")
    if found.groups:
        kinds = [
            (one.n, one.name, _mixed_up(one.confusions[:1]), one.examples[0].question) for one in found.groups[:_shown]
        ]
        print_table("questions that are alike", head=("wrong", "about", "mostly", "such as"), rows=kinds)
    if found.weakest:
        slices = [
            (one.name, f"{one.right:.3f}", f"[{one.ci[0]:.3f}, {one.ci[1]:.3f}]", one.n, "yes" if one.certain else "")
            for one in found.weakest[:_shown]
        ]
        title = f"weakest of {found.slices} slices, intervals corrected for so many"
        print_table(title, head=("slice", "right", "interval", "n", "beyond chance"), rows=slices)
    if wants:
        print_table(
            "collect next", head=("rows", "of", "because"), rows=[(one.rows, one.kind, one.reason) for one in wants]
        )


def _mixed_up(confusions: tuple[wrong.Confusion, ...]) -> str:
    return "".join(f"{one.expected} → {one.got or '–'} ({one.n})" for one in confusions)


def _items(report: Report, found: Errors, *, store: Store) -> Iterator[Item]:
    """The rows of the wrong answers: what is asked, the label they have and the model's as guesses, their group."""
    groups = {row: group.name for group in found.groups for row in group.rows}
    answers = {one.row: one for one in read_answers(store.path(report.id, "answers.jsonl"))}
    known = {*groups, *(one.row for one in found.alone)}
    with store.path(report.dataset, f"{report.split}.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["id"] in known and row["id"] in answers:
                answer = answers[row["id"]]
                said = Guess(labels=(answer.got_label,), model=report.subject) if answer.got_label else None
                item = from_row({**row, "messages": row["messages"][:-1], "meta": {"group": groups.get(row["id"], "")}})
                yield Item(
                    id=item.id,
                    messages=item.messages,
                    guesses=(*item.guesses, *([said] if said else [])),
                    file=item.file,
                    line=item.line,
                    meta=item.meta,
                )


def _say(text: str) -> None:
    print(text, file=sys.stderr)
