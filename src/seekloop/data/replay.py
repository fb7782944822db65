"""Replay: train rows of the round before, trained again so that old skills are not forgotten."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable

from seekloop.artifact.rows import Row
from seekloop.data.spec import ReplaySpec
from seekloop.data.wording import asked
from seekloop.text.shingles import keys

__all__ = ["replayed"]

_at_once = 4096


def replayed(rows: Iterable[Row], spec: ReplaySpec, *, new: Collection[bytes], seed: int, parent: str) -> list[Row]:
    """The rows to replay, evenly over labels, in the order of their hashes.

    Args:
        rows: the parent's train rows.
        spec: how many.
        new: prompt keys of this round's rows (`shingles.keys`): what they say anew is not replayed.
        seed: draws another sample.
        parent: id of the parent dataset, noted in each row's `meta`.

    Returns:
        At most as many as asked for: fewer where the parent has fewer.
    """
    by_label: defaultdict[str, list[Row]] = defaultdict(list)
    total = 0
    stream = iter(rows)
    while some := list(itertools.islice(stream, _at_once)):
        total += len(some)
        for row, key in zip(some, keys([asked(row) for row in some]), strict=True):
            if key not in new:
                by_label[row.label or ""].append(row)
    wanted = spec.rows if spec.rows is not None else round((spec.share or 0.0) * total)
    for group in by_label.values():
        group.sort(key=lambda row: hashlib.sha256(f"{seed}\x1f{row.id}".encode()).digest())
    deepest = max(map(len, by_label.values()), default=0)
    turns = [
        by_label[label][depth] for depth in range(deepest) for label in sorted(by_label) if depth < len(by_label[label])
    ]
    return [row.model_copy(update={"meta": {**row.meta, "replayed_from": parent}}) for row in turns[:wanted]]
