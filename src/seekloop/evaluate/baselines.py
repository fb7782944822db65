"""The reports that a checkpoint is compared with while it is measured: base, parent, or any other, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seekloop.artifact.kinds import Comparison, Report
from seekloop.artifact.store import Store
from seekloop.evaluate import compare, verdict
from seekloop.evaluate.compare import Pair
from seekloop.evaluate.compare_spec import CompareSpec
from seekloop.evaluate.groups import groups_of
from seekloop.evaluate.questions import Question
from seekloop.evaluate.scoring import Scored, read_answers
from seekloop.evaluate.seen import Seen
from seekloop.evaluate.slice_compare import differing_slices
from seekloop.evaluate.spec import EvaluateInputs
from seekloop.evaluate.verdict import Measured, Verdict
from seekloop.system import seeds

__all__ = ["Baselines", "Compared", "judge", "judge_reports", "spec_of"]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A comparison with one baseline."""

    measured: tuple[Measured, ...]
    verdict: Verdict

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """As a report stores them."""
        return tuple(compare.comparison(one, baseline=self.verdict.baseline) for one in self.measured)


@dataclass(frozen=True)
class Baselines:
    """What other checkpoints answered to the rows that are asked, by the id of their report."""

    before: Mapping[str, Mapping[tuple[str, str], Scored]]

    @classmethod
    def open(cls, inputs: EvaluateInputs, asked: Sequence[Question], *, store: Store) -> Baselines:
        """Read them before anything is generated.

        Raises:
            DataError: one of them answered none of these rows.
        """
        keys = [question.key for question in asked]
        reports = dict.fromkeys(report.id for report in inputs.baselines)
        answers = {one: read_answers(store.path(one, "answers.jsonl")) for one in reports}
        return cls({one: compare.shared_answers(keys, before, baseline=one) for one, before in answers.items()})

    def compare(self, seen: Seen) -> tuple[Comparison, ...]:
        """Compare the answers with each baseline's, and write the verdicts to the report's folder."""
        groups = groups_of(question.row for question in seen.questions)
        found = [
            judge(
                [(one, before[one.key]) for one in seen.answers if one.key in before],
                spec=seen.spec.compare,
                baseline=baseline,
                groups=groups,
                seed=seen.ctx.seed,
                resamples=seen.spec.resamples,
            )
            for baseline, before in self.before.items()
        ]
        if found:
            verdict.write(seen.job.path(verdict.FILE), [one.verdict for one in found])
        return tuple(comparison for one in found for comparison in one.comparisons)


def judge(
    pairs: Sequence[Pair], *, spec: CompareSpec, baseline: str, groups: Mapping[str, str], seed: int, resamples: int
) -> Compared:
    """Measure the difference of two models' answers, and decide.

    Args:
        pairs: the subject's and the baseline's answer to each row; at least one.
        spec: the declared figures and margins.
        baseline: id of the baseline's report.
        groups: row id -> name of its group.
        seed: the run's.
        resamples: of bootstrap and tests.
    """
    measured = compare.measure(pairs, seed=seed, resamples=resamples, groups=groups)
    slices, looked = differing_slices(
        pairs, groups=groups, resamples=resamples, seed=seeds.derive(seed, "evaluate", "slices")
    )
    decided = verdict.decide(spec, measured, baseline=baseline, slices=slices, slices_seen=looked)
    return Compared(measured=tuple(measured), verdict=decided)


def judge_reports(subject: Report, baseline: Report, *, store: Store, seed: int) -> Compared:
    """Two reports that are there, by what the subject's spec declared.

    Raises:
        DataError: they share no row.
        ArtifactError: a file of theirs is not in the store.
    """
    pairs, groups = compare.paired(subject, baseline, store=store)
    resamples = int(subject.made_by.spec.get("resamples", 2000))
    return judge(pairs, spec=spec_of(subject), baseline=baseline.id, groups=groups, seed=seed, resamples=resamples)


def spec_of(report: Report) -> CompareSpec:
    """What was declared when the report was made; the defaults for reports of before there was anything to declare."""
    return CompareSpec.parse(report.made_by.spec.get("compare", {}))
