"""Scores one answer against its row. Pure, so that every rule can be checked without a model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from seekloop.artifact.rows import Message, Row
from seekloop.evaluate.texts import language_tokenisation, text_values
from seekloop.metrics import overlap
from seekloop.model.tool_calls import calls_of
from seekloop.runtime.generate.backend import FinishReason
from seekloop.text import labelled, segment
from seekloop.text.labelled import AnswerForm

__all__ = ["Scored", "read_answers", "read_line", "score", "whole_answer", "write_answers"]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One line of a report's `answers.jsonl`."""

    row: str
    """Id of the row that was asked."""
    label: str | None
    """The right label; None where answers have none."""
    got_label: str | None
    """What stands where the label belongs, whether it is one of the labels or not; None: nothing does."""
    correct: bool
    """The label is right; for answers without one: the whole answer is the right one."""
    expected: str
    """The whole right answer."""
    got: str
    """The whole answer, reasoning aside."""
    reference_text: str
    """The free text of the right answer; empty where it holds only a label."""
    text: str
    """The free text of the answer."""
    rougeL: float | None  # noqa: N815  the metric's own spelling
    """F1 of ROUGE-L of `text`; None where there is nothing to compare with."""
    finish_reason: FinishReason
    completion_tokens: int
    language: str
    """Of the right answer's free text, or of the question where there is none."""
    labels: tuple[str, ...] = ()
    """The right labels one by one, for rows that have several; empty for the others."""
    scores: dict[str, float] = field(default_factory=dict)
    """Values of this row by the name of the figure that is their mean; `rougeL` stands apart."""
    counts: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Counts by the name of the figure that is a function of their sums over rows: `bleu_zh`, `chrf`."""

    @property
    def values(self) -> dict[str, float]:
        """`scores` and ROUGE-L, under the names of their figures."""
        tokenisation = language_tokenisation(self.language)
        if self.rougeL is None or tokenisation is None:
            return self.scores
        return {**self.scores, f"rougeL_{tokenisation}": self.rougeL}

    @property
    def key(self) -> tuple[str, str]:
        """What tells whether two models were asked the same: a dataset may compose another answer from a row."""
        return self.row, self.expected

    @property
    def exact(self) -> bool:
        """Whether the whole answer is the right one, letter for letter, outer blanks aside."""
        return self.got == self.expected


def score(
    row: Row, answer: Message, *, form: AnswerForm, finish_reason: FinishReason, completion_tokens: int
) -> Scored:
    """Compare `answer` with the last turn of `row`.

    Args:
        row: ends with the right answer.
        answer: what the model said.
        form: what the dataset's answers hold.
        finish_reason: how generation ended.
        completion_tokens: length of the answer in tokens.
    """
    expected, got = whole_answer(row.messages[-1]), whole_answer(answer)
    _, reference_text = labelled.split(expected, form)
    got_label, text = labelled.split(got, form)
    language = segment.language_of(reference_text or row.messages[-2].content)
    scores, counts = text_values(reference_text, text, whole=got, language=language)
    return Scored(
        row=row.id,
        label=None if form == "text" else row.label,
        got_label=got_label,
        correct=got == expected if form == "text" else _same_label(got_label, row),
        expected=expected,
        got=got,
        reference_text=reference_text,
        text=text,
        rougeL=_rouge(reference_text, text, language=language),
        finish_reason=finish_reason,
        completion_tokens=completion_tokens,
        language=language,
        labels=() if form == "text" else row.labels,
        scores=scores,
        counts=counts,
    )


def whole_answer(message: Message) -> str:
    """An answer as one text: its content, then each tool call on a line, arguments in their usual spacing."""
    calls = [f"{call.name}({call.arguments})" for call in calls_of(message)]
    return "\n".join(part for part in (message.content.strip(), *calls) if part)


def write_answers(path: Path, answers: Iterable[Scored]) -> None:
    """Write scored answers as JSONL, in the order given."""
    with path.open("w", encoding="utf-8") as file:
        for answer in answers:
            file.write(json.dumps(dataclasses.asdict(answer), ensure_ascii=False, sort_keys=True) + "\n")


def read_answers(path: Path) -> list[Scored]:
    """The scored answers of a report."""
    with path.open(encoding="utf-8") as file:
        return [read_line(line) for line in file]


def read_line(line: str) -> Scored:
    """One line of `answers.jsonl`; those of older reports lack the values that they did not know."""
    value = json.loads(line)
    value["labels"] = tuple(value.get("labels", ()))
    value["counts"] = {name: tuple(counts) for name, counts in value.get("counts", {}).items()}
    return Scored(**value)


def _same_label(got: str | None, row: Row) -> bool:
    """Whether it is the row's label; of several, the order does not count."""
    if got is None or len(row.labels) < 2:
        return got == row.label
    return set(labelled.split_labels(got)) == set(row.labels)


def _rouge(reference: str, text: str, *, language: str) -> float | None:
    tokenisation = language_tokenisation(language)
    if tokenisation is None or not overlap.tokens(reference, tokenisation):
        return None
    return round(overlap.rouge_l(reference, text, tokenisation=tokenisation).f1, 10)
