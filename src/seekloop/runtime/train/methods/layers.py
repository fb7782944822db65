"""Training of the last layers, or of the head alone: what is below them is frozen, and computed once for each row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.linear import Linear
from seekloop.runtime.train.methods.method import freeze, is_router
from seekloop.runtime.train.trunk import Storage, TrunkDecoder
from seekloop.runtime.weights import save_model
from seekloop.system.errors import ModelError

__all__ = ["LastLayers"]


@dataclass(frozen=True, kw_only=True)
class LastLayers:
    """The method. The checkpoint is a whole model, so that everything which reads models reads it."""

    last: int
    """Decoder layers that are trained, with the norm behind them. 0: none but that norm."""
    head: bool = False
    """Train the output head too; one that is also the embedding becomes a copy of its own."""
    storage: Storage = "fp32"
    """How the states of the frozen layers are kept; `fp32` is exact."""
    memory_mb: int = 1024
    """Beyond it they are kept in a file in the run's work folder."""
    form: Form = "full"

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Freeze the rest; routers of experts stay as they are. Nothing is random.

        Raises:
            ModelError: the model has fewer layers.
        """
        freeze(model)
        decoder = model.get_decoder()
        if isinstance(decoder, TrunkDecoder):
            raise ValueError("the method was applied before")
        count = len(decoder.layers)
        if self.last > count:
            raise ModelError("train.fewer_layers", asked=self.last, count=count)
        for part in (*decoder.layers[count - self.last :], decoder.norm):
            for name, value in part.named_parameters():
                value.requires_grad_(not is_router(name))
        if self.head:
            _untie(model)
            model.get_output_embeddings().weight.requires_grad_(True)
        trunk = TrunkDecoder(decoder, first=count - self.last, storage=self.storage, memory_mb=self.memory_mb)
        model.register_module(_name_of(model, decoder), trunk)

    def draws(self) -> bool:
        """Never."""
        return False

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write config and weights of the whole model; returns how many weights they hold."""
        trunk = model.get_decoder()
        if isinstance(trunk, TrunkDecoder):
            model.register_module(_name_of(model, trunk), trunk.frozen)
        save_model(model, folder)
        return sum(value.numel() for value in model.parameters())


def _untie(model: nn.Module) -> None:
    """Give the model a head that is not its embedding."""
    head = model.get_output_embeddings()
    if head.weight is not model.get_input_embeddings().weight:
        return
    own = Linear.like(head)
    own.weight = nn.Parameter(head.weight.detach().clone())
    model.set_output_embeddings(own)
    model.config.tie_word_embeddings = False


def _name_of(model: nn.Module, decoder: nn.Module) -> str:
    (name,) = (name for name, part in model.named_children() if part is decoder)
    return name
