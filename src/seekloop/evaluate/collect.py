"""What to collect next: for each label (or kind of question) that goes wrong, how many rows, why, and how they read.

The examples are rows that were trained, those nearest to what went wrong. No test row is given away: whoever collects
more like an example does not copy the test.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from seekloop.artifact.kinds import Dataset, Report
from seekloop.artifact.rows import Row, read_rows
from seekloop.artifact.store import Store
from seekloop.evaluate.errors import Errors, question_of
from seekloop.evaluate.questions import Question
from seekloop.evaluate.scoring import Scored, read_answers
from seekloop.metrics.clusters import vectors
from seekloop.system.files import write_whole
from seekloop.text import labelled

__all__ = ["Want", "wanted", "write_wanted"]

_least, _most, _wants, _examples = 10, 200, 20, 3
_each = 3
"""Rows suggested for each wrong answer."""


@dataclass(kw_only=True)
class Want:
    """Rows of one kind to collect."""

    label: str | None
    """None: answers have no label; `kind` tells what the questions are about."""
    kind: str
    rows: int
    """How many to collect, by the rule that `reason` gives the counts of."""
    reason: str
    examples: list[dict[str, str]] = field(default_factory=list)
    """Trained rows that read like what went wrong, as the data stage reads them."""


def wanted(report: Report, found: Errors, *, store: Store) -> list[Want]:
    """What to collect, the most wrong answers first; at most 20 kinds, each with two wrong answers or more.

    The number is a rule of thumb: three rows for each wrong answer, or as many as the label lacks of the trained rows
    that labels with few errors have (their median), whichever is more; 10 to 200.

    Args:
        report: whose answers they are.
        found: its errors.
        store: holds the report and its dataset.

    Raises:
        ArtifactError: a file of them is missing.
    """
    dataset = store.open(report.dataset, Dataset)
    train = store.path(dataset.id, "train.jsonl")
    answers = read_answers(store.path(report.id, "answers.jsonl"))
    wants = _by_label(answers, trained=_trained(train)) if found.means == "label" else _by_group(found)
    asked = _questions(store.path(dataset.id, f"{report.split}.jsonl"), {one.row for one in answers})
    texts = _wrong_texts(wants, answers, found=found, asked=asked)
    _add_examples(wants, texts, rows=read_rows(train), form=dataset.answer)
    return wants


def write_wanted(path: Path, wants: Sequence[Want]) -> None:
    """Write them, whole or not at all: YAML for people; JSON Lines as rows that the data stage reads, one an example.

    Args:
        path: `.yaml` or `.yml` for the first form, anything else for the second.
        wants: what to collect.
    """
    if path.suffix in (".yaml", ".yml"):
        text = yaml.safe_dump([asdict(one) for one in wants], sort_keys=False, allow_unicode=True, width=120)
    else:
        lines = [{**example, "collect": one.rows, "reason": one.reason} for one in wants for example in one.examples]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())


def _trained(path: Path) -> Counter[str]:
    return Counter(row.label for row in read_rows(path) if row.label)


def _by_label(answers: Sequence[Scored], *, trained: Counter[str]) -> list[Want]:
    rows = Counter(one.label or "" for one in answers)
    wrong = Counter(one.label or "" for one in answers if not one.correct)
    said = Counter((one.label or "", one.got_label or "no label") for one in answers if not one.correct)
    share = sum(wrong.values()) / len(answers)
    good = [trained[label] for label in rows if wrong[label] / rows[label] <= share]
    usual = int(statistics.median(good)) if good else 0
    wants = []
    for label, count in sorted(wrong.items(), key=lambda one: (-one[1], one[0]))[:_wants]:
        if count < 2:
            continue
        other, times = max(
            ((got, n) for (own, got), n in said.items() if own == label), key=lambda one: (one[1], one[0])
        )
        reason = f"{count} of {rows[label]} wrong, {times} answered as {other}"
        if said[other, label]:
            reason += f" (and {said[other, label]} the other way: look at where the two labels part)"
        reason += f"; {trained[label]} trained rows"
        reason += f", labels that do well have {usual}" if trained[label] < usual else ""
        number = _number(max(_each * count, usual - trained[label]))
        wants.append(Want(label=label, kind=label, rows=number, reason=reason))
    return wants


def _by_group(found: Errors) -> list[Want]:
    return [
        Want(
            label=None,
            kind=one.name,
            rows=_number(_each * one.n),
            reason=f"{one.n} of {found.wrong} wrong answers are to questions like these",
        )
        for one in found.groups[:_wants]
    ]


def _number(wish: int) -> int:
    return min(_most, max(_least, wish))


def _questions(path: Path, wanted_rows: set[str]) -> dict[str, str]:
    return {row.id: _text(row) for row in read_rows(path) if row.id in wanted_rows}


def _text(row: Row) -> str:
    return question_of(Question(row=row)) if len(row.messages) > 1 else ""


def _wrong_texts(
    wants: Sequence[Want], answers: Sequence[Scored], *, found: Errors, asked: Mapping[str, str]
) -> list[list[str]]:
    """The questions that went wrong, for each want."""
    if found.means == "label":
        by_label: dict[str | None, list[str]] = {}
        for one in answers:
            if not one.correct:
                by_label.setdefault(one.label, []).append(asked.get(one.row, ""))
        return [by_label[one.label] for one in wants]
    return [[asked.get(row, "") for row in group.rows] for group in found.groups[: len(wants)]]


def _add_examples(
    wants: Sequence[Want], texts: Sequence[Sequence[str]], *, rows: Iterable[Row], form: labelled.AnswerForm
) -> None:
    """Give each want the trained rows nearest to its texts; one pass over the rows, holding only the best."""
    if not wants:
        return
    weights = vectors([text for group in texts for text in group])
    middles = [sum((weights.of(text) for text in group), weights.of("")) for group in texts]
    best: list[list[tuple[float, str, dict[str, str]]]] = [[] for _ in wants]
    for row in rows:
        vector = weights.of(_text(row)) if _fits(row, wants) else None
        for at, want in enumerate(wants):
            if vector is not None and want.label in (None, row.label):
                kept = [*best[at], (-float(vector @ middles[at]), row.id, _example(row, form=form))]
                best[at] = sorted(kept, key=lambda one: one[:2])[:_examples]
    for want, kept in zip(wants, best, strict=True):
        want.examples = [example for _, _, example in kept]


def _fits(row: Row, wants: Sequence[Want]) -> bool:
    return len(row.messages) > 1 and any(want.label in (None, row.label) for want in wants)


def _example(row: Row, *, form: labelled.AnswerForm) -> dict[str, str]:
    label = {} if row.label is None else {"label": row.label}
    if form == "label":
        return {"text": _text(row), **label}
    _, text = labelled.split(row.messages[-1].content.strip(), form)
    return {"instruction": _text(row), "output": text, **label}
