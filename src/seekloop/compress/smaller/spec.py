"""Smaller models as specs: what is taken away, who teaches, how it is tuned, and how far it may be from its parent."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from seekloop.runtime.endpoint.spec import EndpointSpec
from seekloop.system.spec import Spec

__all__ = [
    "AllowSpec",
    "AnswersTeacher",
    "CheckpointTeacher",
    "DistilLoss",
    "DistilMethod",
    "EndpointTeacher",
    "HiddenLoss",
    "ParentTeacher",
    "PruneMethod",
    "StudentSpec",
    "TrainingSpec",
]

AnswersTeacher = Literal["rows", "teacher"]
Share = Annotated[float, Field(ge=0, lt=1)]
Rest = Annotated[float, Field(gt=0, le=1)]


class AllowSpec(Spec):
    """How far the smaller model may be from its parent; one that is further is refused."""

    kl: float = Field(default=1.0, gt=0)
    """Mean KL(parent, made) of a labelled token of calibration rows, in nats."""


class TrainingSpec(Spec):
    """Tuning of the smaller model, in the same loop as `tune`."""

    method: Literal["full", "lora"] = "full"
    """All weights, or a low-rank adapter that is folded in at the end."""
    rank: int = Field(default=16, ge=1)
    """Of the adapter."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the train rows."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after so many optimizer steps, whatever `epochs` says."""
    rows_per_step: int = Field(default=8, ge=1)
    """Rows that one optimizer step learns from."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak rate; None: the family's for this method."""
    tokens_per_batch: int = Field(default=1024, ge=1)
    """Padded tokens that go through the model at one time: bounds memory, changes no result."""
    save_every_steps: int | None = Field(default=None, ge=1)
    """Write a checkpoint every so many steps; None: by time only."""
    save_every_s: float = Field(default=60.0, ge=0)
    """Write a checkpoint at least every so many seconds, to resume from after a crash."""


class HiddenLoss(Spec):
    """States of the student that are drawn to the teacher's, which must be in this process."""

    weight: float = Field(default=1.0, gt=0)
    """Of their relative mean squared difference, beside the other terms."""


class DistilLoss(Spec):
    """What the student learns from its teacher at each labelled token."""

    divergence: Literal["forward", "reverse", "both"] = "forward"
    """KL(teacher, student), KL(student, teacher), or their mean."""
    temperature: float = Field(default=1.0, gt=0)
    """Logits of both are divided by it, and the divergence is multiplied by its square."""
    share: float = Field(default=0.5, ge=0, le=1)
    """Of the divergence; the rest is cross-entropy on the answer. 0: the answers alone (sequence-level)."""
    top_k: int = Field(default=32, ge=1)
    """Likeliest tokens of the teacher that are kept of each position; all others count as one."""
    hidden: HiddenLoss | None = None
    """Hidden states too; None: what the model says alone."""


class PruneMethod(Spec):
    """Heads, channels, layers or experts taken away by importance on calibration rows, then tuned again."""

    type: Literal["prune"] = "prune"
    heads: Share = 0.0
    """Share of the query heads, as many from each group of keys and values."""
    groups: Share = 0.0
    """Share of the groups, each with its query heads."""
    channels: Share = 0.0
    """Share of the feed-forward channels of dense blocks."""
    layers: Share = 0.0
    """Share of the layers, those that change their input least."""
    hidden: Share = 0.0
    """Share of the residual stream's width."""
    experts: Share = 0.0
    """Share of the routed experts of each layer, those that tokens are sent to least."""
    importance: Literal["taylor", "activation"] = "taylor"
    """Of heads, groups and channels: |weight x gradient|, or the size of what they put out."""
    rows: int = Field(default=64, ge=1)
    """Calibration rows that are looked at, at most."""
    recover: TrainingSpec | None = TrainingSpec()
    """Tuning on the train rows afterwards; null: none."""
    teacher_share: float = Field(default=0.5, ge=0, le=1)
    """While recovering: weight of what the parent says at each token, beside the answers of the rows."""
    allow: AllowSpec = AllowSpec()
    """How far the result may be from its parent."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any((self.heads, self.groups, self.channels, self.layers, self.hidden, self.experts)):
            raise ValueError("nothing is taken away: give heads, groups, channels, layers, hidden or experts")
        return self


class StudentSpec(Spec):
    """The student's shape: shares of its parent's, or a config.json of the same family."""

    depth: Rest = 0.5
    """Share of the layers."""
    width: Rest = 1.0
    """Share of the feed-forward channels."""
    heads: Rest = 1.0
    """Share of the query heads."""
    hidden: Rest = 1.0
    """Share of the residual stream's width."""
    layers: Literal["spaced", "influence"] = "spaced"
    """Which layers are copied: at even distances, first and last among them, or those that change their input most."""
    config: str | None = None
    """Path of a config.json with the shape, in place of the shares."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        shares = self.model_fields_set & {"depth", "width", "heads", "hidden"}
        if self.config is not None and shares:
            raise ValueError(f"the shape comes from the config, so {', '.join(sorted(shares))} cannot be given too")
        return self

    def _reads(self) -> tuple[str, ...]:
        return () if self.config is None else (self.config,)


class ParentTeacher(Spec):
    """The checkpoint that is compressed teaches its smaller self."""

    type: Literal["parent"] = "parent"


class CheckpointTeacher(Spec):
    """Another checkpoint of the store, mostly a larger one; with other tokens, its answers alone are learned."""

    type: Literal["checkpoint"] = "checkpoint"
    id: str = Field(pattern=r"^checkpoint:[0-9a-f]{64}$")
    """Its whole id."""


class EndpointTeacher(Spec):
    """A model behind an OpenAI-compatible endpoint: its answers, and its likeliest tokens where ours are the same."""

    type: Literal["endpoint"] = "endpoint"
    endpoint: EndpointSpec
    """Where it answers. With `temperature` 0 it answers alike each time."""
    logprobs: int = Field(default=20, ge=0, le=20)
    """Likeliest tokens that are asked for (`top_logprobs`); 0: answers alone."""


TeacherSpec = Annotated[ParentTeacher | CheckpointTeacher | EndpointTeacher, Field(discriminator="type")]


class DistilMethod(Spec):
    """A smaller student, copied from the checkpoint's layers, that learns to say what a teacher says."""

    type: Literal["distil"] = "distil"
    student: StudentSpec = StudentSpec()
    """Its shape."""
    teacher: TeacherSpec = ParentTeacher()
    """Who teaches."""
    loss: DistilLoss = DistilLoss()
    """What is learned."""
    answers: AnswersTeacher = "rows"
    """Whose answers are learned: the rows', or the teacher's. Rows that end with a question get the teacher's."""
    max_tokens: int = Field(default=64, ge=1)
    """Tokens of an answer of the teacher, at most."""
    training: TrainingSpec = TrainingSpec()
    """How."""
    importance: Literal["taylor", "activation"] = "taylor"
    """Of heads, groups and channels, where fewer are kept."""
    rows: int = Field(default=64, ge=1)
    """Calibration rows that are looked at for it, and for the bound, at most."""
    allow: AllowSpec = AllowSpec()
    """How far the student may be from its teacher."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """`teacher: parent` is short for `teacher: {type: parent}`."""
        if isinstance(value, dict) and isinstance(value.get("teacher"), str):
            return {**value, "teacher": {"type": value["teacher"]}}
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.loss.hidden is not None and isinstance(self.teacher, EndpointTeacher):
            raise ValueError("hidden states are learned from a teacher in this process, not from an endpoint")
        if isinstance(self.teacher, EndpointTeacher) and self.loss.temperature != 1:
            raise ValueError("an endpoint tells its likeliest tokens at temperature 1 only")
        return self
