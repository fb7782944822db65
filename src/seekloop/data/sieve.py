"""The noise filter of one dataset in the making: rules, marks, and the classifier, with what they learn beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from seekloop.artifact.context import Job
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row
from seekloop.data.judge.judging import HEAD, Judge, Judged, learn, reopen
from seekloop.data.judge.labels import examples
from seekloop.data.judge_spec import Classifier
from seekloop.data.noise import noise
from seekloop.data.relevance import Relevance
from seekloop.data.spec import FilterSpec
from seekloop.system import digests, seeds

__all__ = ["Sieve", "learns", "learnt"]


@dataclass(frozen=True, kw_only=True)
class Sieve:
    """What tells the rows to keep from noise: rules, and what was learnt. It can be sent to another process."""

    spec: FilterSpec
    relevance: Relevance | None = None
    """What the rule `irrelevant_reply` knows of the corpus."""
    judge: Judge | None = None

    def sift(self, row: Row, *, unusable: str | None) -> Row:
        """The row, with a reason where it is left out: its mark, a rule, `unusable`, the classifier, in this order."""
        mark = row.meta.get("noise")
        reason = "marked_noise" if mark is True else noise(row, self.spec, relevance=self.relevance) or unusable
        if reason is None and mark is None and self.judge is not None:
            score = self.judge.is_noise(row)
            if score is not None:
                meta = {**row.meta, "noise_score": round(score, 4)}
                return row.model_copy(update={"dropped": "noise_classifier", "meta": meta})
        return row.model_copy(update={"dropped": reason})


def learns(spec: FilterSpec) -> bool:
    """Whether the filter has to see the corpus before it can tell."""
    return spec.classifier is not None or "irrelevant_reply" in spec.rules


def learnt(
    spec: FilterSpec,
    rows: Callable[[], Iterable[Row]],
    *,
    clean: Callable[[Row], Row],
    ancestors: Iterable[Dataset],
    job: Job,
) -> Sieve:
    """A sieve that has learnt from the corpus what its rules and its classifier need.

    Args:
        spec: the filter.
        rows: gives the corpus, cleaned, as often as it is called.
        clean: what was done to them, for the rows of example files.
        ancestors: the datasets of the rounds before, the last one first.
        job: the dataset in the making; the head and its report are written there.

    Raises:
        DataError: the classifier has too little to learn from, or its checkpoint cannot be opened.
    """
    related = "irrelevant_reply" in spec.rules
    sieve = Sieve(spec=spec, relevance=_related(spec, rows, job=job) if related else None)
    if spec.classifier is None:
        return sieve
    judge = _reopened(spec.classifier, ancestors, job=job)
    judge = judge or _judge(spec.classifier, rows, clean=clean, sieve=sieve, job=job)
    judge.save(job.path)
    job.ctx.progress.say(_described(judge))
    return replace(sieve, judge=judge)


def _related(spec: FilterSpec, rows: Callable[[], Iterable[Row]], *, job: Job) -> Relevance:
    relevance = Relevance(share=spec.irrelevant_share)
    for row in rows():
        relevance.count(row)
    for row in rows():
        relevance.relate(row)
    relevance.settle()
    if not relevance.is_ready:
        job.ctx.progress.say(f"irrelevant_reply: off, {relevance.rows} answered rows are too few to tell")
    return relevance


def _reopened(spec: Classifier, ancestors: Iterable[Dataset], *, job: Job) -> Judge | None:
    for dataset in ancestors if spec.reuse else ():
        if HEAD in dataset.files:
            path = job.ctx.store.path(dataset.id, HEAD)
            judge = reopen(spec, path, root=job.ctx.root, dataset=dataset.id)
            if judge is not None:
                return judge
    return None


def _judge(
    spec: Classifier, rows: Callable[[], Iterable[Row]], *, clean: Callable[[Row], Row], sieve: Sieve, job: Job
) -> Judge:
    root, seed = job.ctx.root, seeds.derive(job.ctx.seed, "data", "judge")

    def given(paths: Iterable[str]) -> Iterator[Row]:
        return (clean(row) for path in paths for row in examples(path, root=root))

    def judged() -> Iterator[Judged]:
        for row in rows():
            mark = row.meta.get("noise")
            ruled = noise(row, sieve.spec, relevance=sieve.relevance) is not None
            yield Judged(row, mark if isinstance(mark, bool) else None, ruled)

    return learn(spec, judged(), noise=given(spec.noise), clean=given(spec.clean), root=root, seed=seed)


def _described(judge: Judge) -> str:
    """One line for people: what the classifier knows, and how well."""
    facts = judge.report
    if "reused_from" in facts:
        return f"noise classifier: the head of {digests.short(facts['reused_from'])}"
    if not facts["calibrated"]:
        return "noise classifier: no marked rows, so its probabilities are not calibrated"
    learnt = f"{facts['noise_rows']} noise and {facts['clean_rows']} clean rows ({facts['learnt_from']})"
    figures = f"precision {facts['precision']:.3f}, recall {facts['recall']:.3f}, calibration error {facts['ece']:.3f}"
    return f"noise classifier: learnt from {learnt}; at {facts['threshold']}: {figures}, each row judged unseen"
