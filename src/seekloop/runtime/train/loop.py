"""The training loop: optimizer steps over a plan, with everything that makes a run safe to interrupt and to trust."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from seekloop.artifact.context import RunContext
from seekloop.model.codec import View
from seekloop.runtime.train.batching import StepPlan, labelled
from seekloop.runtime.train.interrupt import stop_requests
from seekloop.runtime.train.methods.method import Method, put_values, trainable
from seekloop.runtime.train.schedule import Shape, rate_at
from seekloop.runtime.train.sentinels import check_finite, check_moved, fingerprints
from seekloop.runtime.train.state import Best, State, Work
from seekloop.runtime.train.workers import Workers
from seekloop.system import seeds, settings
from seekloop.system.errors import TrainError
from seekloop.system.progress import Task

__all__ = ["LoopConfig", "train"]

_many = 2**28
"""Trained weights beyond which each worker's own copy of the gradients (1 GiB) would be too much."""


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """The numbers of a run; what they mean is said in `tune/spec.py`."""

    learning_rate: float
    schedule: Shape
    warmup: float
    weight_decay: float
    max_grad_norm: float
    tokens_per_batch: int
    """Padded tokens of one micro-batch: bounds memory, changes no result."""
    pad: int
    """Id to fill micro-batches with."""
    keep: Literal["last", "best"] = "last"
    save_every_steps: int | None = None
    save_every_s: float = 60.0
    sharing: bool = True
    """Compute prefixes that rows of a micro-batch share only once, where the method allows it."""


def train(
    model: nn.Module,
    method: Method,
    *,
    plan: StepPlan,
    config: LoopConfig,
    validation: Sequence[View],
    work: Work,
    ctx: RunContext,
) -> State:
    """Train `model` in place, going on from the newest checkpoint in `work` where there is one.

    Killed at any moment and called again with the same arguments, it ends with the same weights, bit for bit, as if it
    had not been killed (same machine, same number of threads).

    Args:
        model: in eval mode; its own dropout stays off.
        method: makes it trainable.
        plan: which rows make which step.
        config: the numbers.
        validation: views whose mean loss is taken at epoch ends; may be empty.
        work: where checkpoints go.
        ctx: clock, seed, progress and logger.

    Returns:
        The final state; the model holds the weights to keep.

    Raises:
        TrainError: a sentinel stopped the run, or SIGTERM did, its work being saved.
    """
    method.apply(model, seed=ctx.seed)
    count = _workers(model, method)
    threads = settings.threads() // count
    with contextlib.ExitStack() as stack:
        stack.enter_context(_threads(threads))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stopping = stack.enter_context(stop_requests())
        workers = stack.enter_context(
            Workers.open(
                model,
                count=count,
                threads=threads,
                budget=config.tokens_per_batch,
                pad=config.pad,
                sharing=config.sharing and not method.draws(),
            )
        )
        loop = _Loop(model, workers, plan=plan, config=config, work=work, ctx=ctx)
        loop.resume()
        with ctx.progress.task("train", total=plan.tokens(), done=loop.state.tokens) as task:
            while loop.state.step < plan.steps:
                loop.advance(validation, task=task)
                if stopping() and loop.state.step < plan.steps:
                    loop.save()
                    raise TrainError("train.stopped", step=loop.state.step, steps=plan.steps)
    if config.keep == "best" and loop.best_values:
        put_values(model, loop.best_values)
    return loop.state


class _Loop:
    def __init__(
        self, model: nn.Module, workers: Workers, *, plan: StepPlan, config: LoopConfig, work: Work, ctx: RunContext
    ) -> None:
        self.model, self.workers, self.plan, self.config = model, workers, plan, config
        self.work, self.ctx = work, ctx
        self.parameters = trainable(model)
        self.optimizer = torch.optim.AdamW(_groups(self.parameters, config.weight_decay), lr=0.0, fused=True)
        self.state = State()
        self.best_values: dict[str, Tensor] = {}
        self._loss = 0.0
        self._mark = self._saved_at = ctx.clock.monotonic()

    def resume(self) -> None:
        """Take up the newest good checkpoint; damaged ones are named in the log."""
        saved = self.work.newest()
        for folder in self.work.skipped:
            self.ctx.logger.warning("checkpoint %s is damaged and was skipped", folder)
        if saved is None:
            return
        self.state = saved.state
        self.state.earlier_s = saved.state.seconds
        put_values(self.model, saved.tensors["trainable"])
        _put_moments(self.optimizer, self.parameters, saved=saved.tensors["optimizer"])
        self.best_values = saved.tensors.get("best", {})
        self.ctx.logger.info("resumed after step %d of %d", self.state.step, self.plan.steps)

    def advance(self, validation: Sequence[View], *, task: Task) -> None:
        """Do one optimizer step, and what is due after it: validation, a checkpoint."""
        views = self.plan.views(self.state.step)
        before = fingerprints(self.parameters) if self.state.step == 0 else {}
        try:
            self._step(views)
        except TrainError:
            # The weights are still those of the step before.
            if self.state.step:
                self.save()
            raise
        if before:
            check_moved(before, self.parameters)
        self.optimizer.zero_grad(set_to_none=True)
        if self.state.step % self.plan.steps_per_epoch == 0 or self.state.step == self.plan.steps:
            self._validate(validation)
        now = self.ctx.clock.monotonic()
        self.state.seconds += now - self._mark
        self._mark = now
        task.advance(sum(len(view.ids) for view in views))
        every = self.config.save_every_steps
        due = now - self._saved_at >= self.config.save_every_s or (every and self.state.step % every == 0)
        if due and self.state.step < self.plan.steps:
            self.save()
        task.note(f"loss {self._loss:.3f}")

    def save(self) -> None:
        """Write a checkpoint."""
        tensors: dict[str, Mapping[str, Tensor]] = {
            "trainable": {name: value.detach() for name, value in self.parameters.items()},
            "optimizer": _moments(self.optimizer, self.parameters),
        }
        if self.best_values:
            tensors["best"] = self.best_values
        self.work.save(self.state, tensors)
        self._saved_at = self.ctx.clock.monotonic()

    def _step(self, views: Sequence[View]) -> None:
        step = self.state.step
        rate = rate_at(
            step,
            steps=self.plan.steps,
            peak=self.config.learning_rate,
            shape=self.config.schedule,
            warmup=self.config.warmup,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(seeds.derive(self.ctx.seed, "train", "dropout", step))
        # With several processes this is the one number to add up over them, and the gradients the one thing to sum.
        total = sum(labelled(view) for view in views)
        loss = self.workers.learn(
            views,
            list(self.parameters.values()),
            total=total,
            check=lambda value, batch: check_finite(value, what="loss", step=step, rows=batch.rows),
        )
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.config.max_grad_norm).item()
        check_finite(norm, what="gradient", step=step, rows=[view.row for view in views])
        self.optimizer.step()
        self._loss = loss
        self.state.step += 1
        self.state.tokens += sum(len(view.ids) for view in views)
        self.state.labelled += total
        self.state.history.append(
            {**self._place(), "loss": loss, "learning_rate": rate, "grad_norm": norm, "tokens": self.state.tokens}
        )

    def _validate(self, views: Sequence[View]) -> None:
        total = sum(labelled(view) for view in views)
        if not total:
            return
        loss = self.workers.score(views) / total
        self.state.history.append({**self._place(), "eval_loss": loss})
        if self.config.keep == "best" and (self.state.best is None or loss < self.state.best.loss):
            self.state.best = Best(step=self.state.step, loss=loss, labelled=self.state.labelled)
            self.best_values = {name: value.detach().clone() for name, value in self.parameters.items()}

    def _place(self) -> dict[str, float]:
        return {"step": self.state.step, "epoch": self.state.step / self.plan.steps_per_epoch}


def _workers(model: nn.Module, method: Method) -> int:
    """One for each thread; one in all where they would draw from one generator, or hold large gradients each."""
    trained = sum(value.numel() for value in trainable(model).values())
    return 1 if method.draws() or trained > _many else settings.threads()


def _groups(parameters: Mapping[str, nn.Parameter], decay: float) -> list[dict[str, object]]:
    """Decay matrices; leave norms and biases alone."""
    matrices = [value for value in parameters.values() if value.ndim > 1]
    vectors = [value for value in parameters.values() if value.ndim <= 1]
    groups = ({"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0})
    return [dict(group) for group in groups if group["params"]]


def _moments(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimizer's tensors under the parameters' names: `exp_avg:NAME`, `exp_avg_sq:NAME`, `step:NAME`."""
    return {f"{key}:{name}": part for name, value in parameters.items() for key, part in optimizer.state[value].items()}


def _put_moments(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], *, saved: Mapping[str, Tensor]
) -> None:
    for key, tensor in saved.items():
        kind, _, name = key.partition(":")
        optimizer.state[parameters[name]][kind] = tensor.clone()


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    earlier = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(earlier)
