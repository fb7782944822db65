"""Ask a checkpoint every row of a split, score the answers, compare them with a baseline's: a Report.

The report holds what the answers are, never how fast they came: with greedy decoding two identical runs give the same
report, byte for byte. First-token times and tokens per second are in its receipt, under `cost`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Comparison, Report
from seekloop.artifact.rows import Message
from seekloop.evaluate import compare, scoring
from seekloop.evaluate.parts import PARTS
from seekloop.evaluate.questions import Question, prompts, questions
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.seen import Seen
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.metrics import latency
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Backend, Completion, Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.system import seeds
from seekloop.text.labelled import AnswerForm

__all__ = ["ask", "read", "run"]


def run(spec: EvaluateSpec, inputs: EvaluateInputs, *, ctx: RunContext) -> Report:
    """Measure a checkpoint on one split.

    Raises:
        DataError: the split is empty, a row has no answer or label, a prompt is too long, or the baseline answered
            none of these rows.
        EngineError: the backend did not start or stopped answering.
        ArtifactError: a file of the inputs is missing, or the disk is full.
        ModelError: the checkpoint's codec is missing or damaged.
    """
    checkpoint, dataset = inputs.checkpoint, inputs.dataset
    asked = questions(dataset, spec, store=ctx.store)
    codec = Codec.open(ctx.store.folder(checkpoint.id))
    requests = prompts(asked, spec, codec=codec, seed=seeds.derive(ctx.seed, "evaluate", "sampling"))
    before = _answered_before(inputs, asked, ctx=ctx)
    with ctx.job("evaluate", spec) as job:
        with open_backend(
            checkpoint,
            store=ctx.store,
            engine=spec.engine,
            threads=spec.threads,
            streams=spec.streams,
            context=spec.context,
        ) as backend:
            engine, started = backend.name, ctx.clock.monotonic()
            completions = ask(backend, requests, ctx=ctx)
            seconds = ctx.clock.monotonic() - started
        answers = read(completions, asked, codec=codec, form=dataset.answer)
        scoring.write_answers(job.path("answers.jsonl"), answers)
        seen = Seen(spec=spec, inputs=inputs, questions=asked, answers=answers, codec=codec, job=job, ctx=ctx)
        report = Report(
            parents=_parents(inputs),
            made_by=job.origin,
            subject=checkpoint.id,
            dataset=dataset.id,
            split=spec.split,
            engine=engine,
            figures=tuple(figure for part in PARTS for figure in part(seen)),
            comparisons=_comparisons(answers, before, inputs=inputs, resamples=spec.resamples, seed=ctx.seed),
        )
        return job.commit(report, cost=_cost(requests, completions, seconds=seconds))


def ask(backend: Backend, requests: Sequence[Prompt], *, ctx: RunContext) -> list[Completion]:
    """The backend's answer to each prompt, in the order of the prompts, with a bar that counts them as they end."""
    answers: dict[int, Completion] = {}
    with ctx.progress.task("evaluate", total=len(requests)) as bar:
        for index, completion in backend.generate(requests):
            answers[index] = completion
            bar.advance()
    return [answers[index] for index in range(len(requests))]


def read(
    completions: Sequence[Completion], asked: Sequence[Question], *, codec: Codec, form: AnswerForm
) -> list[Scored]:
    """Completions as scored answers, in the order of the questions."""
    answers: list[Scored] = []
    for completion, question in zip(completions, asked, strict=True):
        parsed = codec.parse(completion.ids)
        answers.append(
            scoring.score(
                question.row,
                Message(role="assistant", content=parsed.content, tool_calls=parsed.tool_calls),
                form=form,
                finish_reason=completion.finish_reason,
                completion_tokens=len(completion.ids),
            )
        )
    return answers


def _answered_before(
    inputs: EvaluateInputs, asked: Sequence[Question], *, ctx: RunContext
) -> dict[tuple[str, str], Scored]:
    """The baseline's answers to these rows; checked before anything is generated."""
    if inputs.baseline is None:
        return {}
    before = scoring.read_answers(ctx.store.path(inputs.baseline.id, "answers.jsonl"))
    return compare.shared_answers([question.key for question in asked], before, baseline=inputs.baseline.id)


def _comparisons(
    answers: Sequence[Scored],
    before: Mapping[tuple[str, str], Scored],
    *,
    inputs: EvaluateInputs,
    resamples: int,
    seed: int,
) -> tuple[Comparison, ...]:
    if inputs.baseline is None:
        return ()
    pairs = [(one, before[one.key]) for one in answers if one.key in before]
    return tuple(compare.compare_answers(pairs, baseline=inputs.baseline.id, seed=seed, resamples=resamples))


def _parents(inputs: EvaluateInputs) -> dict[str, str]:
    parents = {"checkpoint": inputs.checkpoint.id, "dataset": inputs.dataset.id}
    return parents if inputs.baseline is None else {**parents, "baseline": inputs.baseline.id}


def _cost(requests: Sequence[Prompt], completions: Sequence[Completion], *, seconds: float) -> dict[str, float]:
    """What it took: tokens, and how fast they came. First-token times include waiting for a free stream."""
    first = [completion.first_token_s for completion in completions]
    tokens = sum(len(completion.ids) for completion in completions)
    return {
        "prompt_tokens": float(sum(len(request.ids) for request in requests)),
        "tokens": float(tokens),
        "first_token_p50_s": round(latency.percentile(first, 0.5), 4),
        "first_token_p95_s": round(latency.percentile(first, 0.95), 4),
        "tokens_per_s": round(latency.per_second(tokens, seconds), 2),
    }
