"""What a report's wrong answers have in common: `errors.json`, with groups, weak slices and confusions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from seekloop.artifact.kinds import Figure, Report
from seekloop.artifact.rows import read_rows
from seekloop.artifact.store import Store
from seekloop.evaluate.questions import Question
from seekloop.evaluate.scoring import Scored, read_answers
from seekloop.evaluate.seen import Seen
from seekloop.evaluate.slices import length_bucket
from seekloop.evaluate.weakest import weakest
from seekloop.metrics.clusters import Meant, clusters
from seekloop.system import lazy

__all__ = ["FILE", "Confusion", "Errors", "Example", "Group", "WeakSlice", "find", "of_report", "part", "question_of"]

FILE = "errors.json"
_poor = 0.3
_examples, _confusions = 5, 30


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Example(_Model):
    """One wrong answer."""

    row: str
    question: str
    expected: str
    got: str


class Confusion(_Model):
    """Rows of one label that got another."""

    expected: str
    got: str
    n: int
    of: int
    """Rows of the expected label."""


class Group(_Model):
    """Wrong answers to questions that are alike."""

    name: str
    """Its terms in one line."""
    terms: tuple[str, ...]
    n: int
    confusions: tuple[Confusion, ...] = ()
    """What was said in place of what, most frequent first; `n` counts within the group."""
    rows: tuple[str, ...]
    """Ids, the most typical first."""
    examples: tuple[Example, ...]


class WeakSlice(_Model):
    """A slice whose answers are worse than the whole."""

    name: str
    right: float
    n: int
    ci: tuple[float, float]
    """Corrected for how many slices were looked at."""
    certain: bool
    """Whether the upper end lies below the share of all rows."""


class Errors(_Model):
    """What is in `errors.json`."""

    n: int
    """Rows asked."""
    wrong: int
    means: str
    """When an answer is wrong. `label`: its label is; `rougeL<0.3`: its text has little of the right one."""
    groups: tuple[Group, ...]
    alone: tuple[Example, ...]
    """Wrong answers that are in no group."""
    weakest: tuple[WeakSlice, ...]
    slices: int
    """Slices that were looked at."""
    confusions: tuple[Confusion, ...]
    """At most 30, most frequent first."""


def part(seen: Seen) -> tuple[Figure, ...]:
    """Writes `errors.json`; what is in it follows from the answers, so it adds no figure."""
    found = find(seen.answers, seen.questions, meant=_meant(seen))
    text = json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=1)
    seen.job.path(FILE).write_text(text + "\n", "utf-8")
    return ()


def of_report(report: Report, *, store: Store) -> Errors:
    """The errors of a report; of one that was made before reports kept them, found now.

    Raises:
        ArtifactError: the report's answers, or its dataset, are missing.
    """
    path = store.folder(report.id) / FILE
    if path.is_file():
        return Errors.model_validate_json(path.read_bytes())
    answers = read_answers(store.path(report.id, "answers.jsonl"))
    rows = {row.id: row for row in read_rows(store.path(report.dataset, f"{report.split}.jsonl"))}
    return find(answers, [Question(row=rows[one.row]) for one in answers])


def find(answers: Sequence[Scored], questions: Sequence[Question], *, meant: Meant | None = None) -> Errors:
    """Group the wrong answers, and find the slices and labels where they gather.

    Args:
        answers: scored, shape (n,).
        questions: what was asked, in the same order.
        meant: what questions are compared by; None: the words in them.
    """
    labelled = answers[0].label is not None
    right = [one.correct if labelled else _good_text(one) for one in answers]
    asked = [question_of(one) for one in questions]
    bad = [at for at, fine in enumerate(right) if not fine]
    facts = [
        {
            "label": one.label or "",
            "language": one.language,
            "length": length_bucket(text),
            "source": question.row.source.file,
        }
        for one, text, question in zip(answers, asked, questions, strict=True)
    ]
    weak, slices = weakest(facts, right)
    others = [text for text, fine in zip(asked, right, strict=True) if fine]
    found = clusters([asked[at] for at in bad], others=others, meant=meant)
    groups = [_group(one.terms, [bad[at] for at in one.members], answers=answers, asked=asked) for one in found]
    grouped = {bad[at] for one in found for at in one.members}
    return Errors(
        n=len(answers),
        wrong=len(bad),
        means="label" if labelled else f"rougeL<{_poor}",
        groups=tuple(groups),
        alone=tuple(_example(answers[at], asked[at]) for at in bad if at not in grouped),
        weakest=tuple(
            WeakSlice(name=one.name, right=one.right, n=one.n, ci=(one.low, one.high), certain=one.certain)
            for one in weak
        ),
        slices=slices,
        confusions=tuple(_confused(answers, among=answers)[:_confusions]),
    )


def _meant(seen: Seen) -> Meant | None:
    """What the spec has questions compared by; opened only where there is something to compare."""
    spec = seen.spec.passes.groups
    if spec is None:
        return None

    def vectors(texts: Sequence[str]) -> NDArray[np.float64]:
        meaning = lazy.need("seekloop.evaluate.meaning", extra="train")
        opened = meaning.Meaning.open(spec, seen.inputs.checkpoint, threads=seen.spec.threads, ctx=seen.ctx)
        found: NDArray[np.float64] = meaning.centred(
            opened.vectors([text.strip() or "?" for text in texts], what="groups", ctx=seen.ctx)
        )
        return found

    return vectors


def question_of(question: Question) -> str:
    """What the user said last."""
    return next((turn.content for turn in reversed(question.asked) if turn.role == "user"), question.asked[-1].content)


def _good_text(one: Scored) -> bool:
    return one.exact or (one.rougeL is not None and one.rougeL >= _poor)


def _group(terms: tuple[str, ...], members: Sequence[int], *, answers: Sequence[Scored], asked: Sequence[str]) -> Group:
    mine = [answers[at] for at in members]
    return Group(
        name=" · ".join(terms),
        terms=terms,
        n=len(members),
        confusions=tuple(_confused(mine, among=answers)[:_examples]),
        rows=tuple(one.row for one in mine),
        examples=tuple(_example(answers[at], asked[at]) for at in members[:_examples]),
    )


def _example(one: Scored, question: str) -> Example:
    return Example(row=one.row, question=question, expected=one.expected, got=one.got)


def _confused(answers: Iterable[Scored], *, among: Sequence[Scored]) -> list[Confusion]:
    rows = Counter(one.label for one in among)
    pairs: Counter[tuple[str, str]] = Counter()
    for one in answers:
        if one.label is not None and not one.correct:
            pairs[one.label, one.got_label or ""] += 1
    ordered = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Confusion(expected=label, got=got, n=n, of=rows[label]) for (label, got), n in ordered]
