"""What was planned for a run, kept beside its work until the run itself can be compared with it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.model import families
from seekloop.runtime.train.state import State
from seekloop.system import digests, provenance
from seekloop.system.errors import ModelError
from seekloop.system.files import write_whole
from seekloop.system.memory import give_back, resident_bytes
from seekloop.tune.forecast import census, forecast, local_machine
from seekloop.tune.prepare import Prepared
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["Planned", "compared", "planned", "read_plan", "run_key", "unwatched", "write_plan"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Memory and time that were foretold."""

    memory: int
    """Bytes of the process at its peak."""
    seconds: float
    """Of the optimizer steps."""
    how: str
    """`arithmetic` or `probe`."""


def unwatched(spec: TuneSpec) -> TuneSpec:
    """The spec without those who only watch: they are no part of what comes out."""
    return spec.model_copy(update={"report_to": ()})


def run_key(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> str:
    """Everything that decides what a run does, as part of a file name. Who only watches is no part of it."""
    parts = [
        unwatched(spec).digest,
        inputs.dataset.id,
        inputs.checkpoint.id,
        ctx.seed,
        provenance.code_version(),
    ]
    return digests.of_json(parts).removeprefix("sha256:")[:16]


def write_plan(planned: Planned, key: str, *, ctx: RunContext) -> None:
    """Keep what was planned for the run with this key."""
    path = _path(key, ctx)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, digests.canonical(asdict(planned)))


def read_plan(key: str, *, ctx: RunContext) -> Planned | None:
    """What was planned for the run with this key; None: nothing."""
    path = _path(key, ctx)
    return Planned(**json.loads(path.read_bytes())) if path.is_file() else None


def planned(
    spec: TuneSpec, inputs: TuneInputs, *, base: Checkpoint, prepared: Prepared, ctx: RunContext
) -> Planned | None:
    """What was probed for this run, or else what arithmetic foretells; None for a method that it does not count."""
    kept = read_plan(run_key(spec, inputs, ctx=ctx), ctx=ctx)
    if kept is not None:
        return kept
    give_back()
    try:
        found = forecast(
            spec,
            json.loads(ctx.store.path(base.id, "config.json").read_bytes()),
            card=families.card(base.family),
            counted=census(prepared.train),
            machine=local_machine(),
            seed=ctx.seed,
            libraries=resident_bytes(),
        )
    except ModelError as error:
        ctx.progress.say(f"memory and time are not foretold: {error.sentence('en')}")
        return None
    return None if found is None else Planned(memory=found.memory, seconds=found.seconds, how="arithmetic")


def compared(foretold: Planned | None, *, memory: int, state: State, ctx: RunContext) -> dict[str, float]:
    """What the run took beside what was foretold, for the receipt, and said aloud; errors are `foretold / actual - 1`.

    Args:
        foretold: None where nothing was.
        memory: bytes of the process at its peak.
        state: of the finished run. What a resumed run took before is in its seconds, and not in `memory`.
        ctx: its progress is told.
    """
    took = {"train_peak_mib": round(memory / 2**20, 1)}
    if foretold is None or not state.seconds:
        return took
    took |= {
        "planned_peak_mib": round(foretold.memory / 2**20, 1),
        "planned_train_s": round(foretold.seconds, 2),
        "plan_memory_error": round(foretold.memory / memory - 1, 4),
        "plan_time_error": round(foretold.seconds / state.seconds - 1, 4),
    }
    ctx.progress.say(
        f"planned by {foretold.how} {foretold.memory / 2**20:,.0f} MiB and {foretold.seconds:,.1f} s, took "
        f"{memory / 2**20:,.0f} MiB and {state.seconds:,.1f} s: "
        f"{took['plan_memory_error']:+.0%} and {took['plan_time_error']:+.0%}"
    )
    return took


def _path(key: str, ctx: RunContext) -> Path:
    return ctx.work / f"plan-{key}.json"
