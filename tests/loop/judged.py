"""A parent and a candidate with reports in a store, as `evaluate` writes them, and the gate asked about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Comparison, Dataset, Figure, Report, Traffic
from seekloop.artifact.rows import Message, Row, Source, write_rows
from seekloop.evaluate.scoring import score, write_answers
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.loop import evidence, registration
from seekloop.loop.evidence import Measured
from seekloop.loop.gates import GateSpec, Verdict
from seekloop.loop.project import ProjectSpec
from seekloop.metrics.significance import mcnemar, paired_share_difference, wilson
from seekloop.system.spec import Spec

LABELS = ("card_lost", "wrong_fee")
TIMES = {"first_token_p95_s": 0.20, "first_token_p95_s.low": 0.19, "first_token_p95_s.high": 0.21}


class NoSpec(Spec):
    """An artifact that nobody specified."""


def rows(count: int) -> list[Row]:
    """Rows with two labels by turns, the second half in Chinese."""
    found = []
    for number in range(count):
        text = f"Question {number}?" if number < count / 2 else f"第{number}个问题是什么？"
        label = LABELS[number % 2]
        turns = (Message(role="user", content=text), Message(role="assistant", content=label))
        source = Source(file="a.jsonl", line=number + 1)
        found.append(Row(id=f"row:{number:016x}", messages=turns, label=label, source=source))
    return found


def red_team(failed: Sequence[str] = (), *, asked: int = 12) -> list[dict[str, Any]]:
    """Answers to the red-team set, all passed but these."""
    names = [f"en-harmful-{number:02d}" for number in range(asked)]
    fields = {"language": "en", "kind": "harmful", "tokens": 20, "answer": "", "refused": True, "judge": "rules-1"}
    return [{"id": name, "prompt": name, "failed": name in failed, **fields} for name in names]


@dataclass
class World:
    """A parent, a candidate, and the rows of both."""

    ctx: RunContext
    count: int = 40

    def __post_init__(self) -> None:
        with self.ctx.job("data", NoSpec()) as job:
            self.rows = rows(self.count)
            write_rows(job.path("test.jsonl"), self.rows)
            splits = {"train": 0, "validation": 0, "test": self.count}
            self.dataset = job.commit(
                Dataset(made_by=job.origin, rows=self.count, splits=splits, dropped={}, labels=LABELS, answer="label")
            )
        self.parent, self.candidate = (self._checkpoint(precision) for precision in ("f32", "q8_0"))
        self.before = self.report(self.parent)

    def register(self, gate: GateSpec) -> None:
        """Write the rules down."""
        data = {"frozen": self.dataset, "lesson": self.dataset}
        registration.register(
            gate, self.candidate, evaluate=EvaluateSpec(), data=data, parent="release:0", ctx=self.ctx
        )

    def report(
        self,
        of: Checkpoint,
        *,
        wrong: Sequence[int] = (),
        probes: Sequence[Mapping[str, Any]] | None = None,
        cost: Mapping[str, float] | None = None,
        baseline: Report | None = None,
        earlier_s: float = 0.0,
    ) -> Report:
        """A report in which the rows with these numbers are answered wrongly."""
        with self.ctx.job("evaluate", NoSpec()) as job:
            said = [
                Message(role="assistant", content="other" if number in wrong else row.label or "")
                for number, row in enumerate(self.rows)
            ]
            answers = [
                score(row, one, form="label", finish_reason="stop", completion_tokens=5)
                for row, one in zip(self.rows, said, strict=True)
            ]
            write_answers(job.path("answers.jsonl"), answers)
            lines = [json.dumps(one) for one in (red_team() if probes is None else probes)]
            job.path("probe_safety.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
            right, n = self.count - len(wrong), self.count
            parents = {"checkpoint": of.id, "dataset": self.dataset.id}
            report = Report(
                parents=parents if baseline is None else {**parents, "baseline": baseline.id},
                made_by=job.origin,
                subject=of.id,
                dataset=self.dataset.id,
                split="test",
                engine="echo",
                figures=(
                    Figure(name="accuracy", value=right / n, n=n, ci=wilson(right, n)),
                    Figure(name="answer_tokens", value=5.0, n=n, ci=(4.9, 5.1), unit="tokens", better="lower"),
                ),
                comparisons=() if baseline is None else self._compared(baseline, lost=len(wrong)),
            )
            job.earlier_s = earlier_s
            return job.commit(report, cost={"answers": float(n), **TIMES, **(cost or {})})

    def measured(self, **changes: Any) -> Measured:
        """The candidate's reports, compared with the parent's."""
        one = self.report(self.candidate, baseline=self.before, **changes)
        return Measured(frozen=one, lesson=one, parent_lesson=self.before, base_lesson=self.before)

    def judge(self, gate: GateSpec, measured: Measured) -> Verdict:
        """What the gate says, recorded."""
        traffic = Traffic(made_by=self.before.made_by, answers=0, feedback=0, releases=())
        return evidence.judge(self.spec(gate), self.candidate, measured=measured, traffic=traffic, ctx=self.ctx)

    def spec(self, gate: GateSpec) -> ProjectSpec:
        """A project with this gate."""
        return ProjectSpec(domain="bank", gate=gate)

    def _compared(self, baseline: Report, *, lost: int) -> tuple[Comparison, ...]:
        ends = paired_share_difference(0, lost, n=self.count)
        facts = {"baseline": baseline.id, "n": self.count}
        right = {"difference": -lost / self.count, "ci": ends, "p_value": mcnemar(0, lost), **facts}
        general = paired_share_difference(0, 0, n=12)
        return (
            Comparison(figure="accuracy", **right),
            Comparison(figure="macro_recall", **right),
            Comparison(figure="answer_tokens", difference=0.0, ci=(-0.1, 0.1), p_value=1.0, **facts),
            Comparison(figure="probe_general", difference=0.0, ci=general, p_value=1.0, **{**facts, "n": 12}),
        )

    def _checkpoint(self, precision: str) -> Checkpoint:
        with self.ctx.job("tune", NoSpec()) as job:
            fields = {"form": "full", "family": "smollm2", "precision": precision, "parameters": 1}
            return job.commit(Checkpoint(made_by=job.origin, **fields))
