"""Erasing a person: how much of what is theirs is found, how much of what is found is theirs, and how long that takes.

People are planted in a project: rows in several datasets, under several written forms of their ids; variants, a
teacher's rows, replayed rows, nobody's copies of them; checkpoints and releases; answers, feedback and rows that came
back from production. What is whose is known, because it was put there.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness import Record, median_record
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Corpus, Dataset, Figure, Release, Report
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.artifact.payloads import subject_name
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.loop.erasure.affected import Affected
from seekloop.loop.erasure.erasing import erase, plan, remains
from seekloop.loop.erasure.target import Target
from seekloop.serve.traffic import collect
from seekloop.system.spec import Spec

__all__ = ["Planted", "measures", "plant"]

PEOPLE, ASKED = 300, 20
DATA = f"{PEOPLE} planted people, three datasets, three releases, {ASKED} people asked for"
_splits = ("train", "validation", "test", "dropped")


class _NoOptions(Spec):
    """A spec without options."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A project, and what is whose in it."""

    ids: tuple[str, ...]
    """Of the people, as somebody would write them."""
    rows: defaultdict[int, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    """Person -> (artifact, row)."""
    answers: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    checkpoints: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    releases: dict[str, str] = field(default_factory=dict)
    """Checkpoint -> release."""
    made: dict[str, str] = field(default_factory=dict)
    """Name -> id of an artifact."""


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Every measure of this topic."""
    return [found, speed]


def found() -> Sequence[Record]:
    """Recall and precision over rows, answers, checkpoints and releases, before; and what is left afterwards."""
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder)) as ctx:
        planted = plant(ctx, people=PEOPLE, rows=6_000, seed=7)
        hits = wrong = missed = left = 0
        for person in range(0, PEOPLE, PEOPLE // ASKED):
            target = Target(subjects=(planted.ids[person],))
            got, true = told(plan(target, ctx=ctx).found), truth(planted, person)
            hits, wrong, missed = hits + len(got & true), wrong + len(got - true), missed + len(true - got)
        for person in range(0, PEOPLE, PEOPLE // 4):
            erase(Target(subjects=(planted.ids[person],)), reason="measured", ctx=ctx)
            left += remains(plan(Target(subjects=(planted.ids[person],)), ctx=ctx).found)
        ctx.ledger.verify()
    count = hits + missed
    return [
        Record(name="erase_recall", value=hits / count, unit="share", better="higher", n=count, data=DATA),
        Record(name="erase_precision", value=hits / (hits + wrong), unit="share", better="higher", n=count, data=DATA),
        Record(name="erase_left", value=left, unit="rows and texts", better="lower", n=4, data=DATA),
    ]


def speed() -> Sequence[Record]:
    """Seconds to see what a person got into, and to erase them, with 100,000 rows in the project."""
    seen: list[float] = []
    erased: list[float] = []
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder)) as ctx:
        planted = plant(ctx, people=PEOPLE, rows=100_000, seed=7)
        for person in range(3):
            target = Target(subjects=(planted.ids[person],))
            start = time.perf_counter()
            plan(target, ctx=ctx)
            seen.append(time.perf_counter() - start)
            start = time.perf_counter()
            erase(target, reason="measured", ctx=ctx)
            erased.append(time.perf_counter() - start)
    data = f"{DATA}, 100,000 rows"
    return [
        median_record("affected_100k_s", seen, unit="s", better="lower", data=data, threads=1),
        median_record("erase_100k_s", erased, unit="s", better="lower", data=data, threads=1),
    ]


def told(affected: Affected) -> set[tuple[str, str]]:
    """What was found, as pairs that can be compared with `truth`."""
    rows = {(one.artifact, row) for one in affected.holdings for row in one.ids}
    answers = {("answer", one) for one in affected.held.answers}
    weights = {("checkpoint", one) for one in affected.checkpoints}
    return rows | answers | weights | {("release", one) for one in affected.releases}


def truth(planted: Planted, person: int) -> set[tuple[str, str]]:
    """What is a person's, and what came of it."""
    weights = planted.checkpoints[person]
    releases = {("release", planted.releases[one]) for one in weights if one in planted.releases}
    answers = {("answer", one) for one in planted.answers[person]}
    return planted.rows[person] | answers | {("checkpoint", one) for one in weights} | releases


def plant(ctx: RunContext, *, people: int, rows: int, seed: int) -> Planted:
    """Make the project; `rows` counts those of corpora and datasets, roughly."""
    maker = _Maker(ctx, people=people, seed=seed)
    maker.first(rows // 5)
    maker.second(rows // 10)
    maker.production()
    maker.settle()
    return maker.planted


class _Maker:
    """Makes artifacts, and remembers whose their rows are."""

    def __init__(self, ctx: RunContext, *, people: int, seed: int) -> None:
        self._ctx = ctx
        self._random = random.Random(seed)
        ids = (f"138{number:08d}" if number % 3 == 0 else f"C{number}" for number in range(people))
        self.planted = Planted(ids=tuple(ids))
        self._owners: dict[str, set[int]] = {}
        """Row -> whose it is: several where a teacher saw rows of several."""
        self._kept: dict[str, dict[str, list[Row]]] = {}
        """Dataset -> its rows by file."""
        self._places: list[tuple[str, set[str]]] = []
        """Artifacts and their rows."""

    def first(self, count: int) -> None:
        """A corpus, its dataset with everything that can be made of rows, a checkpoint and a release."""
        rows = [self._row("a.jsonl", number) for number in range(count)]
        corpus = self._corpus("first", rows)
        kept: dict[str, list[Row]] = defaultdict(list)
        for number, row in enumerate(rows):
            kept[_splits[number % 7 % 4] if number % 7 < 4 else "train"].append(row)
        kept["dropped"] = [row.model_copy(update={"dropped": "too_long"}) for row in kept["dropped"]]
        kept["dropped"] += self._twins(kept["train"][::9])
        kept["train"] += self._made(kept["train"][::5])
        self._random.shuffle(kept["train"])
        self._dataset("first", kept, parents={"corpus": corpus})
        base = self._checkpoint("base", {})
        self._checkpoint("tuned", {"dataset": self.planted.made["dataset first"], "base": base})
        self._release("tuned", on="first")

    def second(self, count: int) -> None:
        """A second corpus of half of the people, mixed with replayed rows; and a third dataset that replays nothing."""
        half = range(len(self.planted.ids) // 2)
        rows = [self._row("b.jsonl", number, among=half) for number in range(count)]
        corpus = self._corpus("second", rows)
        old = [row for row in self._kept["first"]["train"] if len(row.messages) == 1][: count // 2]
        parent = self.planted.made["dataset first"]
        again = [row.model_copy(update={"meta": {**row.meta, "replayed_from": parent}}) for row in old]
        parents = {"corpus": corpus, "parent": parent}
        self._dataset("second", {"train": [*rows[: count // 2], *again], "test": rows[count // 2 :]}, parents=parents)
        self._dataset("third", {"train": rows[::3], "test": rows[1::3], "dropped": rows[2::3]}, parents=parents)
        made = self.planted.made
        base = made["checkpoint base"]
        taught = {"dataset": made["dataset second"], "base": base, "parent": made["checkpoint tuned"]}
        self._checkpoint("continued", taught)
        self._checkpoint("fresh", {"dataset": made["dataset third"], "base": base})
        self._checkpoint("small", {"checkpoint": made["checkpoint fresh"], "base": base})
        self._release("small", on="third")
        self._release("continued", on="second")

    def production(self) -> None:
        """Answers to users of two callers, feedback, traffic, and rows that came back from it."""
        release = self.planted.releases[self.planted.made["checkpoint continued"]]
        answers = []
        for number in range(3 * len(self.planted.ids)):
            person = self._random.randrange(len(self.planted.ids))
            caller = "app" if person % 2 else "desk"
            answers.append(_answer(number, release, caller, self.planted.ids[person]))
            self.planted.answers[person].add(answers[-1].id)
        self._ctx.ledger.record_answers(answers)
        for number, answer in enumerate(answers[::4]):
            said = Feedback(
                id=f"fb{number}", answer=answer.id, at=answer.at, caller=answer.caller, comment="no", score=0
            )
            self._ctx.ledger.record_feedback(said)
            self._ctx.ledger.note("review.decided", answer.id, facts={"decision": "accept"}, actor="ann")
        traffic = collect(self._ctx)
        self.planted.made["traffic"] = traffic.id
        owners = {answer: person for person, ids in self.planted.answers.items() for answer in ids}
        learnt: list[Row] = []
        for answer in answers[::4]:
            row = _simple(row_id([answer.id]), "traffic", len(learnt) + 1, answer.content)
            learnt.append(row.model_copy(update={"origin": answer.id, "subject": answer.caller}))
            self._owners[row.id] = {owners[answer.id]}
        self._corpus("learnt", learnt)

    def _row(self, file: str, number: int, *, among: Sequence[int] | None = None) -> Row:
        """A row of somebody, or of nobody."""
        person = self._random.choice(among or range(len(self.planted.ids)))
        row = _simple(row_id([file, number]), file, number + 1, f"message {number} of {file}")
        if number % 10 == 0:
            self._owners[row.id] = set()
            return row
        self._owners[row.id] = {person}
        identity = self.planted.ids[person]
        if file == "b.jsonl" and person % 3 == 0:
            identity = f"{identity[:3]}-{identity[3:7]}-{identity[7:]}"
        return row.model_copy(update={"subject": identity})

    def _twins(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Nobody's copies of rows, and other people's rows that say nearly the same."""
        for number, row in enumerate(rows):
            identity = row_id(["twin", row.id])
            copy = row.model_copy(update={"id": identity, "twin": row.id, "dropped": "duplicate_near", "subject": None})
            self._owners[identity] = set(self._owners[row.id])
            if number % 2:
                other = self._random.randrange(len(self.planted.ids))
                copy = copy.model_copy(update={"subject": self.planted.ids[other]})
                self._owners[identity] = {other}
                if row.subject is None:
                    # Nobody's row that stands for theirs is theirs as well.
                    self._owners[row.id] |= {other}
            yield copy

    def _made(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Variants of rows, and what a teacher wrote who was shown two."""
        before: Row | None = None
        for row in rows:
            identity = row_id(["made", row.id])
            meta: dict[str, object] = {"augmented_from": row.id, "operator": "synonym"}
            self._owners[identity] = set(self._owners[row.id])
            if before is not None and row.source.line % 2:
                meta = {"taught_from": row.id, "synthetic": {"seeds": [row.id, before.id]}}
                self._owners[identity] |= self._owners[before.id]
            yield row.model_copy(update={"id": identity, "meta": meta})
            before = row

    def _corpus(self, name: str, rows: Sequence[Row]) -> str:
        with self._ctx.job("data", _NoOptions()) as job:
            write_rows(job.path("rows.jsonl"), rows)
            facts = {"rows": len(rows), "sources": (name,), "formats": ("jsonl",)}
            return self._placed(f"corpus {name}", job.commit(Corpus(made_by=job.origin, **facts)).id, rows)

    def _dataset(self, name: str, kept: dict[str, list[Row]], *, parents: dict[str, str]) -> None:
        self._kept[name] = kept
        made = [row for row in kept["train"] if "augmented_from" in row.meta or "taught_from" in row.meta]
        came = [row for row in made if "replayed_from" not in row.meta]
        with self._ctx.job("data", _NoOptions()) as job:
            for split in _splits:
                write_rows(job.path(f"{split}.jsonl"), kept.get(split, []))
            reasons = Counter(row.dropped or "other" for row in kept.get("dropped", []))
            added = Counter("teacher" if "taught_from" in row.meta else "augment:synonym" for row in came)
            splits = {split: len(kept.get(split, [])) for split in _splits[:3]}
            rows = sum(splits.values()) + sum(reasons.values()) - sum(added.values())
            dataset = Dataset(
                parents=parents,
                made_by=job.origin,
                rows=rows,
                splits=splits,
                dropped=dict(reasons),
                added=dict(added),
                replay=sum("replayed_from" in row.meta for row in kept["train"]),
            )
            identity = job.commit(dataset).id
        self._placed(f"dataset {name}", identity, [row for rows in kept.values() for row in rows])

    def _placed(self, name: str, identity: str, rows: Iterable[Row]) -> str:
        self.planted.made[name] = identity
        self._places.append((identity, {row.id for row in rows}))
        return identity

    def settle(self) -> None:
        """Say whose rows are whose, once all of them are made."""
        for identity, rows in self._places:
            for row in rows:
                for person in self._owners[row]:
                    self.planted.rows[person].add((identity, row))

    def _checkpoint(self, name: str, parents: dict[str, str]) -> str:
        with self._ctx.job("tune" if "dataset" in parents else "compress", _NoOptions()) as job:
            job.path("weights.txt").write_text(name, "utf-8")
            facts = {"form": "full", "family": "tiny", "precision": "f32", "parameters": 1}
            identity = job.commit(Checkpoint(parents=parents, made_by=job.origin, **facts)).id
        self.planted.made[f"checkpoint {name}"] = identity
        datasets = {made: key for key, made in self.planted.made.items() if key.startswith("dataset ")}
        for person in range(len(self.planted.ids)):
            taught = any(
                person in self._owners[row.id]
                for parent in parents.values()
                if parent in datasets
                for row in self._kept[datasets[parent].partition(" ")[2]]["train"]
            )
            if taught or self.planted.checkpoints[person] & set(parents.values()):
                self.planted.checkpoints[person].add(identity)
        return identity

    def _release(self, name: str, *, on: str) -> None:
        checkpoint, dataset = self.planted.made[f"checkpoint {name}"], self.planted.made[f"dataset {on}"]
        with self._ctx.job("evaluate", _NoOptions()) as job:
            lines = [f'{{"row": "{row.id}", "got": "card"}}\n' for row in self._kept[on].get("test", [])]
            job.path("answers.jsonl").write_text("".join(lines), "utf-8")
            facts = {"subject": checkpoint, "dataset": dataset, "split": "test", "engine": "echo"}
            figures = (Figure(name="accuracy", value=1.0, n=len(lines)),)
            parents = {"checkpoint": checkpoint, "dataset": dataset}
            report = job.commit(Report(parents=parents, made_by=job.origin, figures=figures, **facts))
        with self._ctx.job("serve", _NoOptions()) as job:
            parents = {"checkpoint": checkpoint, "report": report.id}
            release = Release(parents=parents, made_by=job.origin, checkpoint=checkpoint, report=report.id)
            self.planted.releases[checkpoint] = job.commit(release).id
        self._ctx.ledger.move_alias(
            "production", self.planted.releases[checkpoint], expected_version=None, actor="li", reason=name
        )


def _simple(identity: str, file: str, line: int, text: str) -> Row:
    messages = (Message(role="user", content=text),)
    return Row(id=identity, messages=messages, source=Source(file=file, line=line), label="card")


def _answer(number: int, release: str, caller: str, user: str) -> Answer:
    return Answer(
        id=f"ans_{number:032x}",
        release=release,
        at=f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}+00:00",
        caller=caller,
        messages=[{"role": "user", "content": f"question {number}"}],
        content=f"answer {number}",
        finish_reason="stop",
        prompt_tokens=5,
        completion_tokens=7,
        first_token_ms=1.5,
        total_ms=20.0,
        subject=subject_name("local", caller, user),
    )
