"""Balancing the train rows of a dataset in the making: caps, variants and copies, checked against what is held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seekloop.artifact.context import Job
from seekloop.artifact.rows import Row, read_rows, to_line, write_rows
from seekloop.data.augment.resources import Kit
from seekloop.data.augment.spec import AugmentSpec
from seekloop.data.augment.translate import Translator, open_translator
from seekloop.data.balance.fill import Balance, Filler, counted, dump, over_cap
from seekloop.data.balance.plan import plan, table
from seekloop.data.balance.smote import WARNING
from seekloop.data.balance.spec import BalanceSpec
from seekloop.data.intents import CONFIDENCE
from seekloop.data.leak import Guard
from seekloop.data.read.files import locate
from seekloop.data.teaching import REFUSED, Lessons, label_head
from seekloop.data.wording import asked
from seekloop.system import seeds
from seekloop.text.labelled import AnswerForm
from seekloop.text.shingles import prints

__all__ = ["Balanced", "balanced", "held", "kit_of"]


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """What balancing changed."""

    dropped: int
    """Rows over the cap."""
    added: dict[str, int]
    """Rows made, by how."""
    cost: dict[str, float]
    """What a teacher was paid, for the receipt."""


def balanced(spec: BalanceSpec, *, job: Job, guard: Guard, form: AnswerForm) -> Balanced:
    """Even out `train.jsonl` of the job, after the splits are written; `balance.json` says what was planned and done.

    Nothing is made that is like a validation or test row of this dataset or of a round before.

    Args:
        spec: how.
        job: the dataset in the making.
        guard: knows what is held out, in this dataset and in earlier rounds.
        form: what the rows' answers hold.

    Raises:
        DataError: a list of words cannot be read, or a translator or teacher does not answer.
        UsageError: the teacher's key is not in the environment.
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
    lessons = None
    if balance.missing(spec):
        lessons = _lessons(spec, job=job, guard=guard, form=form)
        filler = _filler(spec, job=job, guard=guard, lessons=lessons)
        fresh = job.path("made.jsonl")
        write_rows(fresh, filler.fill(train, balance, counts=counts))
        with train.open("a", encoding="utf-8") as file, fresh.open(encoding="utf-8") as lines:
            file.writelines(lines)
        fresh.unlink()
    if lessons is not None and lessons.report is not None:
        write_rows(job.path(REFUSED), lessons.refused)
    report = balance.report(spec, taught=None if lessons is None else lessons.report)
    job.path("balance.json").write_text(dump(report), "utf-8")
    _say(balance, spec, job=job)
    cost = {} if lessons is None else lessons.cost
    return Balanced(dropped=len(drop), added=dict(sorted(balance.added.items())), cost=cost)


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


def _filler(spec: BalanceSpec, *, job: Job, guard: Guard, lessons: Lessons | None) -> Filler:
    kit = kit_of(spec.augment, job.ctx.root)
    augments = "augment" in spec.ways
    checks = augments and spec.augment.label_check
    return Filler(
        spec=spec,
        kit=kit,
        head=label_head(job.path("train.jsonl"), confidence=CONFIDENCE) if checks else None,
        translator=_translator(spec.augment) if augments else None,
        teacher=lessons,
        held=lambda row: held(row, guard) is not None,
        seed=seeds.derive(job.ctx.seed, "data", "augment"),
    )


def _lessons(spec: BalanceSpec, *, job: Job, guard: Guard, form: AnswerForm) -> Lessons | None:
    if spec.teacher is None:
        return None
    return Lessons(
        spec.teacher,
        per_label=spec.min_rows_per_label,
        train=job.path("train.jsonl"),
        form=form,
        held=lambda row: held(row, guard),
        ctx=job.ctx,
    )


def held(row: Row, guard: Guard) -> str | None:
    """`leak_test` or `leak_validation` where the row is like one that is held out."""
    twin = guard.check(prints([asked(row)]), [None])[0].twin
    return None if twin is None else twin.reason


def kit_of(spec: AugmentSpec, root: Path) -> Kit:
    """The operators with the lists of words that the spec names, which lie in `root` unless they are absolute."""
    distractors = None if spec.distractors is None else locate(spec.distractors, root=root)
    return Kit.of(spec, synonyms=[locate(path, root=root) for path in spec.synonyms], distractors=distractors)


def _translator(spec: AugmentSpec) -> Translator | None:
    wanted = spec.translator if "back_translation" in spec.operators else None
    return None if wanted is None else open_translator(wanted)


def _say(balance: Balance, spec: BalanceSpec, *, job: Job) -> None:
    say = job.ctx.progress.say
    say(table(balance.lines))
    made = ", ".join(f"{way} {count}" for way, count in sorted(balance.added.items())) or "none"
    missing = balance.missing(spec)
    say(f"train rows made: {made}; {len(missing)} labels still lack {sum(missing.values())} rows")
    if missing and "teacher" in spec.ways and spec.teacher is None:
        say("a teacher could write them: name one as balance.teacher, with a budget")
