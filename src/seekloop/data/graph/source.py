"""A graph's file as a source of records: read, asked, and a report of what was made by relation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from seekloop.data.graph.model import Graph
from seekloop.data.graph.obo import read_obo
from seekloop.data.graph.questions import Tally, questions
from seekloop.data.graph.spec import GraphSpec
from seekloop.data.graph.templates import load
from seekloop.data.graph.triples import read_triples
from seekloop.system.errors import DataError

__all__ = ["Asked", "ask"]

_peek = 64


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A record that a graph gave."""

    line: int
    value: dict[str, Any]
    """`prompt`, `completion` and `group`."""
    meta: dict[str, Any]
    """`graph`: file, kind, relation, terms, template, …"""


def ask(
    lines: Iterable[str],
    spec: GraphSpec,
    *,
    seed: int,
    root: Path,
    say: Callable[[str], None],
) -> Iterator[Asked]:
    """Records of the graph whose file has these lines.

    Args:
        lines: its lines, in order.
        spec: what to ask.
        seed: of the run.
        root: folder that the templates' path is taken from.
        say: is told what the graph holds, and what was made.

    Raises:
        DataError: the file is no graph, it has no relation that the spec names, or the templates are wrong.
    """
    own = None if spec.templates is None else root / spec.templates
    templates = load(spec.language, own, shown=spec.templates or "")
    format, graph = _read(lines, spec)
    unknown = sorted(set(spec.relations) - set(graph.relations))
    if unknown:
        raise DataError("graph.no_relation", name=unknown[0], known=", ".join(sorted(graph.relations)), where=spec.path)
    say(f"{spec.path}: {format}, {_described(graph)}")
    tally = Tally()
    for one in questions(graph, spec, templates=templates, seed=seed, tally=tally):
        value = {"prompt": one.prompt, "completion": one.answer, "group": f"graph:{one.group}"}
        yield Asked(line=one.line, value=value, meta={"graph": {"file": spec.path, **one.meta}})
    say(f"{spec.path}: {_counts(tally)}")


def _read(lines: Iterable[str], spec: GraphSpec) -> tuple[str, Graph]:
    stream = iter(lines)
    head = list(islice(stream, _peek))
    whole = chain(head, stream)
    first = next((line for line in head if line.strip()), "").removeprefix("\ufeff")
    is_obo = spec.path.lower().removesuffix(".gz").endswith(".obo") or first.startswith(("format-version:", "[Term]"))
    if spec.format == "obo" or (spec.format is None and is_obo):
        return "obo", read_obo(whole, shown=spec.path)
    return "triples", read_triples(whole, spec.triples, shown=spec.path)


def _described(graph: Graph) -> str:
    links = sum(1 for _ in graph.triples())
    relations = ", ".join(graph.relations) or "none"
    left_out = f"; left out: {graph.obsolete} obsolete terms, {graph.dangling} links that lead nowhere"
    return f"{len(graph.terms)} terms, {links} links ({relations})" + (
        left_out if graph.obsolete or graph.dangling else ""
    )


def _counts(tally: Tally) -> str:
    made = ", ".join(f"{relation} {count}" for relation, count in sorted(tally.made.items()) if count)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.kinds.items()) if count)
    skipped = ", ".join(f"{reason} {count}" for reason, count in sorted(tally.skipped.items()))
    return f"{sum(tally.made.values())} rows ({kinds or 'none'}) by relation: {made or 'none'}" + (
        f"; not asked: {skipped}" if skipped else ""
    )
