"""What a run will do, before it runs: every step with the settings that the dials filled in, its memory and its time.

Each estimate has its formula in `model/memory.py` or `model/arithmetic.py`; what cannot be known yet is left open.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from seekloop.loop.adviser import Known
from seekloop.loop.project import ProjectSpec
from seekloop.model.devices import Machine
from seekloop.tune.forecast import forecast
from seekloop.tune.spec import TuneSpec

__all__ = ["PlanStep", "plan"]


class PlanStep(BaseModel):
    """One step of a run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    settings: str
    """The keys that matter, as `key value`."""
    memory_mib: float | None = None
    """Peak memory; None: not known before the data is made and the base is here."""
    seconds: float | None = None
    """Wall time on this machine; None: as for memory."""
    formula: str = ""
    """Of memory and time, with their numbers."""


def plan(spec: ProjectSpec, known: Known, *, machine: Machine) -> list[PlanStep]:
    """The steps of a first round under `spec`.

    Memory and time of tuning are by a look at the project's files at first. Once the data stage has run and the base
    is in the cache, tokens are counted with the model's own codec; the machine's speed is measured for a moment.

    Args:
        spec: the project.
        known: what is known of its base and rows.
        machine: this one.
    """
    sources = ", ".join(Path(source.shown).name for source in spec.data.sources) or "none yet: set data.sources"
    split = spec.data.split
    steps = [
        PlanStep(
            name="data",
            settings=f"{sources}; validation {split.validation}, test {split.test}, seed {spec.seed}",
        ),
        _tune_step(spec.tune, known, machine=machine, seed=spec.seed),
        PlanStep(name="evaluate", settings=f"base and tuned on the test split; engine {spec.evaluate.engine}"),
    ]
    for name, form in spec.compress.items():
        method = ", ".join(f"{key} {value}" for key, value in form.method.model_dump(exclude_none=True).items())
        steps.append(PlanStep(name=f"compress {name}", settings=f"{method}; evaluated again"))
    chosen = spec.release_form or "tuned"
    return [*steps, PlanStep(name="release", settings=f"{chosen} -> {spec.alias}; max_tokens {spec.serve.max_tokens}")]


def _tune_step(tune: TuneSpec, known: Known, *, machine: Machine, seed: int) -> PlanStep:
    method = ", ".join(f"{key} {value}" for key, value in tune.method.model_dump(exclude_none=True).items())
    rate = tune.learning_rate if tune.learning_rate is not None else "by method"
    settings = f"{method}; epochs {tune.epochs}, learning_rate {rate}, rows_per_step {tune.rows_per_step}"
    if known.counted is None or known.config is None or known.card is None:
        return PlanStep(name="tune", settings=settings)
    found = forecast(tune, known.config, card=known.card, counted=known.counted, machine=machine, seed=seed)
    if found is None:
        return PlanStep(name="tune", settings=f"{settings}; --probe measures its memory and time")
    parts = " + ".join(f"{part.name} {part.bytes / 2**20:,.0f} ({part.formula})" for part in found.parts)
    return PlanStep(
        name="tune",
        settings=settings,
        memory_mib=found.memory / 2**20,
        seconds=found.seconds,
        formula=f"MiB: {parts}; seconds: operations of {known.counted.tokens:,} tokens an epoch / {machine.source}",
    )
