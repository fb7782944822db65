"""Specs of the methods that add something small to a frozen model, or train only its end."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["BottleneckMethod", "LastLayersMethod", "PTuningMethod", "PrefixMethod", "PromptMethod", "VirtualMethod"]


class BottleneckMethod(Spec):
    """Adapter layers: a small network behind the sublayers of a frozen model (Houlsby et al. 2019)."""

    type: Literal["bottleneck"] = "bottleneck"
    width: int = Field(default=64, ge=1)
    """Of the bottleneck; adapter layers that are trained on keep their own."""
    placement: Literal["houlsby", "pfeiffer"] = "houlsby"
    """`houlsby`: behind attention and behind the MLP; `pfeiffer`: behind the MLP only, half the weights."""
    activation: Literal["gelu", "relu", "silu"] = "gelu"
    """Between its two layers."""


class VirtualMethod(Spec):
    """What the methods with virtual tokens share."""

    tokens: int = Field(default=64, ge=1)
    """Virtual tokens before every conversation; they take as much of the context."""
    init: Literal["answers", "rows", "vocabulary"] = "answers"
    """Real tokens that they begin as: those of the system message and the different answers of the train rows, of
    whole rows with different answers, or random ones. Answers learn fastest where there are few."""
    text: str | None = None
    """Begin as the tokens of this text instead, over again if it is short."""


class PrefixMethod(VirtualMethod):
    """Prefix tuning: trained keys and values in every layer (Li and Liang 2021)."""

    type: Literal["prefix"] = "prefix"


class PromptMethod(VirtualMethod):
    """Prompt tuning: trained embeddings before every conversation (Lester et al. 2021)."""

    type: Literal["prompt"] = "prompt"


class PTuningMethod(VirtualMethod):
    """P-tuning: embeddings before every conversation that come out of a trained encoder (Liu et al. 2021)."""

    type: Literal["p_tuning"] = "p_tuning"
    encoder: Literal["mlp", "lstm"] = "mlp"
    """It is gone after training: only what comes out of it is kept."""
    hidden: int = Field(default=256, ge=1)
    """Width inside the encoder."""


class LastLayersMethod(Spec):
    """The last layers of a model are trained; what the frozen ones compute is kept from the first epoch on."""

    type: Literal["last_layers"] = "last_layers"
    last: int = Field(default=4, ge=0)
    """Layers that are trained, with the norm behind them. 0 with `head`: the head alone."""
    head: bool = False
    """Train the output head too. One that is also the embedding becomes a copy, and the model as much larger."""
    storage: Literal["fp32", "bf16"] = "fp32"
    """Of what is kept: `fp32` is exact; `bf16` is half as large, with an error that is said."""
    memory_mb: int = Field(default=1024, ge=0)
    """Beyond it the states are kept in a file in the run's work folder."""
