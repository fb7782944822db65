"""Balancing the train rows of a dataset in the making: caps, variants and copies, checked against what is held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.context import Job
from seekloop.artifact.rows import Row, read_rows, to_line, write_rows
from seekloop.data.augment.gate import LabelHead
from seekloop.data.augment.resources import Kit
from seekloop.data.augment.rows import asked_last
from seekloop.data.augment.spec import AugmentSpec
from seekloop.data.augment.translate import Translator, open_translator
from seekloop.data.balance.fill import Balance, Filler, counted, dump, over_cap
from seekloop.data.balance.plan import plan, table
from seekloop.data.balance.smote import WARNING
from seekloop.data.balance.spec import BalanceSpec
from seekloop.data.leak import Guard
from seekloop.data.read.files import locate
from seekloop.data.spec import Split
from seekloop.data.wording import asked
from seekloop.system import seeds
from seekloop.text.shingles import prints

__all__ = ["Balanced", "balanced"]


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """What balancing changed."""

    dropped: int
    """Rows over the cap."""
    added: dict[str, int]
    """Rows made, by how."""


def balanced(spec: BalanceSpec, *, job: Job, guard: Guard) -> Balanced:
    """Even out `train.jsonl` of the job, after the splits are written; `balance.json` says what was planned and done.

    Nothing is made that is like a validation or test row of this dataset or of a round before.

    Args:
        spec: how.
        job: the dataset in the making.
        guard: knows what earlier rounds and sources hold out; this dataset's own rows are told to it here.

    Raises:
        DataError: a list of words cannot be read, or a translator does not answer.
    """
    ctx, train = job.ctx, job.path("train.jsonl")
    before = counted(read_rows(train))
    drop = over_cap(read_rows(train), spec, counts=before, seed=seeds.derive(ctx.seed, "data", "cap"))
    if drop:
        _leave_out(drop, job)
    counts = counted(read_rows(train))
    balance = Balance(lines=plan(before, spec, kept=counts))
    if "smote" in spec.ways:
        ctx.progress.say(WARNING)
    held: tuple[Split, ...] = ("validation", "test")
    for split in held:
        guard.settle(split, read_rows(job.path(f"{split}.jsonl")))
    if balance.missing(spec):
        filler = _filler(spec, job=job, guard=guard)
        fresh = job.path("made.jsonl")
        write_rows(fresh, filler.fill(train, balance, counts=counts))
        with train.open("a", encoding="utf-8") as file, fresh.open(encoding="utf-8") as lines:
            file.writelines(lines)
        fresh.unlink()
    job.path("balance.json").write_text(dump(balance.report(spec)), "utf-8")
    _say(balance, spec, job=job)
    return Balanced(dropped=len(drop), added=dict(sorted(balance.added.items())))


def _leave_out(drop: frozenset[str], job: Job) -> None:
    """Move rows from train to dropped."""
    train, kept = job.path("train.jsonl"), job.path("kept.jsonl")
    with job.path("dropped.jsonl").open("a", encoding="utf-8") as dropped:

        def stay() -> Iterator[Row]:
            for row in read_rows(train):
                if row.id in drop:
                    dropped.write(to_line(row.model_copy(update={"dropped": "over_cap"})))
                else:
                    yield row

        write_rows(kept, stay())
    kept.replace(train)


def _filler(spec: BalanceSpec, *, job: Job, guard: Guard) -> Filler:
    kit = _kit(spec.augment, job.ctx.root)
    augments = "augment" in spec.ways
    return Filler(
        spec=spec,
        kit=kit,
        head=_head(job.path("train.jsonl")) if augments and spec.augment.label_check else None,
        translator=_translator(spec.augment) if augments else None,
        held=lambda row: guard.check(prints([asked(row)]), [None])[0].twin is not None,
        seed=seeds.derive(job.ctx.seed, "data", "augment"),
    )


def _kit(spec: AugmentSpec, root: Path) -> Kit:
    distractors = None if spec.distractors is None else locate(spec.distractors, root=root)
    return Kit.of(spec, synonyms=[locate(path, root=root) for path in spec.synonyms], distractors=distractors)


def _translator(spec: AugmentSpec) -> Translator | None:
    wanted = spec.translator if "back_translation" in spec.operators else None
    return None if wanted is None else open_translator(wanted)


def _head(train: Path) -> LabelHead:
    """The label check, learnt from the train rows alone."""
    labels = sorted({row.label for row in read_rows(train) if row.label is not None})
    pairs = ((asked_last(row), row.label) for row in read_rows(train) if row.label is not None)
    return LabelHead.train(pairs, labels=labels)


def _say(balance: Balance, spec: BalanceSpec, *, job: Job) -> None:
    say = job.ctx.progress.say
    say(table(balance.lines))
    made = ", ".join(f"{way} {count}" for way, count in sorted(balance.added.items())) or "none"
    missing = balance.missing(spec)
    say(f"train rows made: {made}; {len(missing)} labels still lack {sum(missing.values())} rows")
    if missing and "teacher" in spec.ways:
        say("a teacher could write them: this is planned in balance.json and not done here")
