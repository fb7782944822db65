"""Verbs of labels: export and import, agreement, the queue of disputes and its decisions."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from seekloop.app.console import print_json, print_table, reporter
from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import Row
from seekloop.data.clean import clean
from seekloop.data.labels import argilla, label_studio
from seekloop.data.labels.agreement import Metric, ratings_of
from seekloop.data.labels.agreement import agreement as measure
from seekloop.data.labels.exchange import (
    FORMATS,
    Exchanged,
    Format,
    classed,
    read_annotations,
    write_annotations,
)
from seekloop.data.labels.items import Item, from_row, shown_text
from seekloop.data.labels.queue import Case, Queue
from seekloop.data.labels.taxonomy import Taxonomy
from seekloop.data.labels.taxonomy_files import read_taxonomy
from seekloop.data.read import read_corpus
from seekloop.data.read.files import locate
from seekloop.data.spec import CleanSpec, SourceSpec
from seekloop.loop.project import FILE, Project
from seekloop.metrics.agreement import Measured
from seekloop.system.errors import DataError, UsageError
from seekloop.system.files import write_whole

__all__ = ["agreement", "decide", "export", "queue", "take"]

_files = {"corpus": ("rows.jsonl",), "dataset": ("train.jsonl", "validation.jsonl", "test.jsonl")}
_shown_at_most = 12
_none = "none"
"""Given for a label: no label is right."""


def export(*, source: str, out: Path, folder: Path, shape: dict[str, Any]) -> None:
    """Write rows for an annotation tool."""
    format = _choice("format", shape["format"], known=FORMATS)
    items = _source(source, folder=folder, rater=shape["rater"])
    taxonomy = _classes(shape["taxonomy"]) or Taxonomy.flat(_labels(items()))
    multi: bool = shape["multi"]
    unknown: Counter[str] = Counter()
    classes = classed(items(), taxonomy, unknown=unknown)
    done = write_annotations(out, classes, format=format, multi=multi, levels=taxonomy.depth > 1)
    _say_unknown(unknown, taxonomy)
    _say(f"{out}: {done.items} items for {format}, {done.judgements} judgements, {done.guesses} guesses")
    _say_lost(done, f"{format} cannot hold")
    if shape["config"] is not None:
        _write_config(shape["config"], format, taxonomy=taxonomy, multi=multi)


def take(*, source: Path, out: Path, control: str | None) -> None:
    """Read an annotation tool's file into items."""
    done = Exchanged()
    write_annotations(out, read_annotations(_there(source), control=control, done=done), format="items")
    _say(f"{source}: {done.format}, {done.items} items, {done.judgements} judgements, {done.guesses} guesses")
    _say_lost(done, "left out")
    print(out)


def agreement(*, source: Path, metric: str, taxonomy: Path | None, control: str | None, as_json: bool) -> None:
    """Print how far raters agree."""
    kind = _choice("metric", metric, known=get_args(Metric))
    classes = _classes(taxonomy)
    items = _annotated(source, classes, control=control)
    found = measure(ratings_of(items, order=classes.paths if classes else ()), metric=kind)
    if as_json:
        print_json(found.as_json())
        return
    alpha = [(f"Krippendorff's alpha ({found.metric})", *_figure(found.alpha))]
    fleiss = [] if found.fleiss is None else [("Fleiss' kappa", *_figure(found.fleiss))]
    pairs = [(f"Cohen's kappa {' and '.join(one.raters)}", *_figure(one.kappa)) for one in found.pairs[:_shown_at_most]]
    title = f"agreement of {len(found.raters)} raters on {found.units} items"
    print_table(title, head=("figure", "value", "95 % interval", "n"), rows=[*alpha, *fleiss, *pairs])
    worst = [(name, f"{share:.2f}") for name, share in list(found.labels.items())[:_shown_at_most]]
    print_table("a second rater says the same", head=("label", "share"), rows=worst)
    against = [(*pair, count) for pair, count in list(found.confusions.items())[:_shown_at_most]]
    print_table("against each other", head=("one", "other", "times"), rows=against)


def queue(*, source: Path, queue_folder: Path, given: dict[str, Any], folder: Path) -> None:
    """Make a queue, or make it anew with more items; decide what its proposals are sure enough of."""
    ctx = _context(folder)
    classes = _classes(given["taxonomy"])
    items = _annotated(source, classes, control=given["control"])
    made = Queue.build(queue_folder, items, taxonomy=classes, clock=ctx.clock)
    made.record(ctx.ledger)
    least: float | None = given["accept"]
    for case in list(made.waiting()) if least is not None else []:
        if case.proposal.probability >= (least or 0.0):
            labels, why = case.proposal.labels, f"{case.proposal.by}, {case.proposal.probability:.3f}"
            made.decide(case.item.id, labels, by=ctx.actor, why=why, clock=ctx.clock, ledger=ctx.ledger)
    ctx.ledger.close()
    total, waiting = (sum(1 for _ in cases) for cases in (made.cases(), made.waiting()))
    _say(f"{queue_folder}: {total} disputed, {total - waiting} decided, {waiting} waiting")
    print(queue_folder)


def decide(
    *, queue_folder: Path, choice: dict[str, Any], by: str | None, why: str, folder: Path, as_json: bool
) -> None:
    """Decide an item, or show the next one."""
    opened = Queue(queue_folder)
    item: str | None = choice["item"]
    if item is None:
        _show(next(opened.waiting(), None), as_json=as_json)
        return
    if not choice["labels"]:
        raise UsageError("labels.no_choice")
    labels = () if choice["labels"] == [_none] else tuple(choice["labels"])
    ctx = _context(folder)
    opened.record(ctx.ledger)
    made = opened.decide(
        item, labels, by=by or ctx.actor, why=why, clock=ctx.clock, ledger=ctx.ledger, revise=choice["revise"]
    )
    ctx.ledger.close()
    if as_json:
        print_json(made.as_json())
    else:
        print(f"{made.row}: {', '.join(made.labels) or 'left out'}, by {made.by}")
        _say(f"{sum(1 for _ in opened.waiting())} waiting")


def _show(case: Case | None, *, as_json: bool) -> None:
    if case is None:
        print_json(None) if as_json else _say("nothing waits")
        return
    votes = {rater: list(labels) for rater, labels in case.item.votes.items()}
    drawn = {"labels": list(case.proposal.labels), "probability": case.proposal.probability, "by": case.proposal.by}
    if as_json:
        print_json({"item": case.item.id, "text": shown_text(case.item), "votes": votes, "proposal": drawn})
        return
    print(f"{case.item.id}  {shown_text(case.item)}")
    rows = [(rater, ", ".join(labels)) for rater, labels in votes.items()]
    proposal = f"{', '.join(case.proposal.labels)} ({case.proposal.probability:.2f}, {case.proposal.by})"
    print_table("said", head=("rater", "labels"), rows=[*rows, ("proposal", proposal)])


def _source(source: str, *, folder: Path, rater: str | None) -> Callable[[], Iterator[Item]]:
    """What gives the items of an artifact, a data file or an annotation file, as often as it is called."""
    kind, _, rest = source.partition(":")
    if kind in _files and rest:
        ctx = _context(folder)
        artifact = ctx.store.load(source)
        paths = [ctx.store.path(artifact.id, name) for name in _files[kind]]
        ctx.ledger.close()
        return lambda: _of_rows(paths, rater, mask=kind == "corpus")
    if kind != "sample" and not Path(source).is_file():
        raise UsageError("labels.source", path=source)
    path = Path(source) if kind != "sample" else locate(source, root=folder)
    if _is_annotated(path):
        return lambda: read_annotations(path)
    ctx = _context(folder)
    given = source if kind == "sample" or (folder / source).resolve() == path.resolve() else str(path.resolve())
    corpus = read_corpus([SourceSpec(path=given)], ctx=ctx)
    rows = ctx.store.path(corpus.id, "rows.jsonl")
    ctx.ledger.close()
    return lambda: _of_rows([rows], rater, mask=True)


def _of_rows(paths: Iterable[Path], rater: str | None, *, mask: bool) -> Iterator[Item]:
    """Items of rows that were kept. Raw rows are masked: personal data does not leave for an annotation tool."""
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if mask:
                    row = clean(Row.model_validate(row), CleanSpec())[0].model_dump(mode="json", exclude_defaults=True)
                if not row.get("dropped"):
                    yield from_row(row, rater=rater)


def _annotated(source: Path, taxonomy: Taxonomy | None, *, control: str | None) -> list[Item]:
    """The items of an annotation file, with the classes that their labels mean."""
    items = read_annotations(_there(source), control=control)
    if taxonomy is None:
        return list(items)
    unknown: Counter[str] = Counter()
    found = list(classed(items, taxonomy, unknown=unknown))
    _say_unknown(unknown, taxonomy)
    return found


def _is_annotated(path: Path) -> bool:
    """Whether the first record of a file is of a form that annotation tools write."""
    try:
        return next(read_annotations(path), None) is not None
    except (DataError, UnicodeDecodeError):
        return False


def _labels(items: Iterable[Item]) -> list[str]:
    found: set[str] = set()
    for item in items:
        found.update(*(one.labels for one in item.judgements), *(one.labels for one in item.guesses))
    return sorted(found)


def _write_config(path: Path, format: Format, *, taxonomy: Taxonomy, multi: bool) -> None:
    if format == "label-studio":
        text = label_studio.config(taxonomy, multi=multi)
    else:
        text = json.dumps(argilla.settings(taxonomy, multi=multi), ensure_ascii=False, indent=2) + "\n"
    write_whole(path, text.encode())
    _say(f"{path}: {len(taxonomy.paths)} classes, {taxonomy.depth} levels")


def _classes(path: Path | None) -> Taxonomy | None:
    return None if path is None else read_taxonomy(_there(path))


def _context(folder: Path) -> RunContext:
    if (folder / FILE).exists():
        return Project.open(folder).context(progress=reporter())
    return RunContext.in_folder(folder, progress=reporter())


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UsageError("labels.source", path=path)
    return path


def _choice(name: str, given: str, *, known: tuple[Any, ...]) -> Any:
    if given not in known:
        raise UsageError("labels.choice", name=name, given=given, known=", ".join(known))
    return given


def _figure(figure: Measured) -> tuple[str, str, int]:
    interval = "-" if figure.ci is None else f"[{figure.ci.low:.3f}, {figure.ci.high:.3f}]"
    return f"{figure.value:.3f}", interval, figure.n


def _say_lost(done: Exchanged, verb: str) -> None:
    for what, count in sorted(done.lost.items()):
        _say(f"{verb}: {what} ({count})")


def _say_unknown(unknown: Counter[str], taxonomy: Taxonomy) -> None:
    for label, count in unknown.most_common(_shown_at_most):
        _say(f"no class {label} ({count}){taxonomy.suggest(label)}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
