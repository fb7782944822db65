"""What to measure a checkpoint on, and how its answers are generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.evaluate.ask_spec import AskSpec
from seekloop.evaluate.compare_spec import CompareSpec
from seekloop.evaluate.efficiency_spec import EfficiencySpec
from seekloop.evaluate.passes_spec import PassesSpec
from seekloop.evaluate.probes.spec import ProbesSpec
from seekloop.runtime.generate.engines import EngineChoice
from seekloop.system.spec import Spec

__all__ = ["EvaluateInputs", "EvaluateSpec"]


class EvaluateSpec(Spec):
    """Which rows are asked, and how answers are generated. Intervals are always two-sided 95 %."""

    split: Literal["test", "validation", "train"] = "test"
    """Split whose rows are asked."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many rows, chosen by a digest of their ids: the same ones whatever the seed; None: all."""
    engine: EngineChoice = "auto"
    """Backend that generates; auto takes the one that fits the checkpoint's form."""
    max_tokens: int = Field(default=128, ge=1, le=65_536)
    """Longest answer in tokens; a longer one is cut, and counts as one that did not end by itself."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Sampling temperature; 0 is greedy, and the only one that gives the same report again."""
    streams: int | None = Field(default=None, ge=1, le=512)
    """Answers generated side by side; None: as many as are fastest on this engine and fit the memory. It decides about
    speed, never about an answer."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the backend; None: as the settings say."""
    context: int = Field(default=2048, ge=64)
    """Room for prompt and answer, in tokens; a prompt that leaves too little of it is refused, never cut."""
    resamples: int = Field(default=2000, ge=100, le=100_000)
    """Bootstrap resamples of an interval."""
    ask: AskSpec = AskSpec()
    """What an answer may be, and the patience with an endpoint."""
    compare: CompareSpec = CompareSpec()
    """What decides whether the checkpoint is better than a baseline."""
    efficiency: EfficiencySpec = EfficiencySpec()
    """Goal for the first token, and prices."""
    passes: PassesSpec = PassesSpec()
    """Figures that cost further passes through a model: likelihood, calibration, nearness in meaning."""
    probes: ProbesSpec = ProbesSpec()
    """What is asked beside the rows: forgetting, safety, leaks."""


@dataclass(frozen=True, kw_only=True)
class EvaluateInputs:
    """A checkpoint, the dataset that holds its test rows, and reports to compare with on the same rows."""

    checkpoint: Checkpoint
    dataset: Dataset
    baseline: Report | None = None
    """The parent's: what a gate holds the checkpoint against."""
    others: tuple[Report, ...] = ()
    """Further ones, such as the untuned base's."""

    @property
    def baselines(self) -> tuple[Report, ...]:
        """The baseline and the others, each once."""
        first = () if self.baseline is None else (self.baseline,)
        return tuple({report.id: report for report in (*first, *self.others)}.values())
