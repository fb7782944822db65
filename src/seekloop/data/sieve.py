"""The noise filter of one dataset in the making: rules, marks, and the classifier, with what they learn beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

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

__all__ = ["Sieve"]


class Sieve:
    """What tells the rows to keep from noise.

    Args:
        spec: the filter.
        job: the dataset in the making; the head and its report are written there.
    """

    def __init__(self, spec: FilterSpec, *, job: Job) -> None:
        self._spec = spec
        self._job = job
        self._relevance: Relevance | None = None
        self._judge: Judge | None = None

    def learn(
        self, rows: Callable[[], Iterable[Row]], *, clean: Callable[[Row], Row], ancestors: Iterable[Dataset]
    ) -> None:
        """Learn from the corpus what the rules and the classifier need, if they are asked for.

        Args:
            rows: gives the corpus, cleaned, as often as it is called.
            clean: what was done to them, for the rows of example files.
            ancestors: the datasets of the rounds before, the last one first.

        Raises:
            DataError: the classifier has too little to learn from, or its checkpoint cannot be opened.
        """
        if "irrelevant_reply" in self._spec.rules:
            self._relevance = self._related(rows)
        if self._spec.classifier is not None:
            self._judge = self._reopened(self._spec.classifier, ancestors)
            self._judge = self._judge or self._learnt(self._spec.classifier, rows, clean=clean)
            self._judge.save(self._job.path)
            self._job.ctx.progress.say(_described(self._judge))

    def sift(self, row: Row, *, unusable: str | None) -> Row:
        """The row, with a reason where it is left out: its mark, a rule, `unusable`, the classifier, in this order."""
        mark = row.meta.get("noise")
        reason = "marked_noise" if mark is True else noise(row, self._spec, relevance=self._relevance) or unusable
        if reason is None and mark is None and self._judge is not None:
            score = self._judge.is_noise(row)
            if score is not None:
                meta = {**row.meta, "noise_score": round(score, 4)}
                return row.model_copy(update={"dropped": "noise_classifier", "meta": meta})
        return row.model_copy(update={"dropped": reason})

    def _related(self, rows: Callable[[], Iterable[Row]]) -> Relevance:
        relevance = Relevance(association=self._spec.association)
        for row in rows():
            relevance.count(row)
        for row in rows():
            relevance.relate(row)
        if not relevance.is_ready:
            self._job.ctx.progress.say(f"irrelevant_reply: off, {relevance.rows} answered rows are too few to tell")
        return relevance

    def _reopened(self, spec: Classifier, ancestors: Iterable[Dataset]) -> Judge | None:
        root = self._job.ctx.root
        for dataset in ancestors if spec.reuse else ():
            if HEAD in dataset.files:
                judge = reopen(spec, self._job.ctx.store.path(dataset.id, HEAD), root=root, dataset=dataset.id)
                if judge is not None:
                    return judge
        return None

    def _learnt(self, spec: Classifier, rows: Callable[[], Iterable[Row]], *, clean: Callable[[Row], Row]) -> Judge:
        root, seed = self._job.ctx.root, seeds.derive(self._job.ctx.seed, "data", "judge")

        def given(paths: Iterable[str]) -> Iterator[Row]:
            return (clean(row) for path in paths for row in examples(path, root=root))

        def judged() -> Iterator[Judged]:
            for row in rows():
                mark = row.meta.get("noise")
                ruled = noise(row, self._spec, relevance=self._relevance) is not None
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
