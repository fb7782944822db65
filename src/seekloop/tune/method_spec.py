"""The methods of tuning as specs, one class each; what each does is in `runtime/train/methods/`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["FullMethod", "LoraMethod", "MethodSpec"]


class LoraMethod(Spec):
    """A low-rank adapter on a frozen model (LoRA)."""

    type: Literal["lora"] = "lora"
    rank: int = Field(default=16, ge=1)
    """Columns of the low-rank product; an adapter that is trained on keeps its own."""
    alpha: float | None = Field(default=None, gt=0)
    """Strength of the adapter; None: twice the rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the adapter's inputs dropped while training; 0 is also the fastest."""
    targets: tuple[str, ...] | None = None
    """Last part of the names of the layers to adapt; None: all linear layers but the head and the expert router."""
    scaling: Literal["standard", "rank_stabilised"] = "standard"
    """`standard`: alpha / rank; `rank_stabilised`: alpha / sqrt(rank)."""


class FullMethod(Spec):
    """Every weight is trained."""

    type: Literal["full"] = "full"


MethodSpec = Annotated[LoraMethod | FullMethod, Field(discriminator="type")]
