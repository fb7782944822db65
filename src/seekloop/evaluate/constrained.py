"""Answers that can only be labels: each label's exact probability as the whole answer, and the likeliest one.

The probability of a label is that of its ids and of the end of the answer after them, divided by the sum over all
labels. It is what calibration is measured on: no sampling, no text to read a number out of.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message
from seekloop.evaluate import scoring
from seekloop.evaluate.answered import Answered
from seekloop.evaluate.questions import Question
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.likelihood import Fork
from seekloop.runtime.generate.open import open_scorer
from seekloop.system import digests
from seekloop.system.errors import DataError

__all__ = ["ask", "choices", "read", "read_probabilities", "shares", "write_probabilities"]

_digits = 8

Choices = Mapping[str, tuple[int, ...]]
"""Label -> the ids of the answer that holds it, its end included."""


def choices(dataset: Dataset, *, codec: Codec) -> Choices:
    """The answers that may be given.

    Raises:
        DataError: answers of the dataset are not whole labels.
    """
    if dataset.answer != "label" or not dataset.labels:
        raise DataError("evaluate.labels_not_whole", dataset=digests.short(dataset.id), answer=dataset.answer)
    return {label: codec.answer_ids(Message(role="assistant", content=label)) for label in dataset.labels}


def ask(
    requests: Sequence[Prompt],
    labels: Choices,
    *,
    spec: EvaluateSpec,
    checkpoint: Checkpoint,
    kept: Answered,
    ctx: RunContext,
) -> tuple[str, list[list[float]]]:
    """The engine's name, and each prompt's log-probabilities in the order of the labels.

    Raises:
        EngineError: the engine did not start, stopped answering, or tells no log-probabilities.
    """
    ways = tuple(labels.values())
    names = [digests.of_json([request.ids, ways]) for request in requests]
    found: dict[str, list[float]] = {name: answer["logprobs"] for name, answer in kept.found.items()}
    left = {name: Fork(request.ids, ways) for name, request in zip(names, requests, strict=True) if name not in found}
    order, total = list(left), len(set(names))
    with (
        open_scorer(
            checkpoint, store=ctx.store, engine=spec.engine, threads=spec.threads, context=spec.context
        ) as scorer,
        ctx.progress.task("evaluate", total=total, done=total - len(order)) as bar,
    ):
        for index, likelihoods in scorer.score(list(left.values())):
            found[order[index]] = [each.logprob for each in likelihoods]
            kept.add(order[index], {"logprobs": found[order[index]]})
            bar.advance()
        return scorer.name, [found[name] for name in names]


def shares(logprobs: Sequence[float], labels: Choices) -> dict[str, float]:
    """Label -> its share of the probability of all labels."""
    top = max(logprobs)
    weights = [math.exp(one - top) for one in logprobs]
    return {label: round(weight / sum(weights), _digits) for label, weight in zip(labels, weights, strict=True)}


def read(probabilities: Mapping[str, float], question: Question, *, labels: Choices, dataset: Dataset) -> Scored:
    """The likeliest label as a scored answer; of labels that are equally likely, the first."""
    label = max(probabilities, key=lambda name: probabilities[name])
    said = Message(role="assistant", content=label)
    tokens = len(labels[label]) - 1
    return scoring.score(question.row, said, form=dataset.answer, finish_reason="stop", completion_tokens=tokens)


def write_probabilities(path: Path, probabilities: Mapping[str, Mapping[str, float]]) -> None:
    """A line a row: `{"row": …, "probabilities": {label: share}}`."""
    with path.open("w", encoding="utf-8") as file:
        for row, each in probabilities.items():
            file.write(json.dumps({"row": row, "probabilities": dict(each)}, ensure_ascii=False) + "\n")


def read_probabilities(path: Path) -> dict[str, dict[str, float]]:
    """Row id -> label -> share, of a report whose answers were constrained."""
    with path.open(encoding="utf-8") as file:
        return {value["row"]: value["probabilities"] for value in map(json.loads, file)}
