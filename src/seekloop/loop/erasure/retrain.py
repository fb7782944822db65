"""What has to be trained again because of rows that are gone, from which clean parent, and how long that takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Release

__all__ = ["Again", "Retraining", "retraining"]

_before = ("checkpoint", "parent", "base")
"""Under which a checkpoint names the one that it was made from, the nearest first."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """One step that is done again."""

    of: str
    """The checkpoint that it made before."""
    stage: str
    """`tune` or `compress`."""
    spec: dict[str, Any]
    dataset: str | None
    """Without the rows that are gone."""
    seconds: float
    """It took so long before, times the rows that are left, over those that there were."""


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """How a tainted release is made anew."""

    release: str
    names: tuple[str, ...]
    """What stands for it now."""
    clean: str
    """The last checkpoint of its line without weights of what is gone: the base at the latest."""
    steps: tuple[Again, ...]
    back_to: str | None
    """The newest release that one of the names stood for, and that is clean; None: there is none to go back to."""

    @property
    def minutes(self) -> float:
        """Of all steps, measuring the result not counted."""
        return sum(step.seconds for step in self.steps) / 60


def retraining(
    releases: Mapping[str, tuple[str, ...]],
    *,
    tainted: Collection[str],
    replaced: Mapping[str, str],
    ctx: RunContext,
) -> tuple[Retraining, ...]:
    """A plan for each release that something stands for.

    Seconds of a step: wall seconds in its receipt x train rows left / train rows then.

    Args:
        releases: tainted ones -> names that stand for them.
        tainted: checkpoints.
        replaced: datasets -> those without the rows.
        ctx: the project.

    Raises:
        ArtifactError: a checkpoint of the line is not in the store.
    """
    return tuple(
        _plan(release, names, releases=releases, tainted=tainted, replaced=replaced, ctx=ctx)
        for release, names in releases.items()
        if names
    )


def _plan(
    release: str,
    names: tuple[str, ...],
    *,
    releases: Collection[str],
    tainted: Collection[str],
    replaced: Mapping[str, str],
    ctx: RunContext,
) -> Retraining:
    line = list(_line(ctx.store.open(release, Release).checkpoint, tainted=tainted, ctx=ctx))
    former = [alias for name in names for alias in ctx.ledger.alias_history(name) if alias.target not in releases]
    newest = max(former, key=lambda alias: alias.at, default=None)
    return Retraining(
        release=release,
        names=names,
        clean=_parent(line[-1]) or "",
        steps=tuple(_again(one, replaced=replaced, ctx=ctx) for one in reversed(line)),
        back_to=None if newest is None else newest.target,
    )


def _line(identity: str, *, tainted: Collection[str], ctx: RunContext) -> Iterator[Checkpoint]:
    """From a checkpoint down to the first that is tainted."""
    current: str | None = identity
    while current is not None and current in tainted:
        checkpoint = ctx.store.open(current, Checkpoint)
        yield checkpoint
        current = _parent(checkpoint)


def _parent(checkpoint: Checkpoint) -> str | None:
    return next((checkpoint.parents[role] for role in _before if role in checkpoint.parents), None)


def _again(checkpoint: Checkpoint, *, replaced: Mapping[str, str], ctx: RunContext) -> Again:
    before = checkpoint.parents.get("dataset")
    dataset = None if before is None else replaced.get(before, before)
    seconds = ctx.store.receipt(checkpoint.id).wall_s
    if before is not None and dataset is not None and checkpoint.made_by.stage == "tune":
        seconds *= _train_rows(dataset, ctx=ctx) / max(1, _train_rows(before, ctx=ctx))
    return Again(
        of=checkpoint.id,
        stage=checkpoint.made_by.stage,
        spec=dict(checkpoint.made_by.spec),
        dataset=dataset,
        seconds=round(seconds, 3),
    )


def _train_rows(identity: str, *, ctx: RunContext) -> int:
    return ctx.store.open(identity, Dataset).splits.get("train", 0)
