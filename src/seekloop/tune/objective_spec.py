"""What training minimises, as specs, one class each; what runs is in `runtime/train/objectives/`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = [
    "AnswersObjective",
    "ClassifyObjective",
    "DpoObjective",
    "KtoObjective",
    "ObjectiveSpec",
    "OrpoObjective",
    "TextObjective",
]


class AnswersObjective(Spec):
    """Learn the assistant's turns (SFT)."""

    type: Literal["answers"] = "answers"
    train_on_prompt: bool = False
    """Whether everything before an answer is trained too: the whole view, its first token aside."""
    mask_history: bool = False
    """Whether only a conversation's last trained turn is trained."""
    with_text: bool = False
    """Whether rows of plain text may stand among the answers, and are trained as `text` would."""
    stride: int | None = Field(default=None, ge=1)
    """As `text.stride`."""


class TextObjective(Spec):
    """Learn every token of plain text (continued pre-training)."""

    type: Literal["text"] = "text"
    stride: int | None = Field(default=None, ge=1)
    """Tokens that a window of long text trains; the rest of it is context. None: three quarters of a window."""


class DpoObjective(Spec):
    """Prefer the better of two answers, measured against the model as it was at the start."""

    type: Literal["dpo"] = "dpo"
    loss: Literal["sigmoid", "hinge", "ipo", "robust"] = "sigmoid"
    """`sigmoid` is DPO's; `robust` allows for a known share of swapped pairs."""
    beta: float = Field(default=0.1, gt=0)
    """How dear it is to move away from the start."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of pairs thought to be the wrong way round; for `sigmoid` and `robust`."""


class OrpoObjective(Spec):
    """Learn the better of two answers and prefer it, in one go and without a reference."""

    type: Literal["orpo"] = "orpo"
    beta: float = Field(default=0.1, gt=0)
    """Weight of the odds ratio (lambda in the paper)."""
    train_on_prompt: bool = False
    """Whether the prompt is learned with the better answer, as TRL does."""


class KtoObjective(Spec):
    """Learn from answers that were found good or bad one by one."""

    type: Literal["kto"] = "kto"
    beta: float = Field(default=0.1, gt=0)
    """How dear it is to move away from the start."""
    desirable_weight: float = Field(default=1.0, gt=0)
    """Of good answers."""
    undesirable_weight: float = Field(default=1.0, gt=0)
    """Of bad ones; with unequal numbers, weight times number should be about the same for both."""


class ClassifyObjective(Spec):
    """A linear head on the state of the prompt's last token gives a row's label, or labels, without writing text."""

    type: Literal["classify"] = "classify"
    problem: Literal["auto", "single_label", "multi_label"] = "auto"
    """One label a row, or any number; `auto`: several where a row has several."""


ObjectiveSpec = Annotated[
    AnswersObjective | TextObjective | DpoObjective | OrpoObjective | KtoObjective | ClassifyObjective,
    Field(discriminator="type"),
]
