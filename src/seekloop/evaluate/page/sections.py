"""The sections of a report's page as HTML, one function each; a section without content is the empty string."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.errors import Confusion, Example
from seekloop.evaluate.page import panels, plots
from seekloop.evaluate.page.panels import Panel
from seekloop.evaluate.page.sheet import Sheet, sentence
from seekloop.evaluate.page.words import Language, words
from seekloop.system import digests

__all__ = ["header", "sections"]

Words = Mapping[str, str]
_tiles = ("accuracy", "macro_f1", "exact_match", "rougeL_zh", "rougeL_en", "ends_by_itself")
_named = ("checkpoint", "dataset")
_rows, _groups, _long, _pairs = 200, 24, 400, 12


def header(sheet: Sheet, language: Language) -> str:
    """Title, what was asked, the verdicts and the figures that count most."""
    said, report = words(language), sheet.report
    facts = said["rows"].format(n=f"{sheet.errors.n:,}", split=report.split, engine=report.engine)
    parts = [f"<h1>{escape(said['title'])}</h1>", f"<p class=lead>{escape(facts)}</p>"]
    parts += [_verdict(one, sheet, language=language) for one in sheet.verdicts]
    known = {one.name: one for one in report.figures}
    tiles = "".join(_tile(known[name], sheet) for name in _tiles if name in known)
    return "\n".join([*parts, f"<div class=tiles>{tiles}</div>" if tiles else ""])


def sections(sheet: Sheet, language: Language) -> list[str]:
    """Every section that has something to show, in the page's order."""
    said = words(language)
    made: tuple[Callable[[Sheet, Words], str], ...] = (
        _figures,
        _better,
        _probes,
        _people,
        _business,
        _errors,
        _weak,
        _confusion,
        _reliability,
        _training,
        _speed,
        _provenance,
    )
    return [part for make in made if (part := make(sheet, said))]


def _figures(sheet: Sheet, said: Words) -> str:
    report = sheet.report
    names = list(dict.fromkeys(one.name for source in (report, *sheet.baselines.values()) for one in source.figures))
    columns = {said["this"]: report, **sheet.baselines}
    rows = []
    for name in names:
        cells = [next((one for one in source.figures if one.name == name), None) for source in columns.values()]
        rows.append([f"<code>{escape(name)}</code>", *(_cell(one) for one in cells)])
    body = _drawn(plots.shares(report.figures, said)) + _table([said["figure"], *columns], rows)
    return _section(said["figures"], body, note=said["figures_note"])


def _better(sheet: Sheet, said: Words) -> str:
    known = {report.id: name for name, report in sheet.baselines.items()}
    units = {one.name: one.unit for one in sheet.report.figures}
    body = ""
    for baseline in dict.fromkeys(one.baseline for one in sheet.report.comparisons):
        found = [one for one in sheet.report.comparisons if one.baseline == baseline]
        name = known.get(baseline, digests.short(baseline))
        body += _drawn(plots.differences(found, said, name=name, units=units))
        rows = [
            [
                f"<code>{escape(one.figure)}</code>",
                f"{one.difference:+.3f}",
                f"[{one.ci[0]:+.3f}, {one.ci[1]:+.3f}]",
                plots.shown_p(one.p_value),
                str(one.n),
            ]
            for one in found
        ]
        body += _table([said["figure"], said["difference"], said["interval"], "p", "n"], rows)
    return _section(said["better"], body, note=said["better_note"])


def _errors(sheet: Sheet, said: Words) -> str:
    found = sheet.errors
    if not found.wrong:
        return _section(said["errors"], f"<p>{escape(said['errors_none'])}</p>")
    note = said[f"errors_note_{'label' if found.means == 'label' else 'text'}"].format(wrong=found.wrong, n=found.n)
    groups = "".join(
        f"<details><summary><b>{escape(one.name)}</b> <span class=soft>{one.n} · {_mixed(one.confusions, said)}</span>"
        f"</summary>{_examples(one.examples, said)}</details>"
        for one in found.groups[:_groups]
    )
    groups += _left_out(len(found.groups) - _groups, said)
    body = f"<h3>{escape(said['groups'])}</h3>{groups}" if groups else ""
    if found.alone:
        table = _examples(found.alone[:_rows], said) + _left_out(len(found.alone) - _rows, said)
        head = f"<b>{escape(said['alone'])}</b> <span class=soft>{len(found.alone)}</span>"
        body += f"<details><summary>{head}</summary>{table}</details>"
    return _section(said["errors"], body, note=note)


def _weak(sheet: Sheet, said: Words) -> str:
    surely = [one.name for one in sheet.errors.weakest if one.certain]
    body = "".join(_drawn(one) for one in (plots.weakest(sheet, said), *plots.sliced(sheet, said)))
    if surely:
        listed = " · ".join(f"<code>{escape(name)}</code>" for name in surely)
        body = f"<p><b class=warm>{escape(said['beyond'])}</b>: {listed}</p>{body}"
    note = f"{said['slices_note'].format(n=sheet.errors.slices)} {said['upright']}"
    return _section(said["slices"], body, note=note)


def _confusion(sheet: Sheet, said: Words) -> str:
    drawn, found = plots.confusion(sheet, said), sheet.errors.confusions
    if not drawn and not found:
        return ""
    rows = [[escape(one.expected), escape(one.got or said["other"]), str(one.n), str(one.of)] for one in found[:_pairs]]
    head = [said["right_label"], said["answered"], "n", said["of"]]
    table = f"<h3>{escape(said['mixed'])}</h3>{_table(head, rows, kind='numbers wraps')}" if rows else ""
    return _section(said["confusion"], f"{_drawn(drawn)}{table}", note=said["confusion_note"])


def _reliability(sheet: Sheet, said: Words) -> str:
    return _section(said["reliability"], _drawn(plots.reliability(sheet, said)))


def _training(sheet: Sheet, said: Words) -> str:
    return _section(said["training"], _drawn(plots.curves(sheet.history, said)))


def _probes(sheet: Sheet, said: Words) -> str:
    return _panel(panels.probes(sheet, said))


def _people(sheet: Sheet, said: Words) -> str:
    return _panel(panels.people(sheet, said))


def _business(sheet: Sheet, said: Words) -> str:
    return _panel(panels.business(sheet, said))


def _speed(sheet: Sheet, said: Words) -> str:
    cost = {} if sheet.receipt is None else sheet.receipt.cost
    drawn = plots.first_token(cost, said, goal_s=panels.goal_s(sheet.report))
    return _panel(panels.speed(sheet, said), drawn=drawn)


def _provenance(sheet: Sheet, said: Words) -> str:
    report, origin = sheet.report, sheet.report.made_by
    facts = {
        said["report"]: "" if sheet.receipt is None else report.id,
        said["checkpoint"]: report.subject,
        said["dataset"]: report.dataset,
        **{said.get(role, role): identity for role, identity in sorted(report.parents.items()) if role not in _named},
        said["ledger"]: _ledger(sheet, said),
        said["trained_tokens"]: f"{sheet.checkpoint.trained_tokens:,}" if sheet.checkpoint else "",
        said["spec"]: origin.spec_digest,
        said["code"]: origin.code_version,
        said["lock"]: origin.lock_digest,
        said["seed"]: str(origin.seed),
        said["made"]: "" if sheet.receipt is None else sheet.receipt.created_at,
        said["machine"]: "" if sheet.receipt is None else _machine(sheet.receipt.hardware),
    }
    rows = [f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items() if value]
    return _section(said["provenance"], f"<div class=scroll><table class=facts>{''.join(rows)}</table></div>")


def _ledger(sheet: Sheet, said: Words) -> str:
    dataset = sheet.dataset
    if dataset is None:
        return ""
    kept, lost, added = (sum(counts.values()) for counts in (dataset.splits, dataset.dropped, dataset.added))
    whole = said["ledger_said"].format(rows=dataset.rows, added=added, kept=kept, lost=lost)
    # Sorted: a manifest that was read back has its counts in another order.
    named = [
        f"{name} {count}" for counts in (dataset.splits, dataset.dropped) for name, count in sorted(counts.items())
    ]
    return f"{whole} ({', '.join(named)})"


def _machine(hardware: Mapping[str, str | int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(hardware.items()))


def _verdict(one: Mapping[str, Any], sheet: Sheet, *, language: Language) -> str:
    return (
        f'<p class="verdict {escape(str(one["state"]))}">{escape(sentence(one, sheet.report, language=language))}</p>'
    )


def _tile(one: Figure, sheet: Sheet) -> str:
    interval = f"{one.ci[0]:.3f} – {one.ci[1]:.3f} · " if one.ci else ""
    change = next((c for c in sheet.report.comparisons if c.figure == one.name), None)
    moved = ""
    if change is not None:
        kind = "soft" if change.ci[0] <= 0 <= change.ci[1] else "cool" if change.difference > 0 else "warm"
        moved = f' <span class="{kind}">{change.difference:+.3f}</span>'
    return (
        f"<div class=tile><span class=soft>{escape(one.name)}</span><b>{one.value:.3f}{moved}</b>"
        f"<span class=soft>{interval}n={one.n:,}</span></div>"
    )


def _cell(one: Figure | None) -> str:
    if one is None:
        return "–"
    unit = "" if one.unit == "share" else f" {escape(one.unit)}"
    interval = f" <span class=soft>[{one.ci[0]:.3f}, {one.ci[1]:.3f}]</span>" if one.ci else ""
    return f"{one.value:.3f}{unit}{interval} <span class=soft>n={one.n}</span>"


def _left_out(count: int, said: Words) -> str:
    return f"<p class=soft>{escape(said['more'].format(n=count))}</p>" if count > 0 else ""


def _mixed(confusions: Sequence[Confusion], said: Words) -> str:
    named = (f"{one.expected} → {one.got or said['other']} ({one.n})" for one in confusions[:2])
    return escape(", ".join(named))


def _examples(examples: Iterable[Example], said: Words) -> str:
    rows = [[_text(one.question), _text(one.expected), _text(one.got)] for one in examples]
    return _table([said["question"], said["right_answer"], said["got"]], rows, kind="examples")


def _text(content: str) -> str:
    cut = content if len(content) <= _long else f"{content[:_long]}…"
    return f"<div class=text>{escape(cut)}</div>"


def _panel(panel: Panel | None, *, drawn: str = "") -> str:
    if panel is None:
        return ""
    body = _drawn(drawn)
    for one in panel.tables:
        cells = [[_text(cell) if one.texts else escape(cell) for cell in row] for row in one.rows]
        table = _table(one.head, cells, kind="examples" if one.texts else "numbers")
        head = f"<summary>{escape(one.title)}</summary>{table}"
        body += f"<details>{head}</details>" if one.texts else _titled(one.title, table)
    return _section(panel.heading, body, note=panel.note)


def _titled(title: str, table: str) -> str:
    return f"<h3>{escape(title)}</h3>{table}" if title else table


def _drawn(chart: str) -> str:
    """A chart that is scrolled rather than shrunk where there is no room."""
    return f"<div class=scroll>{chart}</div>" if chart else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "") -> str:
    """A table whose cells are HTML already; the head is text."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    table = f'<table class="{kind or "numbers"}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f"<div class=scroll>{table}</div>"


def _section(heading: str, body: str, *, note: str = "") -> str:
    if not body:
        return ""
    told = f"<p class=soft>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(heading)}</h2>{told}{body}</section>"
