"""What the tune stage is told: the method, how long, how fast, and what to do with rows that are too long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec
from seekloop.tune import zero_config
from seekloop.tune.aliases import rename
from seekloop.tune.method_spec import LoraMethod, MethodSpec
from seekloop.tune.objective_spec import ObjectiveSpec
from seekloop.tune.quantise_spec import QuantiseSpec
from seekloop.tune.run_specs import ComputeSpec, OptimizerStateSpec, TrackerName, ValidationSpec
from seekloop.tune.schedule_spec import ScheduleSpec

__all__ = ["TuneInputs", "TuneSpec"]


class TuneSpec(Spec):
    """One training run. The keys of Hugging Face, LLaMA-Factory, ms-swift and Axolotl are understood too."""

    method: MethodSpec = LoraMethod()
    """What is trained."""
    objective: ObjectiveSpec | None = Field(default=None)
    """What is minimised; None: what the rows ask for, where all are of one kind."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the train rows."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after so many optimizer steps, whatever `epochs` says."""
    rows_per_step: int = Field(default=8, ge=1)
    """Rows that one optimizer step learns from."""
    tokens_per_batch: int = Field(default=1024, ge=1)
    """Padded tokens that go through the model at one time: bounds memory, changes no result."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak rate; None: the family's for this method."""
    schedule: ScheduleSpec = ScheduleSpec()
    """Of the learning rate."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's; on matrices only."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm."""
    max_length: int | None = Field(default=None, ge=8)
    """Longest row in tokens; None: what the model was made for."""
    too_long: Literal["refuse", "drop", "left", "window", "window_answers"] = "refuse"
    """Rows longer than `max_length`: stop and say how many; leave them out; leave away the beginning of their context;
    train conversations in overlapping windows; the last even where one answer is longer than a window."""
    keep: Literal["last", "best"] = "last"
    """The weights at the end, or those with the best validation."""
    validation: ValidationSpec = ValidationSpec()
    """When and by what the validation rows are looked at, and when that ends the run."""
    compute: ComputeSpec = ComputeSpec()
    """Precision and memory."""
    optimizer: OptimizerStateSpec = OptimizerStateSpec()
    """Whether the optimizer's state is written, and taken from the parent."""
    quantise_for: QuantiseSpec | None = Field(default=None)
    """The storage format that weights are trained for: the forward pass takes them rounded to it; None: as they are."""
    report_to: tuple[TrackerName, ...] = ()
    """Who is told of each step and validation: in the project's folder `tracking/`, without a network."""
    save_every_steps: int | None = Field(default=None, ge=1)
    """Write a checkpoint every so many steps; None: by time only."""
    save_every_s: float = Field(default=60.0, ge=0)
    """Write a checkpoint at least every so many seconds, to resume from after a crash."""

    @model_validator(mode="before")
    @classmethod
    def _their_names(cls, value: Any) -> Any:
        """Take other trainers' keys for ours."""
        return rename(value, own=cls.model_fields) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """The rate ends below its peak, where both are given; the optimizer's state belongs to the weights."""
        if self.optimizer.save and self.keep == "best":
            raise UsageError("tune.moments_of_last")
        if self.optimizer.snapshots and (
            self.compute.sharding != "none"
            or self.compute.deepspeed is not None
            or not isinstance(self.method, LoraMethod)
        ):
            raise UsageError("tune.snapshots_of_lora", method=self.method.type)
        end = self.schedule.final_learning_rate
        if self.learning_rate is not None and end > self.learning_rate:
            raise UsageError("tune.rate_would_rise", end=end, peak=self.learning_rate)
        if self.quantise_for is not None:
            self.quantise_for.check(self.method, self.compute)
        if self.compute.deepspeed is not None:
            said = ("rows_per_step", "max_grad_norm", "learning_rate", "weight_decay")
            zero_config.check(self.compute.deepspeed, said=self.model_dump(include={*said}))
            if self.keep == "best":
                raise UsageError("tune.deepspeed_last")
        return self


@dataclass(frozen=True, kw_only=True)
class TuneInputs:
    """What is trained on what."""

    dataset: Dataset
    checkpoint: Checkpoint
    """A base, or an earlier result: an adapter is trained on, with its base."""
