"""Ask a checkpoint every row of a split, score the answers, compare them with a baseline's: a Report.

The report holds what the answers are, never how fast they came: with greedy decoding two identical runs give the same
report, byte for byte. First-token times, tokens per second, size and price are in its receipt, under `cost`. A run that
was killed goes on from the answers that it has, and ends with the report of a run that nobody disturbed.
"""

from __future__ import annotations

from seekloop.artifact.context import Job, RunContext
from seekloop.artifact.kinds import Report
from seekloop.evaluate import answered, asking, passes, probing, scoring
from seekloop.evaluate.answered import Answered
from seekloop.evaluate.asking import Asked
from seekloop.evaluate.baselines import Baselines
from seekloop.evaluate.page import writing as page
from seekloop.evaluate.parts import PARTS
from seekloop.evaluate.questions import questions
from seekloop.evaluate.seen import Seen
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.model.codec import Codec

__all__ = ["run"]


def run(spec: EvaluateSpec, inputs: EvaluateInputs, *, ctx: RunContext) -> Report:
    """Measure a checkpoint on one split.

    Raises:
        UsageError: `passes` asks for windows that would leave tokens out.
        DataError: the split is empty, a row has no answer or label, a prompt is too long, or the baseline answered
            none of these rows.
        EngineError: the backend did not start or stopped answering, or torch does not run what `passes` asks for.
        ArtifactError: a file of the inputs is missing, or the disk is full.
        ModelError: the checkpoint's codec is missing or damaged, or a probability is no number.
    """
    checkpoint, dataset = inputs.checkpoint, inputs.dataset
    passes.check_passes(spec, checkpoint, root=ctx.root)
    rows = questions(dataset, spec, store=ctx.store)
    codec = Codec.open(ctx.store.folder(checkpoint.id))
    baselines = Baselines.open(inputs, rows, store=ctx.store)
    kept = Answered(
        ctx.work / f"evaluate-{answered.key(spec, checkpoint=checkpoint, dataset=dataset, seed=ctx.seed)}",
        clock=ctx.clock,
    )
    with kept.locked(), ctx.job("evaluate", spec) as job:
        asked = asking.ask_all(rows, spec, inputs=inputs, codec=codec, kept=kept, ctx=ctx)
        report = _report(asked, baselines, codec=codec, spec=spec, inputs=inputs, job=job)
        job.earlier_s = kept.earlier_s
        final = job.commit(report, cost=asked.cost)
        kept.remove()
    return final


def _report(
    asked: Asked, baselines: Baselines, *, codec: Codec, spec: EvaluateSpec, inputs: EvaluateInputs, job: Job
) -> Report:
    """The report's files, and what it says of them."""
    seen = Seen(
        spec=spec,
        inputs=inputs,
        questions=asked.questions,
        answers=asked.answers,
        codec=codec,
        job=job,
        ctx=job.ctx,
        probed=asked.probed,
        probabilities=asked.probabilities,
        unanswered=asked.unanswered,
    )
    seen = passes.deepened(seen, asked.completions)
    scoring.write_answers(job.path("answers.jsonl"), seen.answers)
    report = Report(
        parents=_parents(inputs),
        made_by=job.origin,
        subject=inputs.checkpoint.id,
        dataset=inputs.dataset.id,
        split=spec.split,
        engine=asked.engine,
        figures=tuple(figure for part in PARTS for figure in part(seen)),
        comparisons=(*baselines.compare(seen), *probing.comparisons(seen)),
    )
    page.write(report, seen)
    return report


def _parents(inputs: EvaluateInputs) -> dict[str, str]:
    parents = {"checkpoint": inputs.checkpoint.id, "dataset": inputs.dataset.id}
    if inputs.baseline is not None:
        parents["baseline"] = inputs.baseline.id
    others = (report.id for report in inputs.baselines if report is not inputs.baseline)
    return parents | {f"baseline.{number}": other for number, other in enumerate(others, start=1)}
