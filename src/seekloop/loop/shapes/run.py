"""A search of shapes: candidates cut from one parent, measured on this machine, and the front of those that none beats.

Each candidate is a chain of artifacts (cut, tuned on where that is asked for, stored as GGUF) and a measurement in the
ledger. What is asked next depends on the seed and the measurements alone (NSGA-II, Deb et al. 2002, as Optuna has it),
so a search that is killed and called again finds what was measured and goes on.
"""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import read_rows
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.loop.shapes.cut import CutInputs, cut
from seekloop.loop.shapes.page import page, table
from seekloop.loop.shapes.spec import CutSpec, ShapesSpec
from seekloop.loop.shapes.trials import TRIAL, Trial, front
from seekloop.loop.steps import Steps
from seekloop.runtime import models
from seekloop.runtime.answers import AnswerCheck
from seekloop.runtime.generate.open import open_backend
from seekloop.system import digests, seeds
from seekloop.system.errors import ModelError
from seekloop.system.files import write_whole
from seekloop.system.lazy import need
from seekloop.tune import stage as tune
from seekloop.tune.method_spec import LoraMethod
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["FINISHED", "search"]

FINISHED = "shapes.finished"
_block = 32


def search(spec: ShapesSpec, inputs: TuneInputs, *, ctx: RunContext) -> Checkpoint:
    """Try shapes within the budget; the most accurate one within the goal's limits, as a GGUF checkpoint.

    `front.html` and `trials.json` are written to the project's folder of work.

    Raises:
        ModelError: no candidate keeps within the limits, or the dataset has no validation rows.
        MissingPackage: Optuna or the engine is not installed.
    """
    runner = _Search(spec, inputs, ctx=ctx)
    while runner.goes_on():
        runner.one_more()
    return runner.finish()


@dataclass
class _Search:
    spec: ShapesSpec
    inputs: TuneInputs
    ctx: RunContext = field(kw_only=True)

    def __post_init__(self) -> None:
        self.optuna = need("optuna", extra="search")
        self.optuna.logging.set_verbosity(self.optuna.logging.ERROR)
        self.steps = Steps(self.ctx, f"shapes of {digests.short(self.inputs.checkpoint.id)}")
        self.parent = self.inputs.checkpoint
        base = models.base_of(self.parent, self.ctx.store)
        self.config = json.loads(self.ctx.store.path(base.id, "config.json").read_text("utf-8"))
        self.check = self._check()
        space = self.spec.space
        self.dials: dict[str, tuple[Any, ...]] = {
            "layers": space.layers,
            "mlp": space.mlp,
            "groups": space.groups,
            "precision": space.precisions,
            "rank": space.ranks,
        }
        self.study = self.optuna.create_study(directions=["maximize", "minimize", "minimize"])
        self.trials: list[Trial] = []
        self.known: dict[str, dict[str, Any]] = {
            event.facts["key"]: dict(event.facts) for event in self.ctx.ledger.events(kind=TRIAL)
        }

    def goes_on(self) -> bool:
        """Whether trials and minutes are left."""
        spent = sum(trial.seconds for trial in self.trials)
        return len(self.trials) < self.spec.trials and spent < self.spec.minutes * 60

    def one_more(self) -> None:
        """Ask for a shape, measure it, and tell what became of it."""
        number = len(self.trials)
        own = seeds.derive(self.ctx.seed, "shapes", number) % 2**32
        # A sampler a trial: what it draws does not depend on how many were asked before in this process.
        self.study.sampler = self.optuna.samplers.NSGAIISampler(population_size=self.spec.population, seed=own)
        if not number:
            self.study.enqueue_trial(dict.fromkeys(self.dials, 0))
        spaces = {name: self.optuna.distributions.IntDistribution(0, len(c) - 1) for name, c in self.dials.items()}
        asked = self.study.ask(spaces)
        trial = Trial(number=number + 1, dials={name: self.dials[name][at] for name, at in asked.params.items()})
        try:
            self._measure(trial)
            self.study.tell(asked, [trial.accuracy, trial.latency_ms, trial.size_mb])
        except ModelError as error:
            trial.failed = error.sentence("en")
            self.study.tell(asked, state=self.optuna.trial.TrialState.FAIL)
        self.trials.append(trial)
        self.ctx.progress.say(f"trial {trial.number}: {trial.said}")

    def finish(self) -> Checkpoint:
        """The front as a page and a table, and the checkpoint that is wanted."""
        best = front(self.trials)
        folder = self.ctx.work / f"shapes-{self._digest()}"
        folder.mkdir(parents=True, exist_ok=True)
        found = {"front": [trial.number for trial in best], "trials": [asdict(trial) for trial in self.trials]}
        write_whole(folder / "trials.json", (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode())
        write_whole(folder / "front.html", page(self.trials, tokens=self.spec.measure.tokens).encode())
        for line in table(best):
            self.ctx.progress.say(line)
        goal = self.spec.goal
        within = [
            trial
            for trial in best
            if trial.latency_ms <= (goal.latency_ms or math.inf) and trial.size_mb <= (goal.size_mb or math.inf)
        ]
        if not within:
            raise ModelError("loop.no_shape", count=len(self.trials), where=_shown(folder))
        chosen = max(within, key=lambda trial: (trial.accuracy, -trial.latency_ms, -trial.number))
        facts = {"spec": self.spec.digest, "chosen": chosen.number, **found}
        self.ctx.ledger.note(FINISHED, chosen.checkpoint, facts=facts, actor=self.ctx.actor)
        self.ctx.progress.say(f"chosen: trial {chosen.number}; {folder / 'front.html'}")
        return self.ctx.store.open(chosen.checkpoint, Checkpoint)

    def _check(self) -> AnswerCheck:
        dataset, codec = self.inputs.dataset, models.codec_of(self.parent, store=self.ctx.store)
        rows = read_rows(self.ctx.store.path(dataset.id, "validation.jsonl"))
        views = [codec.views(row)[-1] for row in rows]
        if not views:
            raise ModelError("loop.no_validation", id=digests.short(dataset.id))
        first_line = dataset.answer == "label_then_text"
        return AnswerCheck.of(views, codec, at_most=self.spec.measure.rows, seed=self.ctx.seed, first_line=first_line)

    def _measure(self, trial: Trial) -> None:
        started = self.ctx.clock.monotonic()
        form = self._made(trial)
        trial.checkpoint = form.id
        key = digests.of_json([form.id, self.inputs.dataset.id, self.spec.measure.digest, self.ctx.seed])
        if key not in self.known:
            facts: dict[str, Any] = {
                "key": key,
                **self._measured(form),
                "seconds": self.ctx.clock.monotonic() - started,
            }
            self.ctx.ledger.note(TRIAL, form.id, facts=facts, actor=self.ctx.actor)
            self.known[key] = facts
        found = self.known[key]
        trial.accuracy, trial.latency_ms = found["accuracy"], found["latency_ms"]
        trial.size_mb, trial.n, trial.seconds = found["size_mb"], found["n"], found["seconds"]

    def _made(self, trial: Trial) -> Checkpoint:
        """The candidate as a file for the engine."""
        name, dials, dataset = f"trial {trial.number}", trial.dials, self.inputs.dataset
        config, shape = self.config, self._shape(dials)
        whole = CutSpec(
            layers=config["num_hidden_layers"], mlp=config["intermediate_size"], groups=self._groups, rows=shape.rows
        )
        checkpoint = self.parent
        if shape != whole:
            cut_inputs = CutInputs(checkpoint=checkpoint, dataset=dataset)
            checkpoint = self.steps.do(f"{name} cut", cut, spec=shape, inputs=cut_inputs)
        if dials["rank"] and shape != whole:
            recover = TuneSpec(method=LoraMethod(rank=dials["rank"]), max_steps=self.spec.recovery_steps)
            tune_inputs = TuneInputs(dataset=dataset, checkpoint=checkpoint)
            checkpoint = self.steps.do(f"{name} recover", tune.run, spec=recover, inputs=tune_inputs)
        stored = CompressSpec(method=GgufMethod(precision=dials["precision"]))
        return self.steps.do(f"{name} store", compress.run, spec=stored, inputs=CompressInputs(checkpoint=checkpoint))

    def _shape(self, dials: dict[str, Any]) -> CutSpec:
        config = self.config
        channels = round(config["intermediate_size"] * dials["mlp"] / _block) * _block
        return CutSpec(
            layers=max(1, round(config["num_hidden_layers"] * dials["layers"])),
            mlp=min(config["intermediate_size"], max(_block, channels)),
            groups=max(1, round(self._groups * dials["groups"])),
        )

    @property
    def _groups(self) -> int:
        return int(self.config.get("num_key_value_heads") or self.config["num_attention_heads"])

    def _measured(self, form: Checkpoint) -> dict[str, float]:
        """Right answers, and the time of answers of one length, one at a time, on the engine that opens the form."""
        told, check = self.spec.measure, self.check
        timed = [
            type(prompt)(ids=prompt.ids, stop_ids=frozenset(), max_tokens=told.tokens)
            for prompt in check.prompts[: told.timed]
        ]
        with open_backend(form, store=self.ctx.store, streams=1) as backend:
            right = sum(
                done.finish_reason == "stop" and check.text(done.ids) == check.wanted[index]
                for index, done in backend.generate(check.prompts)
            )
            seconds = [done.total_s for prompt in timed for _, done in backend.generate([prompt])]
        size = self.ctx.store.path(form.id, "model.gguf").stat().st_size
        return {
            "accuracy": right / len(check.prompts),
            "n": len(check.prompts),
            "latency_ms": round(1000 * statistics.median(seconds), 3),
            "size_mb": round(size / 1e6, 3),
        }

    def _digest(self) -> str:
        parts = [self.spec.digest, self.inputs.dataset.id, self.inputs.checkpoint.id, self.ctx.seed]
        return digests.of_json(parts).removeprefix("sha256:")[:16]


def _shown(folder: Path) -> str:
    return str(folder / "trials.json")
