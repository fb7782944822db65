"""Values of rows that cost further passes through a model: likelihood, the model's own label's probability, meaning.

They are added to the scored answers before those are written, so that two reports can be compared on them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.evaluate.questions import Question
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.seen import Seen
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.metrics.likelihood import windows
from seekloop.model.codec import Codec, View
from seekloop.runtime.endpoint.served import FORM
from seekloop.runtime.generate.backend import Completion
from seekloop.system import digests, lazy
from seekloop.system.errors import DataError, EngineError, ModelError, UsageError
from seekloop.text.labelled import AnswerForm

__all__ = ["answer_views", "check_passes", "deepened", "label_view"]

_ignored = -100


def deepened(seen: Seen, completions: Sequence[Completion]) -> Seen:
    """What is seen, with the values that the spec's `passes` asks for.

    Raises:
        EngineError: a classifier is asked for likelihoods.
        ModelError: a probability is no number.
        DataError: the folder of an encoder is none.
        MissingPackage: torch is not installed.
    """
    passes = seen.spec.passes
    answers = [_chosen(one, seen.probabilities) for one in seen.answers]
    if not (passes.likelihood or passes.calibration or passes.similarity):
        return dataclasses.replace(seen, answers=answers)
    if passes.likelihood or passes.calibration:
        answers = _probable(answers, seen, completions=completions)
    if passes.similarity is not None:
        similarity = lazy.need("seekloop.evaluate.similarity", extra="train")
        name, values = similarity.similarities(answers, seen)
        answers = [_with(one, scores={name: values[at]} if at in values else {}) for at, one in enumerate(answers)]
    return dataclasses.replace(seen, answers=answers)


def check_passes(spec: EvaluateSpec, checkpoint: Checkpoint, *, root: Path) -> None:
    """Refuse what cannot be measured, before anything is generated; relative folders are taken from `root`.

    Raises:
        UsageError: windows would leave tokens out.
        DataError: the folder of an encoder is none.
        EngineError: torch does not run this form.
    """
    passes = spec.passes
    if passes.stride is not None and passes.stride > spec.context:
        raise UsageError("evaluate.stride_too_long", stride=passes.stride, context=spec.context)
    torch_runs = checkpoint.form in ("full", "adapter", "compressed-tensors", "bitsandbytes")
    if (passes.likelihood or passes.calibration or passes.similarity) and not torch_runs:
        raise EngineError("evaluate.passes_need_weights", id=digests.short(checkpoint.id), form=checkpoint.form)
    if passes.groups is not None and passes.groups.path is None and checkpoint.form == FORM:
        raise EngineError("evaluate.passes_need_weights", id=digests.short(checkpoint.id), form=checkpoint.form)
    for path in (one.path for one in (passes.similarity, passes.groups) if one is not None and one.path is not None):
        if not all((root / path / name).is_file() for name in ("config.json", "model.safetensors")):
            raise DataError("evaluate.no_encoder", path=path, problem="no config.json and model.safetensors in it")


def answer_views(
    question: Question, *, codec: Codec, row: str, context: int, stride: int
) -> tuple[list[View], int, int]:
    """A row as windows in which every token of its right answer is labelled once; the answer's tokens and bytes.

    Args:
        question: a row.
        codec: of the checkpoint.
        row: what the views are called.
        context: longest window, in tokens.
        stride: tokens from one window to the next.
    """
    answer = codec.answer_ids(question.answer)
    prompt = codec.prompt_ids(question.asked, tools=question.row.tools)
    ids = prompt + answer
    views = []
    for window in windows(len(ids), context=context, stride=stride):
        first = max(window.scored, len(prompt))
        if first < window.end:
            labels = (_ignored,) * (first - window.begin) + ids[first : window.end]
            views.append(View(row=row, turn=window.begin, ids=ids[window.begin : window.end], labels=labels))
    return views, len(answer), len(codec.decode(answer[:-1]).encode())


def label_view(question: Question, completion: Completion, *, codec: Codec, row: str, form: AnswerForm) -> View | None:
    """The prompt and what the model answered, labelled where the answer's label stands; None: it gave none.

    A label that is all of the answer includes the answer's end, a label on the first line the end of that line, so that
    `card` is not more probable than `card_lost`.
    """
    stream, content, begin, end = codec.stream(), "", None, None
    for place, id_ in enumerate(completion.ids):
        content += stream.push(id_).content
        if begin is None and content.strip():
            begin = place
        if end is None and form == "label_then_text" and "\n" in content.lstrip():
            end = place + 1
    if begin is None:
        return None
    # Blanks are held back until it is known what follows them, so the line may have ended a few tokens ago.
    while end is not None and "\n" in codec.decode(completion.ids[begin : end - 1]).lstrip():
        end -= 1
    prompt = codec.prompt_ids(question.asked, tools=question.row.tools)
    ids = prompt + completion.ids
    if end is None and completion.finish_reason == "stop":
        ids = (*ids, codec.eos_id)
    stop = len(ids) if end is None else len(prompt) + end
    labels = (_ignored,) * (len(prompt) + begin) + ids[len(prompt) + begin : stop]
    return View(row=row, turn=0, ids=ids[:stop], labels=labels)


def _probable(answers: Sequence[Scored], seen: Seen, *, completions: Sequence[Completion]) -> list[Scored]:
    """What the checkpoint itself thinks of the right answers, and of its own."""
    asked, torch_side = seen.spec.passes, lazy.need("seekloop.evaluate.likelihood", extra="train")
    made, labels = list(answers), seen.inputs.dataset.answer != "text" and not seen.probabilities
    if asked.calibration and seen.inputs.dataset.answer == "text":
        seen.ctx.progress.say("calibration: left out, as answers of this dataset hold no label")
    chosen = torch_side.class_probabilities(seen) if asked.calibration and labels else None
    if chosen is not None:
        logs = {str(at): math.log(value) if value > 0 else math.nan for at, value in enumerate(chosen)}
        made = _with_probabilities(made, _sums(logs, answers))
    if asked.likelihood or (asked.calibration and labels and chosen is None):
        scorer = torch_side.open_scorer(seen)
        if asked.likelihood:
            made = _likelihood(made, seen, scorer=scorer)
        if asked.calibration and labels:
            made = _calibration(made, seen, completions=completions, scorer=scorer)
    return made


def _likelihood(answers: Sequence[Scored], seen: Seen, *, scorer: Any) -> list[Scored]:
    """Counts of perplexity, by the family whose tokens they are, and of bits per byte."""
    context = seen.spec.context
    stride = seen.spec.passes.stride or context // 2
    views: list[View] = []
    sizes: list[tuple[int, int]] = []
    for at, question in enumerate(seen.questions):
        found, tokens, size = answer_views(question, codec=seen.codec, row=str(at), context=context, stride=stride)
        views += found
        sizes.append((tokens, size))
    sums = _sums(scorer(views), answers)
    name, made = f"perplexity_token_{seen.inputs.checkpoint.family}", []
    for at, (one, (tokens, size)) in enumerate(zip(answers, sizes, strict=True)):
        lost = -sums[str(at)]
        made.append(_with(one, counts={name: (lost, tokens), "bits_per_byte": (lost, size)}))
    return made


def _calibration(
    answers: Sequence[Scored], seen: Seen, *, completions: Sequence[Completion], scorer: Any
) -> list[Scored]:
    """The probability of each answer's label, where it has one."""
    form = seen.inputs.dataset.answer
    views = [
        label_view(question, completion, codec=seen.codec, row=str(at), form=form)
        for at, (question, completion) in enumerate(zip(seen.questions, completions, strict=True))
    ]
    return _with_probabilities(answers, _sums(scorer([view for view in views if view is not None]), answers))


def _chosen(one: Scored, probabilities: Mapping[str, Mapping[str, float]]) -> Scored:
    """With the probability of its label, where the label was chosen among all."""
    if one.row not in probabilities or one.got_label is None:
        return one
    return _with(one, scores={"label_probability": round(probabilities[one.row][one.got_label], 6)})


def _with_probabilities(answers: Sequence[Scored], sums: Mapping[str, float]) -> list[Scored]:
    return [
        _with(one, scores={"label_probability": round(min(1.0, math.exp(sums[str(at)])), 6)} if str(at) in sums else {})
        for at, one in enumerate(answers)
    ]


def _sums(found: Mapping[str, float], answers: Sequence[Scored]) -> dict[str, float]:
    """Log-probabilities in six digits, all of them numbers."""
    for at, value in found.items():
        if not math.isfinite(value):
            raise ModelError("evaluate.not_a_number", row=answers[int(at)].row)
    return {at: round(value, 6) for at, value in found.items()}


def _with(
    one: Scored, *, scores: Mapping[str, float] | None = None, counts: Mapping[str, tuple[float, ...]] | None = None
) -> Scored:
    return dataclasses.replace(one, scores={**one.scores, **(scores or {})}, counts={**one.counts, **(counts or {})})
