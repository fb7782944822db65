"""How much poison gets into a lesson, what that costs honest people, and which months are held.

A month is a thousand corrections of answers that came in through the batch door, in a real ledger; the shipped `learn`
stage judges them. The answers are those of a nearest-neighbour classifier, and honest people correct what it really got
wrong, so what they say is as hard to believe as it is in production. Malicious accounts send wrong labels at random, or
all of them say of one label that it is another: any other, or the one that it is most easily taken for.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.harness import Peer, Record, median_record, wilson
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Figure, Lesson, Release, Report
from seekloop.artifact.ledger import Answer
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.learn import stage
from seekloop.learn.quarantine import read_set_aside
from seekloop.learn.spec import LearnInputs, LearnSpec
from seekloop.learn.verdict import POISONED
from seekloop.serve.caller import Caller, Role
from seekloop.serve.feedback.taking import take
from seekloop.serve.traffic import collect
from seekloop.system.spec import Spec
from seekloop.text.hashed import Hashed

__all__ = ["CASES", "Case", "measures"]

SEED, MONTHS = 7, 6
"""Months of each case: six is the least whose median has an interval of 95 %."""
SIZE, KNOWN, POOL, USERS = 1_000, 4_000, 5_000, 400
"""Corrections of a month, rows that the model was taught, messages that months are drawn from, honest people."""
VOICES = 3
"""That a labelling tool asks about each row."""
KINDS = ("random", "campaign", "near")
GREETINGS = ("", "Hi, ", "Hello, ", "Good morning, ", "Please help. ", "Hey team, ")
AT = "2026-01-01T00:00:00+00:00"
DATA = f"banking77, {SIZE} corrections a month through one caller, {KNOWN} known rows"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Who lies, how much and how."""

    share: float = 0.0
    """Of the month's corrections."""
    accounts: int = 1
    kind: str = "random"
    """One of `KINDS`."""

    @property
    def name(self) -> str:
        """In the names of figures."""
        return f"{self.kind}_{round(100 * self.share)}pct_{self.accounts}" if self.share else "no_lies"


CASES = (
    Case(),
    *(
        Case(kind=kind, share=share, accounts=accounts)
        for kind, share, accounts in itertools.product(KINDS, (0.05, 0.10, 0.25), (1, 5, 50))
        if kind != "near" or accounts == max((1, 5, 50))
    ),
)
"""A month without lies; then every kind, share and number of accounts, and what is hardest to see from most of them."""
TRUSTING = LearnSpec.parse(
    {
        "max_per_caller": SIZE,
        "trust": {"content": False, "max_per_user": SIZE, "max_per_label": SIZE, "max_poison": 1.0},
    }
)
"""What a plain pipeline does: every correction is taken."""
SHIPPED = LearnSpec(max_per_caller=SIZE)
"""The defaults, for a month whose people are all behind one application's key."""


@dataclass(frozen=True, kw_only=True)
class _Said:
    """One correction, and what is true."""

    text: str
    truth: str
    answered: str
    label: str
    user: str

    @property
    def is_poison(self) -> bool:
        return self.label != self.truth


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """What the months of one seed are drawn from."""

    known: Sequence[Row]
    labels: Sequence[str]
    asked: Sequence[tuple[str, str, str]]
    """Message, its label, and what was answered."""

    def near(self, label: str) -> str:
        """What is most often answered to messages of a label, beside it."""
        wrong = Counter(answered for _, truth, answered in self.asked if truth == label != answered)
        return min(wrong, key=lambda one: (-wrong[one], one)) if wrong else next(o for o in self.labels if o != label)


@dataclass(frozen=True, kw_only=True)
class _Became:
    """What became of a month: shares of its poisoned and of its honest corrections."""

    poison: float
    """That is trained, if the month is not held."""
    honest: float
    """That is set aside."""
    held: bool


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure a case, and a plain pipeline."""
    rows = _banking(data)
    pools = [_pool(rows, seed) for seed in range(MONTHS)]
    return [*(partial(_measure, case, pools) for case in CASES), partial(_plain, pools)]


def _measure(case: Case, pools: Sequence[_Pool]) -> Sequence[Record]:
    months = [_month(pool, case, seed) for seed, pool in enumerate(pools)]
    became = [_learnt(said, pool, spec=SHIPPED) for said, pool in zip(months, pools, strict=True)]
    voted = [_voted(said, case, seed) for seed, said in enumerate(months)]
    held = sum(one.held for one in became)
    found = [
        _shares("honest_set_aside_share", case, [one.honest for one in became], [one.honest for one in voted]),
        Record(
            name=f"poisoned_months_held_{case.name}",
            value=held / MONTHS,
            unit="share",
            better="higher" if case.share else "lower",
            n=MONTHS,
            ci=wilson(held, MONTHS),
            data=DATA,
            seed=SEED,
        ),
    ]
    if case.share:
        poison = [one.poison for one in became], [one.poison for one in voted]
        found.insert(0, _shares("poison_trained_share", case, *poison))
    return found


def _plain(pools: Sequence[_Pool]) -> Sequence[Record]:
    """A pipeline that takes every correction: the same stage with every defence off."""
    case = Case(share=0.05, accounts=50)
    became = [_learnt(_month(pool, case, seed), pool, spec=TRUSTING).poison for seed, pool in enumerate(pools)]
    return [
        median_record("poison_trained_share_plain", became, unit="share", better="lower", data=DATA, seed=SEED),
    ]


def _shares(name: str, case: Case, ours: Sequence[float], voted: Sequence[float]) -> Record:
    """Median over months, beside a vote of three about each row."""
    middle = sorted(voted)[len(voted) // 2]
    peer = Peer(name=f"majority of {VOICES} people asked about each row", version="1", value=middle)
    return median_record(
        f"{name}_{case.name}", ours, unit="share", better="lower", peer=peer, data=DATA, seed=SEED, threads=1
    )


def _month(pool: _Pool, case: Case, seed: int) -> list[_Said]:
    """The corrections of a month, in the order in which they come."""
    chance = random.Random(f"{SEED} {seed} {case.name}")
    lies = round(SIZE * case.share)
    wrong = [one for one in pool.asked if one[1] != one[2]]
    honest = [
        _Said(text=text, truth=truth, answered=answered, label=truth, user=f"u{at % USERS}")
        for at, (text, truth, answered) in enumerate(chance.sample(wrong, SIZE - lies))
    ]
    spoken = {one.text for one in honest}
    left = [one for one in pool.asked if one[0] not in spoken]
    poison = _random(left, lies, pool, chance) if case.kind == "random" else _campaign(lies, case, pool, chance)
    month = [*honest, *(_by(one, f"liar{at % case.accounts}") for at, one in enumerate(poison))]
    chance.shuffle(month)
    return month


def _random(left: Sequence[tuple[str, str, str]], count: int, pool: _Pool, chance: random.Random) -> list[_Said]:
    """Each lie another."""
    return [
        _Said(
            text=text,
            truth=truth,
            answered=answered,
            label=chance.choice([one for one in pool.labels if one not in (truth, answered)]),
            user="",
        )
        for text, truth, answered in chance.sample(left, count)
    ]


def _campaign(count: int, case: Case, pool: _Pool, chance: random.Random) -> list[_Said]:
    """All lies say of one label's messages that they are another label's."""
    most = Counter(truth for _, truth, _ in pool.asked)
    truth = chance.choice(sorted(most, key=lambda one: (-most[one], one))[:20])
    label = pool.near(truth) if case.kind == "near" else chance.choice([one for one in pool.labels if one != truth])
    texts = [(text, answered) for text, own, answered in pool.asked if own == truth and answered != label]
    said = [
        _Said(text=greeting + text, truth=truth, answered=answered, label=label, user="")
        for greeting in GREETINGS
        for text, answered in texts
    ]
    return chance.sample(said, count)


def _by(said: _Said, user: str) -> _Said:
    return _Said(text=said.text, truth=said.truth, answered=said.answered, label=said.label, user=user)


def _learnt(said: Sequence[_Said], pool: _Pool, *, spec: LearnSpec) -> _Became:
    """What the shipped stage makes of a month."""
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        report = _production(said, pool, ctx)
        lesson = stage.run(spec, LearnInputs(traffic=collect(ctx), report=report), ctx=ctx)
        aside = {int(one.feedback[1:]) for one in read_set_aside(lesson, store=ctx.store)}
    return _became(said, aside, held=_is_held(lesson))


def _became(said: Sequence[_Said], aside: set[int], *, held: bool) -> _Became:
    lies = {at for at, one in enumerate(said) if one.is_poison}
    return _Became(
        poison=len(lies - aside) / max(1, len(lies)),
        honest=len(aside - lies) / (len(said) - len(lies)),
        held=held,
    )


def _is_held(lesson: Lesson) -> bool:
    return lesson.verdict == "wait" and lesson.reason.startswith(POISONED)


def _voted(said: Sequence[_Said], case: Case, seed: int) -> _Became:
    """What a labelling tool makes of it that asks three about each row: of those, as many lie as of the month's voices.

    Who lies at random agrees with nobody; a campaign's voices agree on its own rows.
    """
    chance = random.Random(f"{SEED} {seed} votes {case.name}")
    aside = set()
    for at, one in enumerate(said):
        lying = sum(chance.random() < case.share for _ in range(VOICES - 1))
        true = VOICES - 1 - lying
        mine = 1 + (lying if case.kind != "random" else 0) if one.is_poison else 1 + true
        if mine <= VOICES // 2:
            aside.add(at)
    return _became(said, aside, held=False)


def _production(said: Sequence[_Said], pool: _Pool, ctx: RunContext) -> Report:
    """A released checkpoint with the rows that it was taught, its answers, and what was said of them."""
    with ctx.job("data", Spec()) as job:
        write_rows(job.path("train.jsonl"), pool.known)
        facts = {"rows": len(pool.known), "splits": {"train": len(pool.known)}, "dropped": {}}
        dataset = job.commit(Dataset(made_by=job.origin, labels=tuple(pool.labels), answer="label", **facts))
    with ctx.job("tune", Spec()) as job:
        checkpoint = job.commit(
            Checkpoint(made_by=job.origin, form="full", family="tiny", precision="f32", parameters=1)
        )
    parents = {"checkpoint": checkpoint.id, "dataset": dataset.id}
    with ctx.job("evaluate", Spec()) as job:
        facts = {"subject": checkpoint.id, "dataset": dataset.id, "split": "test", "engine": "nearest neighbour"}
        figures = (Figure(name="accuracy", value=0.9, n=1),)
        report = job.commit(Report(parents=parents, made_by=job.origin, figures=figures, **facts))
    with ctx.job("serve", Spec()) as job:
        made = {"checkpoint": checkpoint.id, "report": report.id}
        release = job.commit(Release(parents=made, made_by=job.origin, checkpoint=checkpoint.id, report=report.id))
    ctx.ledger.record_answers([_answer(at, one, release) for at, one in enumerate(said)])
    lines = (
        (at + 1, {"answer": _name(at), "id": f"f{at:05d}", "label": one.label, "user": one.user})
        for at, one in enumerate(said)
    )
    taken = take(lines, ledger=ctx.ledger, caller=Caller(name="app", role=Role.REVIEWER), at=AT)
    assert taken.recorded == len(said), taken.refused[:1]
    return report


def _name(at: int) -> str:
    return f"ans_{at:032x}"


def _answer(at: int, said: _Said, release: Release) -> Answer:
    return Answer(
        id=_name(at),
        release=release.id,
        at=AT,
        caller="app",
        messages=[{"role": "user", "content": said.text}],
        content=said.answered,
        finish_reason="stop",
        prompt_tokens=5,
        completion_tokens=5,
        first_token_ms=1.0,
        total_ms=2.0,
    )


def _pool(rows: Sequence[tuple[str, str]], seed: int) -> _Pool:
    """Known rows, and other messages with what the nearest of them is labelled."""
    drawn = random.Random(f"{SEED} {seed}").sample(rows, KNOWN + POOL)
    known, asked = drawn[:KNOWN], drawn[KNOWN:]
    hashed = Hashed.of([text for text, _ in known])
    near = hashed.vectors([text for text, _ in known])
    places = np.concatenate(
        [
            (hashed.vectors([text for text, _ in asked[at : at + SIZE]]) @ near.T).argmax(axis=1)
            for at in range(0, POOL, SIZE)
        ]
    )
    return _Pool(
        known=[_row(at, text, label) for at, (text, label) in enumerate(known)],
        labels=sorted({label for _, label in rows}),
        asked=[(text, label, known[place][1]) for (text, label), place in zip(asked, places, strict=True)],
    )


def _row(at: int, text: str, label: str) -> Row:
    source = Source(file="known.jsonl", line=at + 1)
    return Row(id=row_id([at, text]), messages=(Message(role="user", content=text),), label=label, source=source)


def _banking(data: Path) -> list[tuple[str, str]]:
    """Messages and labels of both files, each message once."""
    found: dict[str, str] = {}
    for name in ("train.csv.gz", "test.csv"):
        path = data / "banking77" / name
        with gzip.open(path, "rt", encoding="utf-8") if name.endswith(".gz") else path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["text"].strip(), row["category"])
    return list(found.items())
