"""The table of stages: what each takes and gives, and where its code is, named as strings so that nothing is imported.

Third-party stages enter through the entry-point group `seekloop.stages`: each entry names a `StageEntry`.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seekloop.system.errors import UsageError
from seekloop.system.lazy import resolve

__all__ = ["KINDS", "MAKERS", "STAGES", "StageEntry", "stage", "stages"]


KINDS = ("corpus", "dataset", "checkpoint", "report", "release", "traffic", "lesson")
"""The tags that an artifact id can begin with."""


@dataclass(frozen=True, kw_only=True)
class StageEntry:
    """One stage, as the command line and the plan see it."""

    name: str
    summary: str
    spec: str
    """`module:Class` of its frozen spec."""
    inputs: str
    """`module:Class` of the dataclass of artifacts that it takes."""
    run: str
    """`module:function`, called as `run(spec, inputs, *, ctx)`."""
    gives: str
    """Kind of the artifact that it makes."""

    def load_spec(self) -> Any:
        """The spec class."""
        return resolve(self.spec)

    def load_inputs(self) -> Any:
        """The inputs dataclass."""
        return resolve(self.inputs)

    def load_run(self) -> Callable[..., Any]:
        """The stage function; this is where ML packages are imported."""
        found: Callable[..., Any] = resolve(self.run)
        return found


def _entry(name: str, prefix: str, *, gives: str, summary: str) -> StageEntry:
    room = f"seekloop.{name}"
    return StageEntry(
        name=name,
        summary=summary,
        spec=f"{room}.spec:{prefix}Spec",
        inputs=f"{room}.spec:{prefix}Inputs",
        run=f"{room}.stage:run",
        gives=gives,
    )


STAGES: tuple[StageEntry, ...] = (
    _entry("data", "Data", gives="dataset", summary="Read, clean, deduplicate and split: Corpus -> Dataset."),
    _entry("tune", "Tune", gives="checkpoint", summary="Train on a dataset: Dataset + Checkpoint -> Checkpoint."),
    _entry(
        "evaluate",
        "Evaluate",
        gives="report",
        summary="Measure answers with intervals: Checkpoint + Dataset -> Report.",
    ),
    _entry("compress", "Compress", gives="checkpoint", summary="Merge and quantise: Checkpoint -> smaller Checkpoint."),
    _entry("serve", "Serve", gives="release", summary="Make an immutable release: Checkpoint + Report -> Release."),
    _entry("learn", "Learn", gives="lesson", summary="Read what production teaches: Traffic + Report -> Lesson."),
)

MAKERS: tuple[StageEntry, ...] = (
    StageEntry(
        name="synthesise",
        summary="Ask a teacher for rows: seeds of a Corpus or Dataset -> Corpus.",
        spec="seekloop.data.synthesise.spec:SynthesiseSpec",
        inputs="seekloop.data.synthesise.spec:SynthesiseInputs",
        run="seekloop.data.synthesise.run:synthesise",
        gives="corpus",
    ),
    StageEntry(
        name="continue",
        summary="Train a tuned checkpoint on, under a new schedule: Dataset + Checkpoint -> Checkpoint.",
        spec="seekloop.tune.spec:TuneSpec",
        inputs="seekloop.tune.spec:TuneInputs",
        run="seekloop.tune.stage:train_on",
        gives="checkpoint",
    ),
    StageEntry(
        name="search",
        summary="Search the numbers of a tuning spec within a budget: Dataset + Checkpoint -> the best Checkpoint.",
        spec="seekloop.loop.search.spec:SearchSpec",
        inputs="seekloop.tune.spec:TuneInputs",
        run="seekloop.loop.search.run:search",
        gives="checkpoint",
    ),
    StageEntry(
        name="shapes",
        summary="Search smaller shapes and bits on this machine: Dataset + Checkpoint -> the wanted GGUF Checkpoint.",
        spec="seekloop.loop.shapes.spec:ShapesSpec",
        inputs="seekloop.tune.spec:TuneInputs",
        run="seekloop.loop.shapes.run:search",
        gives="checkpoint",
    ),
)
"""Verbs beside the stages, called in the same way: what they make, a stage takes."""


@functools.cache
def stages() -> dict[str, StageEntry]:
    """Every stage by name, ours in loop order, then `MAKERS`, then those of installed plug-ins."""
    plugins = [point.load() for point in importlib.metadata.entry_points(group="seekloop.stages")]
    return {entry.name: entry for entry in (*STAGES, *MAKERS, *plugins)}


def stage(name: str) -> StageEntry:
    """The stage called `name`.

    Raises:
        UsageError: there is none; the known ones are named.
    """
    if name not in stages():
        raise UsageError("loop.unknown_stage", name=name, known=", ".join(stages()))
    return stages()[name]
