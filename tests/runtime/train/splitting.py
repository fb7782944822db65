"""A program that tunes a model split over processes: `python -m tests.runtime.train.splitting FOLDER`.

It prints one JSON line a trial; processes are forked as in `together.py`.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from seekloop.artifact.kinds import Checkpoint
from seekloop.runtime.train.held import Held, Trained
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.methods.method import trainable
from seekloop.runtime.train.ranks import Ranks
from seekloop.runtime.train.sharding import InStep, Shards
from seekloop.runtime.train.workers import Workers
from seekloop.system import provenance
from seekloop.tune.objective_spec import AnswersObjective, DpoObjective, KtoObjective, OrpoObjective
from seekloop.tune.spec import TuneSpec
from tests.runtime.train.judged import disturb, encoded, pairs, verdicts
from tests.runtime.train.killing import SPEC, context, prepared
from tests.runtime.train.making import Bench, rows
from tests.runtime.train.together import Died, launched

OBJECTIVES = {
    "answers": (AnswersObjective(), rows),
    "dpo": (DpoObjective(), pairs),
    "orpo": (OrpoObjective(), pairs),
    "kto": (KtoObjective(), verdicts),
}
"""What one step is compared for, on a model of each kind: with one head for both ends, with two, with experts."""
FAMILIES = ("smollm2", "qwen2", "deepseek-v3")


def spec(**changes: Any) -> TuneSpec:
    """The usual run, split."""
    usual = SPEC.model_dump(exclude_unset=True)
    return TuneSpec.parse({**usual, **changes, "compute": {"sharding": "fsdp", **changes.get("compute", {})}})


def step(place: Path, name: str, family: str) -> list[float]:
    """By how much loss, validation loss, norm, and any gradient differ from those of a whole model."""
    bench = Bench(context(place), family)
    objective_spec, made = OBJECTIVES[name]
    parts, objective = encoded(bench, objective_spec, made(7))
    views = [view for part in parts for view in part]
    models = [bench.model(), bench.model()]
    for model in models:
        Full().apply(model, seed=0)
        disturb(model)
    named = trainable(models[0])
    with Ranks.open() as ranks:
        with Workers.open(models[0], objective, count=1, threads=1, budget=128, pad=0, sharing=True) as workers:
            whole = workers.learn(
                views, list(named.values()), whole=workers.whole(views), check=lambda _value, _batch: None
            )
            measured = workers.measure(views).loss
            norm = _norm(Held(named, torch.optim.SGD(named.values(), lr=0.0)))
        shards = Shards(ranks)
        held = shards.split(models[1], lambda parameters: torch.optim.SGD(parameters.values(), lr=0.0))
        split = InStep(shards, objective, budget=128, pad=0)
        found = split.learn(views, [], whole=split.whole(views), check=lambda _value, _batch: None)
        deltas = [abs(found.loss - whole.loss), abs(split.measure(views).loss - measured)]
        deltas.append(abs(_norm(held) - norm))
        for key, value in named.items():
            if value.grad is not None:
                own = shards.parameters[key].grad
                deltas.append((own - shards.cut(value.grad)).abs().max().item() if own.numel() else 0.0)
        return [max(deltas), float(len(deltas))]


def _norm(held: Trained) -> float:
    """After a step that moves nothing; gradients are clipped then."""
    return held.step(0.5, lambda _norm: None)


def trial(folder: Path, name: str, *, then: Sequence[int] = (), **changes: Any) -> None:
    """One run, what is left of it, and the same run again by `then` processes."""
    place = folder / name
    pair = prepared(place)
    try:
        first = launched(place, pair, **changes)
    except Died as error:
        # A machine that is out of memory takes one of many processes; what a process does by itself is no signal.
        print(f"{name}: {error}", file=sys.stderr)
        if all(code >= 0 for code in error.args[1].values()):
            raise
        place = folder / f"{name}-again"
        pair = prepared(place)
        first = launched(place, pair, **changes)
    left = sorted(path.name for path in place.glob("work/*/checkpoint-*/*"))
    again = [launched(place, pair, processes=count, spec=changes["spec"]) for count in then]
    made = [end[0] for ends in (first, *again) for end in ends if end and str(end[0]).startswith("checkpoint:")]
    print(json.dumps({"trial": name, "first": first, "left": left, "then": again, "weights": _weights(place, made)}))


def _weights(place: Path, made: Sequence[str]) -> dict[str, list[float]]:
    """Tensor -> shape and sum, of the checkpoint as it is on disk."""
    if not made:
        return {}
    store = context(place).store
    file = next(store.folder(store.open(made[-1], Checkpoint).id).glob("*model.safetensors"))
    return {name: [*value.shape, value.double().sum().item()] for name, value in load_file(file).items()}


def main(folder: Path) -> None:
    """Each trial in a project of its own."""
    torch.set_num_threads(1)
    provenance.code_version(), provenance.lock_digest()  # read once here, not in every child
    for name, family in [*((name, "smollm2") for name in OBJECTIVES), *(("answers", kind) for kind in FAMILIES[1:])]:
        place = folder / f"step-{name}-{family}"
        found = launched(place, (), processes=2, work=lambda place=place, of=(name, family): step(place, *of))
        print(json.dumps({"trial": f"{name}-{family}", "deltas": found}))
    small = {"tokens_per_batch": 64}
    trial(folder, "alone", processes=1, spec=TuneSpec.parse({**SPEC.model_dump(exclude_unset=True), **small}))
    trial(folder, "one", processes=1, spec=spec(**small))
    trial(folder, "two", processes=2, spec=spec(**small))
    trial(folder, "three", processes=3, spec=spec(**small))
    full = {"method": "full", "optimizer": {"save": True}, "keep": "last"}
    trial(folder, "full-alone", processes=1, spec=TuneSpec.parse({**SPEC.model_dump(exclude_unset=True), **full}))
    trial(folder, "full-two", processes=2, spec=spec(**full, compute={"checkpointing": "on"}))
    answers = {"validation": {"metric": "answers", "answers": 3, "every_steps": 2}}
    trial(folder, "answers-alone", processes=1, spec=TuneSpec.parse({**SPEC.model_dump(exclude_unset=True), **answers}))
    trial(folder, "answers-two", processes=2, spec=spec(**answers))
    for victim in (0, 1):
        trial(folder, f"killed-{victim}", processes=2, at=4, victim=victim, spec=spec(**small), then=(2,))
    trial(folder, "told", processes=2, at=4, number=signal.SIGTERM, spec=spec(**small), then=(2,))
    trial(folder, "fewer", processes=3, at=4, number=signal.SIGTERM, spec=spec(**small), then=(2,))
    trial(folder, "to-one", processes=2, at=4, number=signal.SIGTERM, spec=spec(**small), then=(1,))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
