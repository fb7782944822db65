"""The methods of tuning as specs, one class each; what each does is in `runtime/train/methods/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from seekloop.system.spec import Spec
from seekloop.tune.soft_spec import BottleneckMethod, LastLayersMethod, PrefixMethod, PromptMethod, PTuningMethod

__all__ = ["FullMethod", "LoraMethod", "MethodSpec", "PeftMethod"]

_mlp = ("gate_proj", "up_proj", "down_proj")
_rank_stabilised_alpha = 8.0
"""Gives rank 16 the factor that `standard` has at every rank; at others, learning neither dies away nor blows up."""


class LoraMethod(Spec):
    """A low-rank adapter on a frozen model: LoRA, and DoRA, rsLoRA, PiSSA, LoRA+ and QLoRA as settings of it."""

    type: Literal["lora"] = "lora"
    rank: int = Field(default=16, ge=1)
    """Columns of the low-rank product; an adapter that is trained on keeps its own."""
    alpha: float | None = Field(default=None, gt=0)
    """Strength of the adapter; None: twice the rank, and 8 where it is rank-stabilised."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the adapter's inputs dropped while training; 0 is also the fastest."""
    targets: tuple[str, ...] | None = None
    """Last part of the names of the layers to adapt; `mlp` and `attention` stand for the family's own; None: both."""
    scaling: Literal["standard", "rank_stabilised"] = "standard"
    """`standard`: alpha / rank; `rank_stabilised`: alpha / sqrt(rank)."""
    dora: bool = False
    """Whether the length of each output is trained apart from its direction."""
    init: Literal["kaiming", "gaussian", "pissa"] = "kaiming"
    """How it begins. `pissa`: as the principal part of each weight; it is saved as plain LoRA of twice the rank."""
    rate_ratio: float = Field(default=1.0, gt=0)
    """Learning rate of B over that of A; LoRA+ takes 16."""
    layers: tuple[int, ...] | None = None
    """Numbers of the decoder layers to adapt, from 0; None: all."""
    rank_pattern: dict[str, int] = Field(default_factory=dict)
    """Layer name, or how it ends -> its rank."""
    alpha_pattern: dict[str, float] = Field(default_factory=dict)
    """Layer name, or how it ends -> its alpha."""
    base: Literal["f32", "nf4", "int8"] = "f32"
    """How the frozen weights are held: `nf4` in 4.5 bits, `int8` in 8 (QLoRA). The adapter belongs to that base."""
    double_quantisation: bool = False
    """For `nf4`: the scales in 8 bits too, 4.1 bits a weight."""

    @field_validator("targets", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.init == "pissa" and self.base != "f32":
            raise ValueError("init pissa changes the base, which must then be held in f32")
        if self.double_quantisation and self.base != "nf4":
            raise ValueError("double_quantisation needs base nf4")
        return self

    @property
    def strength(self) -> float:
        """Alpha, whether it was given or not."""
        return self.alpha or (_rank_stabilised_alpha if self.scaling == "rank_stabilised" else 2.0 * self.rank)

    def adapted(self, family: Sequence[str]) -> tuple[str, ...]:
        """Names of the layers to adapt, in a family whose linear layers are called `family`."""
        groups = {
            "mlp": [name for name in family if name in _mlp],
            "attention": [name for name in family if name not in _mlp],
        }
        asked = family if self.targets is None else self.targets
        return tuple(dict.fromkeys(name for each in asked for name in groups.get(each, [each])))


class PeftMethod(Spec):
    """Any other adapter that PEFT knows, by its name there: its own layers in our loop."""

    type: Literal["peft"] = "peft"
    peft_type: str
    """PEFT's name: IA3, VERA, OFT, BOFT, FOURIERFT, MISS, LOHA, LOKR, HRA, LN_TUNING, …"""
    config: dict[str, Any] = Field(default_factory=dict)
    """Fields of its config in PEFT; `target_modules` is the family's linear layers unless given."""

    @field_validator("peft_type")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()


class FullMethod(Spec):
    """Every weight is trained, but those of routers of experts."""

    type: Literal["full"] = "full"


MethodSpec = Annotated[
    LoraMethod
    | FullMethod
    | PeftMethod
    | BottleneckMethod
    | PrefixMethod
    | PromptMethod
    | PTuningMethod
    | LastLayersMethod,
    Field(discriminator="type"),
]
