"""Train rows in other words, a file for each epoch after the first: what is trained stands in the dataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from seekloop.artifact.context import Job
from seekloop.artifact.rows import Row, epoch_file, read_rows, write_rows
from seekloop.data.augment.rows import augmented
from seekloop.data.augment.spec import EpochsSpec
from seekloop.data.balancing import kit_of
from seekloop.data.intents import CONFIDENCE
from seekloop.data.leak import Guard
from seekloop.data.teaching import label_head
from seekloop.data.wording import asked
from seekloop.system import seeds
from seekloop.text.shingles import prints

__all__ = ["reword"]

_at_once = 4096


def reword(spec: EpochsSpec, *, job: Job, guard: Guard) -> None:
    """Write `epoch-2.jsonl` and so on: the train rows that the epoch sees in other words, the others being as they are.

    A variant is one operator's, passed by the gates of augmentation, and like no row that is held out.

    Args:
        spec: how many epochs, and how.
        job: the dataset in the making; its train rows are final.
        guard: knows what is held out.

    Raises:
        DataError: a list of words cannot be read.
    """
    train, seed = job.path("train.jsonl"), seeds.derive(job.ctx.seed, "data", "epochs")
    kit = kit_of(spec.augment, job.ctx.root)
    head = label_head(train, confidence=CONFIDENCE) if spec.augment.label_check else None

    def changed(epoch: int) -> Iterator[Row]:
        rows = read_rows(train)
        while some := list(itertools.islice(rows, _at_once)):
            made = [(row, augmented(row, kit, epoch=epoch, seed=seed, head=head)) for row in some]
            new = [variant for row, variant in made if variant is not row]
            standings = guard.check(prints([asked(row) for row in new]), [None] * len(new)) if new else []
            yield from (row for row, standing in zip(new, standings, strict=True) if standing.twin is None)

    counts = [write_rows(job.path(epoch_file(epoch + 1)), changed(epoch)) for epoch in range(1, spec.count)]
    said = ", ".join(f"epoch {number} {count}" for number, count in enumerate(counts, 2))
    job.ctx.progress.say(f"train rows in other words: {said}")
