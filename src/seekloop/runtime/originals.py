"""Checkpoints that nothing of ours trained: a published base, the tiny random model. Their identity is their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Origin, Receipt
from seekloop.artifact.store import Draft, Store
from seekloop.system import digests, provenance

__all__ = ["commit_original"]

# Raised when the way from a source to its files changes; the installed packages and our other code are no part of it.
_conversion = "conversion.1"


def commit_original(
    draft: Draft,
    *,
    ctx: RunContext,
    store: Store,
    spec: Mapping[str, Any],
    family: str,
    parameters: int,
    wall_s: float = 0.0,
) -> Checkpoint:
    """Commit `draft` as a full fp32 checkpoint that has no parents, and record it in the project's ledger.

    The id depends on the files and on `spec`, never on the project, its seed, the day or the installed packages.

    Args:
        draft: holds config, weights and codec.
        ctx: whose ledger records it.
        store: where it goes; `ctx.store` or one that it shares.
        spec: what it was made from; `source` goes into the checkpoint too.
        family: name of the family card.
        parameters: number of weights.
        wall_s: seconds that it took.
    """
    source = str(spec["source"])
    origin = Origin(
        stage="base",
        spec=dict(spec),
        spec_digest=digests.of_json(dict(spec)),
        code_version=_conversion,
        lock_digest=digests.of_json([]),
        seed=0,
    )
    receipt = Receipt(
        created_at=ctx.clock.now().isoformat(timespec="seconds"),
        hardware=provenance.hardware(),
        wall_s=round(wall_s, 3),
    )
    checkpoint = Checkpoint(
        made_by=origin, form="full", family=family, precision="f32", source=source, parameters=parameters
    )
    final = store.commit(draft, checkpoint, receipt=receipt)
    ctx.record(final)
    return final
