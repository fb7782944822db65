"""The training loop: optimizer steps over a plan, with everything that makes a run safe to interrupt and to trust."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from seekloop.artifact.context import RunContext
from seekloop.model.arithmetic import ALONE
from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch, StepPlan, labelled
from seekloop.runtime.train.choices import Need, settle
from seekloop.runtime.train.curves import sparkline
from seekloop.runtime.train.held import Held, Trained
from seekloop.runtime.train.interrupt import asking, stop_requests
from seekloop.runtime.train.methods.method import Method, trainable
from seekloop.runtime.train.moments import optimizer_over
from seekloop.runtime.train.objectives.next_token import NextToken
from seekloop.runtime.train.objectives.objective import Objective
from seekloop.runtime.train.observers import Observer
from seekloop.runtime.train.precision import halve
from seekloop.runtime.train.ranks import Ranks
from seekloop.runtime.train.recompute import recompute
from seekloop.runtime.train.schedule import Shape, rate_at
from seekloop.runtime.train.sentinels import check_finite
from seekloop.runtime.train.sharding import InStep, Split
from seekloop.runtime.train.state import Best, State, Work
from seekloop.runtime.train.trunk import keep_trunk
from seekloop.runtime.train.validating import Validation, is_over, rank_of
from seekloop.runtime.train.workers import Learner, Workers
from seekloop.system import seeds, settings
from seekloop.system.errors import TrainError
from seekloop.system.progress import Task

__all__ = ["LoopConfig", "train"]

_drawn = 12
"""Losses in the progress line."""


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
    warmup_steps: int | None = None
    final_learning_rate: float = 0.0
    keep: Literal["last", "best"] = "last"
    validation: Validation = field(default_factory=Validation)
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    checkpointing: Literal["auto", "on", "off"] = "off"
    """Compute activations again in the backward pass; prefixes are not shared then."""
    save_every_steps: int | None = None
    save_every_s: float = 60.0
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    """Last part of a parameter's name -> what its learning rate is multiplied by (LoRA+)."""
    save_last: bool = False
    """Leave a checkpoint of the last step in the work folder, moments and all."""
    observers: Sequence[Observer] = ()
    sharing: bool = True
    """Compute prefixes that rows of a micro-batch share only once, where the method allows it."""
    objective: Objective = field(default_factory=NextToken)
    """What is minimised."""


def train(
    model: nn.Module,
    method: Method,
    *,
    plan: StepPlan,
    config: LoopConfig,
    validation: Sequence[View],
    work: Work,
    ctx: RunContext,
    ranks: Ranks | Split | None = None,
) -> State:
    """Train `model` in place, going on from the newest checkpoint in `work` where there is one.

    Killed at any moment and called again with the same arguments, it ends with the same weights, bit for bit, as if it
    had not been killed (same machine, same number of threads).

    Args:
        model: in eval mode; its own dropout stays off.
        method: makes it trainable.
        plan: which rows make which step.
        config: the numbers.
        validation: views whose mean loss is taken; may be empty.
        work: where checkpoints go.
        ctx: clock, seed, progress and logger.
        ranks: the processes that train together, each of which calls this with the same arguments, or how the model is
            split over them; None: alone.

    Returns:
        The final state; the model, or what it is split by, holds the weights to keep.

    Raises:
        TrainError: a sentinel stopped the run, or SIGTERM or Ctrl-C did, its work being saved.
        ModelError: the method or checkpointing does not fit the model.
    """
    ranks = ranks or Ranks()
    split = None if isinstance(ranks, Ranks) else ranks
    ranks = ranks if isinstance(ranks, Ranks) else ranks.ranks
    method.apply(model, seed=ctx.seed)
    config.objective.attach(model, seed=ctx.seed)
    count = 1 if split else ranks.smallest(_workers(model, method))
    with ranks.in_turn():
        choices = settle(
            precision=config.precision,
            checkpointing=config.checkpointing,
            need=_need(model, plan, config=config, workers=count),
            kept=work.folder / "choices.json",
            progress=ctx.progress,
        )
    if choices.precision == "bf16":
        halve(model, keep=method.form != "adapter")
    if choices.checkpointing:
        recompute(model)

    def optimizer(parameters: Mapping[str, nn.Parameter]) -> torch.optim.Optimizer:
        return optimizer_over(parameters, decay=config.weight_decay, rate_factors=config.rate_factors)

    if split:
        held = split.split(model, optimizer)
    else:
        whole = trainable(model)
        held = Held(whole, optimizer(whole))
    threads = settings.threads() // count
    with contextlib.ExitStack() as stack:
        stack.enter_context(_threads(threads))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(
            keep_trunk(
                model,
                plan=plan,
                validation=validation,
                workers=(count, threads),
                budget=config.tokens_per_batch,
                pad=config.pad,
                folder=work.folder,
                ctx=ctx,
            )
        )
        stopping = stack.enter_context(stop_requests())
        learner: Learner
        if split:
            learner = InStep(split, config.objective, budget=config.tokens_per_batch, pad=config.pad)
        else:
            learner = stack.enter_context(
                Workers.open(
                    model,
                    config.objective,
                    count=count,
                    threads=threads,
                    budget=config.tokens_per_batch,
                    pad=config.pad,
                    sharing=config.sharing and not choices.checkpointing and not method.draws(),
                    ranks=ranks,
                )
            )
        loop = _Loop(learner, held, plan=plan, config=config, work=work, ctx=ctx, ranks=ranks)
        loop.stopping = stopping
        learner.look = loop.look
        stack.enter_context(asking(model, learner.agreed if isinstance(learner, InStep) else loop.look))
        loop.run(validation)
    if config.keep == "best" and loop.best_values:
        held.put(loop.best_values)
    loop.state.choices = asdict(choices)
    return loop.state


class _Loop:
    def __init__(
        self,
        learner: Learner,
        held: Trained,
        *,
        plan: StepPlan,
        config: LoopConfig,
        work: Work,
        ctx: RunContext,
        ranks: Ranks,
    ) -> None:
        self.learner, self.held, self.plan, self.config = learner, held, plan, config
        self.work, self.ctx, self.ranks = work, ctx, ranks
        self.state = State()
        self.best_values: dict[str, Tensor] = {}
        self.stopping: Callable[[], bool] = lambda: False
        self.split = isinstance(learner, InStep)
        """Whether all processes have to come together for a checkpoint."""
        self._over = False
        self._saved = (0, 0)
        self._mark = self._saved_at = ctx.clock.monotonic()

    def run(self, validation: Sequence[View]) -> None:
        """All steps that are left."""
        self.resume()
        for observer in self.config.observers:
            observer.begin(self.state, steps=self.plan.steps)
        if self._validation_is_due() and self.state.history and "loss" in self.state.history[-1]:
            # The run was stopped in the middle of it.
            self._validate(validation)
        with self.ctx.progress.task("train", total=self.plan.tokens(), done=self.state.tokens) as task:
            while not self.over:
                self.advance(validation, task=task)
                if not self.over:
                    self._stop_if_told()
        if self.config.save_last:
            self.save()
        for observer in self.config.observers:
            observer.end(self.state)

    @property
    def over(self) -> bool:
        """All steps are done, or further ones would not help."""
        return self._over or self.state.step >= self.plan.steps

    def resume(self) -> None:
        """Take up the newest good checkpoint; damaged ones are named in the log."""
        saved = self.work.newest(self.held.cut)
        for folder in self.work.skipped:
            self.ctx.logger.warning("checkpoint %s is damaged and was skipped", folder)
        if saved is None:
            cut = self.held.cut or (lambda whole: whole)
            self.held.put_moments({name: cut(value) for name, value in self.work.moments.items()})
            return
        self.state = saved.state
        self.state.earlier_s = saved.state.seconds
        self.held.put(saved.tensors["trainable"])
        self.held.put_moments(saved.tensors["optimizer"])
        self.best_values = saved.tensors.get("best", {})
        self._over = is_over(self.state.history, self.config.validation)
        self._saved = (self.state.step, len(self.state.history))
        self.ctx.logger.info("resumed after step %d of %d", self.state.step, self.plan.steps)

    def advance(self, validation: Sequence[View], *, task: Task) -> None:
        """Do one optimizer step, and what is due after it: validation, a checkpoint."""
        views = self.plan.views(self.state.step)
        before = self.held.prints() if self.state.step == 0 else None
        with self._saving_what_is_done():
            self._step(views)
        if before is not None:
            with self.ranks.together():
                self.held.moved(before)
        self.held.forget()
        if self._validation_is_due():
            with self._saving_what_is_done():
                self._validate(validation)
        epoch, over = divmod(self.state.step, self.plan.steps_per_epoch)
        if self.work.keeps_epochs and not over and not self.over and self.ranks.first:
            self.work.snapshot(epoch, self.held.values())
        now = self.ctx.clock.monotonic()
        tokens = sum(len(view.ids) for view in views)
        self.state.seconds += now - self._mark
        self.state.speeds.append(tokens / max(now - self._mark, 1e-9))
        self._mark = now
        task.advance(tokens)
        every = self.config.save_every_steps
        due = now - self._saved_at >= self.config.save_every_s or bool(every and self.state.step % every == 0)
        # Where all processes write, all go by the first one's clock.
        if (bool(self.ranks.of_first(due)) if self.split else due) and not self.over:
            self.save()
        task.note(self._line())

    def save(self) -> None:
        """Write a checkpoint, where this process has something that is to be written."""
        written = (self.state.step, len(self.state.history))
        if written == self._saved or not (self.split or self.ranks.first):
            return
        tensors: dict[str, Mapping[str, Tensor]] = {"trainable": self.held.values(), "optimizer": self.held.moments()}
        if self.best_values:
            tensors["best"] = self.best_values
        if self.held.cut is not None:
            self.work.save(self.state, tensors, ranks=self.ranks)
        elif self.ranks.first:
            self.work.save(self.state, tensors)
        self._saved, self._saved_at = written, self.ctx.clock.monotonic()

    @contextlib.contextmanager
    def _saving_what_is_done(self) -> Iterator[None]:
        """A step that fails or is stopped leaves the weights of the step before: they are written before it is said."""
        try:
            yield
        except TrainError as error:
            # What a lost process held of the weights is lost with it; DeepSpeed looks at gradients after its step.
            lost = error.code == "train.rank_lost" or (error.code == "train.not_finite" and self.held.cut is None)
            if self.state.step and not (self.split and lost):
                self.save()
            raise

    def _stop_if_told(self) -> None:
        with self._saving_what_is_done():
            told = self.ranks.any(self.stopping())
        if told:
            if self.state.step:
                self.save()
            raise self._stopped()

    def _stopped(self) -> TrainError:
        return TrainError("train.stopped", step=self.state.step, steps=self.plan.steps)

    def look(self) -> None:
        """Asked in the middle of a step or validation, by any worker."""
        if self.stopping():
            raise self._stopped()

    def _step(self, views: Sequence[View]) -> None:
        step = self.state.step
        rate = rate_at(
            step,
            steps=self.plan.steps,
            peak=self.config.learning_rate,
            shape=self.config.schedule,
            warmup=self.config.warmup,
            warmup_steps=self.config.warmup_steps,
            floor=self.config.final_learning_rate,
        )
        self.held.rate(rate)
        # What is drawn for one row is not what is drawn for another: processes draw apart, the first as if alone.
        apart = (self.ranks.rank,) if self.ranks.rank else ()
        torch.manual_seed(seeds.derive(self.ctx.seed, "train", "dropout", step, *apart))
        with self.ranks.together():
            whole = self.learner.whole(views)

        def check(value: float, batch: Batch) -> None:
            check_finite(value, what="loss", step=step, rows=batch.rows)
            self.look()

        def check_norm(norm: float) -> None:
            check_finite(norm, what="gradient", step=step, rows=[view.row for view in views])

        outcome = self.learner.learn(views, list(self.held.parameters.values()), whole=whole, check=check)
        norm = self.held.step(self.config.max_grad_norm, check_norm)
        self.state.step += 1
        self.state.tokens += sum(len(view.ids) for view in views)
        self.state.labelled += sum(labelled(view) for view in views)
        entry = {"loss": outcome.loss, "learning_rate": rate, "grad_norm": norm, "tokens": self.state.tokens}
        self._record({**entry, **outcome.figures})

    def _validation_is_due(self) -> bool:
        every = self.config.validation.every_steps or self.plan.steps_per_epoch
        return self.state.step > 0 and (self.state.step % every == 0 or self.state.step == self.plan.steps)

    def _validate(self, views: Sequence[View]) -> None:
        if not views:
            return
        outcome = self.learner.measure(views)
        entry = {"eval_loss": outcome.loss, **{f"eval_{name}": value for name, value in outcome.figures.items()}}
        if self.config.validation.answers is not None:
            entry["eval_answers"] = self.learner.ask(self.config.validation.answers)
        self._record(entry)
        best, metric = self.state.best, self.config.validation.metric
        earlier = {"eval_loss": best.loss, "eval_answers": best.answers or 0.0} if best else None
        if earlier is None or rank_of(entry, metric) < rank_of(earlier, metric):
            self.state.best = Best(
                step=self.state.step,
                loss=entry["eval_loss"],
                labelled=self.state.labelled,
                answers=entry.get("eval_answers"),
            )
            if self.config.keep == "best":
                self.best_values = {name: value.clone() for name, value in self.held.values().items()}
        self._over = is_over(self.state.history, self.config.validation)

    def _record(self, entry: Mapping[str, float]) -> None:
        whole = {**self._place(), **entry}
        self.state.history.append(whole)
        for observer in self.config.observers:
            observer.entry(whole)

    def _line(self) -> str:
        losses = [entry["loss"] for entry in self.state.history[-2 * _drawn :] if "loss" in entry]
        best = self.state.best
        looked_at = f", validation {best.loss:.3f} at best" if best else ""
        return f"loss {losses[-1]:.3f} {sparkline(losses[-_drawn:])}{looked_at}, {self.state.speeds[-1]:.0f} tokens/s"

    def _place(self) -> dict[str, float]:
        return {"step": self.state.step, "epoch": self.state.step / self.plan.steps_per_epoch}


def _workers(model: nn.Module, method: Method) -> int:
    """One for each thread; one in all where they would draw from one generator, or hold large gradients each."""
    trained = sum(value.numel() for value in trainable(model).values())
    return 1 if method.draws() or trained > ALONE else settings.threads()


def _need(model: nn.Module, plan: StepPlan, *, config: LoopConfig, workers: int) -> Need:
    longest = max((len(view.ids) for row in plan.rows for view in row), default=0)
    return Need(
        config=model.config.to_dict(),
        trainable=sum(value.numel() for value in trainable(model).values()),
        tokens=max(config.tokens_per_batch, longest),
        workers=workers,
    )


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    earlier = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(earlier)
