"""The smaller model in the shared loop: resumed after a kill, the same bytes as if there had been none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.compress.smaller.spec import TrainingSpec
from seekloop.model.arithmetic import parameters
from seekloop.model.codec import Codec, View
from seekloop.model.memory import CHUNK, Load, peak, total
from seekloop.model.trained import everything, low_rank
from seekloop.runtime.train import choices
from seekloop.runtime.train.batching import StepPlan
from seekloop.runtime.train.loop import LoopConfig, train
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.methods.lora import Lora, LoraConfig
from seekloop.runtime.train.methods.lora_layers import LoraLinear
from seekloop.runtime.train.objectives.distil import Distil
from seekloop.runtime.train.state import State
from seekloop.runtime.train.state import Work as LoopWork
from seekloop.system.errors import ModelError

__all__ = ["Lesson", "check_memory", "taught"]

_warmup = 0.1
_usable = 0.9
"""Share of the memory that a run may need by the arithmetic."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a model is trained on."""

    train: list[list[View]]
    """The views of each row."""
    validation: Sequence[View]
    objective: Distil


def taught(
    model: nn.Module, lesson: Lesson, *, spec: TrainingSpec, codec: Codec, key: str, ctx: RunContext
) -> tuple[nn.Module, State]:
    """The model, trained in place and whole: an adapter is folded in. And how far the run came.

    Args:
        model: plain, in eval mode.
        lesson: the rows and what is minimised.
        spec: how.
        codec: of the model.
        key: everything that decides what the run does, as part of a file name.
        ctx: clock, seed, progress and logger.

    Raises:
        TrainError: training stopped being right, or was told to stop with its work saved.
    """
    rates = codec.card.learning_rates
    method: Full | Lora
    if spec.method == "full":
        method, usual = Full(), rates.full
    else:
        config = LoraConfig(rank=spec.rank, alpha=2 * spec.rank, targets=codec.card.lora_targets)
        method, usual = Lora(config=config, base=""), rates.lora
    work = LoopWork(ctx.work / f"compress-{key}")
    with work.locked():
        state = train(
            model,
            method,
            plan=StepPlan(
                rows=lesson.train,
                rows_per_step=spec.rows_per_step,
                epochs=spec.epochs,
                max_steps=spec.max_steps,
                seed=ctx.seed,
            ),
            config=LoopConfig(
                learning_rate=spec.learning_rate or usual,
                objective=lesson.objective,
                schedule="cosine",
                warmup=_warmup,
                weight_decay=0.0,
                max_grad_norm=1.0,
                tokens_per_batch=spec.tokens_per_batch,
                pad=codec.pad_id,
                save_every_steps=spec.save_every_steps,
                save_every_s=spec.save_every_s,
                save_last=True,
            ),
            validation=lesson.validation,
            work=work,
            ctx=ctx,
        )
    _fold(model)
    return model.eval().requires_grad_(False), state


def check_memory(model: nn.Module, spec: TrainingSpec | None) -> None:
    """Say before the work that it does not fit; an architecture whose arithmetic is not known is let through.

    Args:
        model: the larger one, in memory beside the smaller one, whose size its own bounds.
        spec: how it is trained; None: it is only looked at, with a gradient for each weight.

    Raises:
        ModelError: by the plan's arithmetic more memory is needed than this process may have.
    """
    told = model.config.to_dict()
    tokens = spec.tokens_per_batch if spec else CHUNK
    try:
        whole = everything(told)
        small = spec is not None and spec.method == "lora"
        trained = low_rank(told, lambda _: spec.rank if spec else 0) if small else whole
        load = Load(trained=trained, tokens=tokens, labelled=CHUNK)
        needed = total(peak(told, load)) + 4 * parameters(told)
    except ModelError:
        return
    room = choices.memory_bytes()
    if needed > room * _usable:
        raise ModelError("compress.recovery_memory", needed=f"{needed / 2**30:.1f}", room=f"{room / 2**30:.1f}")


@torch.no_grad()
def _fold(model: nn.Module) -> None:
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoraLinear):
            layer.frozen.weight.add_(layer.lora_B @ layer.lora_A, alpha=layer.factor)
            parent, _, leaf = name.rpartition(".")
            model.get_submodule(parent).register_module(leaf, layer.frozen)
