"""AutoFT: trials within a budget, each a tuning run in the ledger, and the best one's spec as a file.

Nothing of a search is kept beside the ledger. Sampler and halving depend on the seed and on the losses so far alone, so
a search that is killed and called again asks for the same trials, finds those that are done, and goes on.
"""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

import yaml

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.loop.search.folds import views
from seekloop.loop.search.samplers import Place, sampler_of
from seekloop.loop.search.spec import SearchSpec
from seekloop.loop.steps import Steps
from seekloop.model import families
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.system.files import write_whole
from seekloop.tune import stage as tune
from seekloop.tune.methods.build import default_rate
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["BEST", "EVENT", "TRIALS", "Trial", "search"]

BEST, TRIALS = "best.yaml", "trials.json"
EVENT = "search.finished"
_quantiles = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % points of Student's t with 1 to 9 degrees of freedom."""


@dataclass(kw_only=True)
class Trial:
    """One proposal and what became of it."""

    number: int
    dials: dict[str, float]
    losses: list[float] = field(default_factory=list)
    """Validation loss at each rung that it reached; the mean over folds, where there are any."""
    intervals: list[float | None] = field(default_factory=list)
    """Half a 95 % interval of each, over the folds."""
    steps: list[int] = field(default_factory=list)
    """Optimizer steps at each rung."""
    checkpoints: list[list[str]] = field(default_factory=list)
    """What was trained at each rung, by fold."""
    seconds: float = 0.0
    failed: str = ""
    """Why it ended early; empty: it did not."""

    @property
    def rank(self) -> tuple[int, float]:
        """For sorting: higher rungs first, then the lower loss."""
        return -len(self.losses), self.losses[-1] if self.losses else math.inf


def search(spec: SearchSpec, inputs: TuneInputs, *, ctx: RunContext, seed: int | None = None) -> Checkpoint:
    """Try specs within the budget; the best one's checkpoint, trained in full on the dataset's train split.

    `best.yaml` (a spec for `seekloop tune`) and `trials.json` are written to the project's folder of work, and the
    trials into the ledger.

    Args:
        spec: what is searched, and how long.
        inputs: a dataset and what is trained on it.
        ctx: store, ledger, seed, progress, folder of work.
        seed: of the sampler; None: the context's, which decides the order of rows in any case.

    Raises:
        TrainError: no trial could be trained; the last one's reason.
        UsageError: `folds` is on and the dataset has none.
        MissingPackage: the sampler needs Optuna.
    """
    runner = _Search(spec, inputs, ctx=ctx, seed=ctx.seed if seed is None else seed)
    while runner.goes_on():
        runner.one_more()
    return runner.finish()


class _Search:
    def __init__(self, spec: SearchSpec, inputs: TuneInputs, *, ctx: RunContext, seed: int) -> None:
        self.spec, self.inputs, self.ctx = spec, inputs, ctx
        self.steps = Steps(ctx, f"search on {digests.short(inputs.dataset.id)}")
        self.card = families.card(inputs.checkpoint.family)
        self.choices = _choices(spec)
        self.prior = {dial: _nearest(values, self._begin(dial)) for dial, values in self.choices.items()}
        self.sampler = sampler_of(spec.sampler, self.choices, prior=self.prior, seed=seed)
        self.datasets: list[Dataset] = views(inputs.dataset, ctx=ctx) if spec.folds else [inputs.dataset]
        self.trials: list[Trial] = []
        self.seen: dict[tuple[tuple[str, int], ...], Trial] = {}

    def goes_on(self) -> bool:
        """Whether trials and minutes are left; a space that was tried whole ends it too."""
        spent = sum(trial.seconds for trial in self.trials)
        left = len(self.trials) < self.spec.trials and spent < self.spec.minutes * 60
        return left and len(self.seen) < math.prod(len(values) for values in self.choices.values())

    def one_more(self) -> None:
        """Ask for a trial, train it rung by rung while it is among the best, and tell what became of it."""
        place = self._new_place()
        trial = Trial(number=len(self.trials) + 1, dials={name: self.choices[name][at] for name, at in place.items()})
        self.seen[_key(place)] = trial
        try:
            while len(trial.losses) < self.spec.rungs and self._is_promoted(trial):
                self._train(trial)
        except TrainError as error:
            if error.code == "train.stopped":
                raise
            trial.failed = error.sentence("en")
        self.trials.append(trial)
        self.sampler.tell(place, trial.losses[0] if trial.losses else math.inf)
        reached = f"loss {trial.losses[-1]:.4f} after {trial.steps[-1]} steps" if trial.losses else trial.failed
        self.ctx.progress.say(f"trial {trial.number}: {_shown(trial.dials)}: {reached}")

    def finish(self) -> Checkpoint:
        """Train the best in full where it was not, and write what was found."""
        good = [trial for trial in self.trials if trial.losses]
        if not good:
            raise TrainError("tune.no_trial", count=len(self.trials), problem=self.trials[-1].failed)
        best = min(good, key=lambda trial: (*trial.rank, trial.number))
        spec = self._spec_of(best)
        final = self.steps.do(
            "best",
            tune.run,
            spec=spec,
            inputs=TuneInputs(dataset=self.inputs.dataset, checkpoint=self.inputs.checkpoint),
        )
        folder = self.ctx.work / f"search-{self._digest()}"
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
        write_whole(folder / BEST, f"# {_shown(best.dials)}\n{text}".encode())
        found = {"best": best.number, "checkpoint": final.id, "trials": [asdict(trial) for trial in self.trials]}
        write_whole(folder / TRIALS, (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode())
        self.ctx.ledger.note(EVENT, final.id, facts={"spec": self.spec.digest, **found}, actor=self.ctx.actor)
        self.ctx.progress.say(f"best of {len(self.trials)}: {_shown(best.dials)}; {folder / BEST}")
        return final

    def _begin(self, dial: str) -> float:
        method = self.spec.tune.method.model_dump()
        begin = {
            "rank": method.get("rank", 0),
            "rate_factor": 1.0,
            "epochs": self.spec.tune.epochs,
            "rows_per_step": self.spec.tune.rows_per_step,
        }
        return float(begin[dial])

    def _new_place(self) -> Place:
        """The prior first; then what the sampler asks for, the next free place where that was tried."""
        if not self.trials:
            return self.prior
        place = self.sampler.ask()
        names = list(self.choices)
        while _key(place) in self.seen:
            for name in names:
                place[name] = (place[name] + 1) % len(self.choices[name])
                if place[name]:
                    break
        return place

    def _is_promoted(self, trial: Trial) -> bool:
        """Asynchronous successive halving (Li et al. 2020): among the best 1 in `eta` that reached its rung so far."""
        rung = len(trial.losses)
        if not rung:
            return True
        others = sorted(one.losses[rung - 1] for one in self.trials if len(one.losses) >= rung)
        better = sum(loss < trial.losses[-1] for loss in others)
        return math.isfinite(trial.losses[-1]) and better < max(1, (len(others) + 1) // self.spec.eta)

    def _train(self, trial: Trial) -> None:
        rung = len(trial.losses)
        losses, made = [], []
        steps = 0
        for dataset in self.datasets:
            spec = self._spec_of(trial)
            whole = spec.epochs * math.ceil(dataset.splits["train"] / spec.rows_per_step)
            steps = min(spec.max_steps or whole, max(1, whole // self.spec.eta ** (self.spec.rungs - 1 - rung)))
            spec = spec if rung == self.spec.rungs - 1 else spec.model_copy(update={"max_steps": steps})
            tuned = self.steps.do(
                f"trial {trial.number}.{rung}",
                tune.run,
                spec=spec,
                inputs=TuneInputs(dataset=dataset, checkpoint=self.inputs.checkpoint),
            )
            trial.seconds += self.ctx.store.receipt(tuned.id).wall_s
            losses.append(self._loss(tuned))
            made.append(tuned.id)
        trial.losses.append(statistics.fmean(losses))
        trial.intervals.append(_half_interval(losses))
        trial.steps.append(steps)
        trial.checkpoints.append(made)

    def _loss(self, tuned: Checkpoint) -> float:
        state: dict[str, Any] = json.loads(self.ctx.store.path(tuned.id, "trainer_state.json").read_text("utf-8"))
        found = [entry["eval_loss"] for entry in state["log_history"] if "eval_loss" in entry]
        if not found:
            raise TrainError("tune.nothing_to_compare", id=digests.short(self.inputs.dataset.id))
        return float(min(found) if self.spec.tune.keep == "best" else found[-1])

    def _spec_of(self, trial: Trial) -> TuneSpec:
        dials = trial.dials
        method = self.spec.tune.method
        if "rank" in dials:
            method = method.model_copy(update={"rank": int(dials["rank"])})
        rate = default_rate(method, self.card)
        return self.spec.tune.model_copy(
            update={
                "method": method,
                "learning_rate": float(f"{rate * dials['rate_factor']:.6g}"),
                "epochs": int(dials["epochs"]),
                "rows_per_step": int(dials["rows_per_step"]),
            }
        )

    def _digest(self) -> str:
        parts = [self.spec.digest, self.inputs.dataset.id, self.inputs.checkpoint.id, self.ctx.seed]
        return digests.of_json(parts).removeprefix("sha256:")[:16]


def _choices(spec: SearchSpec) -> dict[str, tuple[float, ...]]:
    space = spec.space
    found: dict[str, tuple[float, ...]] = {
        "rate_factor": space.rate_factors,
        "epochs": space.epochs,
        "rows_per_step": space.rows_per_step,
    }
    return {"rank": space.ranks, **found} if "rank" in type(spec.tune.method).model_fields else found


def _nearest(values: tuple[float, ...], wanted: float) -> int:
    return min(range(len(values)), key=lambda at: abs(values[at] - wanted))


def _key(place: Place) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(place.items()))


def _half_interval(values: list[float]) -> float | None:
    """Half the 95 % interval of the mean, by Student's t; None for a single value."""
    if len(values) < 2:
        return None
    t = _quantiles[len(values) - 2] if len(values) - 2 < len(_quantiles) else 1.96
    return t * statistics.stdev(values) / math.sqrt(len(values))


def _shown(dials: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in dials.items())
