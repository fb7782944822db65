"""A model that DeepSpeed splits (ZeRO 1 to 3) for those who have a configuration for it; the loop stays ours.

DeepSpeed owns gradients, clipping and the optimizer step; what a step is, its rate, and what is written stay as they
are. Weights and moments are put together tensor by tensor for a checkpoint, so that any number of processes, with or
without DeepSpeed, reads it.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from seekloop.runtime.train.held import Cut, Prints, Trained
from seekloop.runtime.train.methods.method import trainable
from seekloop.runtime.train.ranks import Ranks
from seekloop.runtime.train.sentinels import fingerprints
from seekloop.runtime.train.sharding import MakeOptimizer, Root, lost_is_a_sentence
from seekloop.runtime.train.validating import evaluating
from seekloop.system import lazy
from seekloop.system.errors import TrainError

__all__ = ["Zero"]

Result = TypeVar("Result")
_moments = ("exp_avg", "exp_avg_sq")


class Zero:
    """The processes' shares of a model, by DeepSpeed. Every method is called by all processes in the same order.

    Args:
        ranks: at least two processes.
        config: DeepSpeed's, with nothing left to be filled in.
    """

    cut: Cut | None = None
    """Checkpoints hold whole tensors, and each process takes its part of them."""

    def __init__(self, ranks: Ranks, config: Mapping[str, Any]) -> None:
        self.ranks, self.config = ranks, dict(config)
        self.parameters: dict[str, nn.Parameter] = {}
        # What it says of itself does not belong where results are printed.
        with contextlib.redirect_stdout(sys.stderr):
            self._deepspeed = lazy.need("deepspeed", extra="deepspeed")
        self._engine: Any = None
        self.spoilt = False
        """Whether the weights are no numbers any more."""

    def split(self, model: nn.Module, optimizer: MakeOptimizer) -> Trained:
        """Split `model` in place; what is trained of it is asked of this same object."""
        self.parameters = trainable(model)
        with contextlib.redirect_stdout(sys.stderr), lost_is_a_sentence(self.ranks):
            self._engine, *_ = self._deepspeed.initialize(
                model=Root(model),
                optimizer=optimizer(self.parameters),
                model_parameters=list(self.parameters.values()),
                config=self.config,
                dist_init_required=False,
            )
        return self

    def rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]

    def run(self, work: Callable[[nn.Module], Result]) -> Result:
        """What `work` makes of the model.

        Raises:
            TrainError: another process is gone.
        """
        with lost_is_a_sentence(self.ranks):
            result: Result = self._engine(work)
        return result

    def look(self, work: Callable[[nn.Module], Result]) -> Result:
        """`run` without gradients and without dropout."""
        with torch.no_grad(), evaluating(self._engine.module):
            return self.run(work)

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add the gradients of `loss`; `last`: of this step."""
        self._engine.set_gradient_accumulation_boundary(last)
        with lost_is_a_sentence(self.ranks):
            # DeepSpeed takes the mean over processes, and losses are divided by the whole step already.
            self._engine.backward(loss * self.ranks.count, scale_wrt_gas=False)

    def step(self, limit: float, check: Callable[[float], None]) -> float:
        """Do the optimizer step, which clips by the configuration; returns the norm before.

        Raises:
            TrainError: `check` did not like the norm. The step is done by then: `spoilt`.
        """
        with lost_is_a_sentence(self.ranks):
            self._engine.step()
        norm = float(self._engine.get_global_grad_norm())
        self.spoilt = not math.isfinite(norm) or norm < 0
        check(math.nan if self.spoilt else norm)
        return norm

    def prints(self) -> Prints:
        """Two sums of each parameter, in the first process."""
        return fingerprints(self.values())

    def moved(self, before: Prints) -> None:
        """Whether anything moved; which parameters take part in the loss only DeepSpeed knows."""
        if self.prints() == before and self.ranks.first:
            raise TrainError("train.not_moving", total=len(before))

    def forget(self) -> None:
        """DeepSpeed did."""

    def values(self) -> dict[str, Tensor]:
        """The trained weights, whole; in the first process only."""
        from_ = self._deepspeed.utils.safe_get_full_fp32_param
        return self._whole({name: partial(from_, value) for name, value in self.parameters.items()})

    def moments(self) -> dict[str, Tensor]:
        """As `moments.moments`, in the first process only."""
        of = self._deepspeed.utils.safe_get_full_optimizer_state
        found = self._whole(
            {f"{kind}:{name}": partial(of, value, kind) for name, value in self.parameters.items() for kind in _moments}
        )
        step = next(
            float(state["step"]) for state in self._engine.optimizer.optimizer.state.values() if "step" in state
        )
        if self.ranks.first:
            found |= {f"step:{name}": torch.tensor(step) for name in self.parameters}
        return found

    def put(self, values: Mapping[str, Tensor]) -> None:
        """Take up trained weights, whole in every process."""
        for name, value in self.parameters.items():
            self._deepspeed.utils.safe_set_full_fp32_param(value, values[name])

    def put_moments(self, saved: Mapping[str, Tensor]) -> None:
        """Take up the optimizer's state, whole in every process; none: as it begins."""
        if saved:
            self._make_room()
        for key, tensor in saved.items():
            kind, _, name = key.partition(":")
            if kind == "step":
                for state in self._engine.optimizer.optimizer.state.values():
                    state["step"] = tensor.clone()
            else:
                self._deepspeed.utils.safe_set_full_optimizer_state(self.parameters[name], tensor, kind)

    def gather(self, into: Mapping[str, Tensor] | None) -> None:
        """Put the trained weights, one at a time, into those of `into`, which the first process gives."""
        for name, value in self.parameters.items():
            whole = self._deepspeed.utils.safe_get_full_fp32_param(value)
            if into is not None:
                into[name].data.copy_(whole)

    def _make_room(self) -> None:
        """Do a step at the rate 0 with gradients of 0: only then are there moments to set, and what was put is used."""
        self.rate(0.0)
        nothing = self.run(lambda model: model(input_ids=torch.zeros(1, 2, dtype=torch.int64)).logits.sum() * 0.0)
        self.backward(nothing, last=True)
        with lost_is_a_sentence(self.ranks):
            self._engine.step()

    def _whole(self, parts: Mapping[str, Callable[[], Tensor]]) -> dict[str, Tensor]:
        with lost_is_a_sentence(self.ranks):
            found = ((name, part()) for name, part in parts.items())
            return {name: whole.detach().cpu().clone() for name, whole in found if self.ranks.first}
