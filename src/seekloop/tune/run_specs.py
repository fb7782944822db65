"""Parts of the tune spec that say how a run is watched, computed and continued rather than what it learns."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec
from seekloop.tune.zero_config import read_config

__all__ = ["ComputeSpec", "OptimizerStateSpec", "TrackerName", "ValidationSpec"]

TrackerName = Literal["curves", "jsonl", "tensorboard", "mlflow", "wandb", "swanlab"]
"""What each does is in `tune/trackers/`."""


class ValidationSpec(Spec):
    """When the validation rows are looked at, by what, and when a run that no longer gets better ends."""

    every_steps: int | None = Field(default=None, ge=1)
    """Every so many optimizer steps, and at the end; None: at the end of each epoch."""
    metric: Literal["loss", "answers"] = "loss"
    """What `keep: best` and `patience` go by: mean loss, or the share of right answers, generated greedily."""
    answers: int = Field(default=64, ge=1)
    """Validation rows that are answered for the metric `answers`, drawn by the seed."""
    patience: int | None = Field(default=None, ge=1)
    """End after so many validations in a row that were no better than the best before them; None: never early."""
    min_delta: float = Field(default=0.0, ge=0)
    """Better by no more than this does not count as better for `patience`."""


class ComputeSpec(Spec):
    """How the machine computes; nothing here is meant to change what is learned."""

    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """Of the products of linear layers. `auto`: bf16 where this machine was measured to be faster with it."""
    checkpointing: Literal["auto", "on", "off"] = "auto"
    """Compute activations again in the backward pass: a third slower, less memory. `auto`: where it does not fit."""
    sharding: Literal["none", "fsdp"] = "none"
    """`fsdp`: processes of one run split weights, gradients and moments among them. `none`: each holds all."""
    deepspeed: dict[str, Any] | None = None
    """DeepSpeed's configuration, or the JSON file that holds it: processes of one run split a model as it says."""

    @field_validator("deepspeed", mode="before")
    @classmethod
    def _file(cls, value: object) -> object:
        """Take the file's content for its path: the spec says what is done, wherever it is read."""
        return read_config(value)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        """A model is split one way."""
        if self.sharding != "none" and self.deepspeed is not None:
            raise UsageError("tune.split_twice")
        return self


class OptimizerStateSpec(Spec):
    """What a checkpoint holds beside its weights only if asked to: the optimizer's memory, and earlier weights.

    `optimizer: parent` is short for `{save: true, take: true}`: go on with the parent's, and keep it for the next.
    """

    save: bool = False
    """Write it beside the weights, as `optimizer.safetensors`: twice the trained weights."""
    take: bool = False
    """Begin with the one that the parent checkpoint holds."""
    snapshots: bool = False
    """Write the adapter as it was after each epoch but the last, as `epoch-N.snapshot`: what `seekloop explain` adds
    up over. For LoRA that one process holds."""

    @model_validator(mode="before")
    @classmethod
    def _of_the_parent(cls, value: object) -> object:
        return {"save": True, "take": True} if value == "parent" else value
