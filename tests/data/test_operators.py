"""The operators elsewhere: other processes, other batches, another order, and the bytes of the stage."""

from __future__ import annotations

import dataclasses
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor

import pytest

from seekloop.artifact.rows import Row, read_rows, to_line
from seekloop.data.declared import declared_levels
from seekloop.data.operators import CLEANING, OPERATORS, Batch, Terms, sift
from seekloop.data.read import read_corpus
from seekloop.data.sieve import learnt
from seekloop.data.spec import RULES, DataInputs, DataSpec
from seekloop.data.stage import run
from seekloop.data.survey import survey
from seekloop.system.progress import Silent
from tests.data.mapping import mapped

SUBJECTS = ("card", "transfer", "fee", "账单", "额度")


class Stopped(Exception):
    """A run that was stopped before its commit, with all parts done."""


class StopsBeforeTheCommit(Silent):
    """Stops at the line that says where every row went."""

    def say(self, text: str) -> None:
        """The last thing said before the commit."""
        if "rows in" in text:
            raise Stopped


def record(number: int) -> dict:
    """Labels by number, personal data of several kinds, noise that is marked, rows that a rule drops."""
    subject = SUBJECTS[number % 5]
    text = f"ＭＹ {subject} no. {number * 7919} is wrong, call 1381234{number:04d} 或者 me{number}@example.com 两点前"
    noise = {"noise": number % 2 == 0} if number % 4 == 0 else {}
    text = f"{number * 31} zzz qqq {number % 7} xxx" if noise.get("noise") else "!!!" if number % 50 == 1 else text
    return {"text": text, "intent": str(number % 3), "reply": f"we look into {subject} {number}", **noise}


@pytest.fixture
def spec(write) -> DataSpec:
    """Every operator has work, and the sieve learns all that it can."""
    return DataSpec.parse(
        {
            "sources": [{"path": write("a.jsonl", [record(number) for number in range(600)])}],
            "labels": {"names": ["card", "money", "other"]},
            "clean": {"pii": {"actions": {"phone": "hash", "email": "replace"}}},
            "filter": {"rules": [*RULES, "irrelevant_reply"], "classifier": {"type": "ngram"}},
        }
    )


def terms_of(spec, corpus, ctx) -> Terms:
    """What the stage goes by, after the sieve has learnt."""
    rows = ctx.store.path(corpus.id, "rows.jsonl")
    found = survey(rows, declared_levels(spec.labels, ctx.root))
    terms = Terms.of(spec, answer="label_then_text", labelling=found.labelling, ctx=ctx)
    cleaned = sift(Batch(list(read_rows(rows)), {}, {}), terms, names=CLEANING).rows
    with ctx.job("data", spec) as job:
        sieve = learnt(
            spec.filter,
            lambda: [row for row in cleaned if row.dropped is None],
            clean=lambda row: row,
            ancestors=[],
            job=job,
        )
    return dataclasses.replace(terms, sieve=sieve)


def test_operators_elsewhere_give_the_bytes_of_the_stage(spec, ctx):
    corpus = read_corpus(spec.sources, ctx=ctx, spec=spec.read)
    with pytest.raises(Stopped):
        run(spec, DataInputs(corpus=corpus), ctx=dataclasses.replace(ctx, progress=StopsBeforeTheCommit()))
    parts = sorted(ctx.work.glob("data-*/part-*.jsonl"))
    expected = [line for part in parts for line in part.read_text("utf-8").splitlines(keepends=True)[1:]]

    terms = terms_of(spec, corpus, ctx)
    lines = [to_line(row) for row in read_rows(ctx.store.path(corpus.id, "rows.jsonl"))]
    order = random.Random(5).sample(range(len(lines)), len(lines))
    batches = [order[at : at + 37] for at in range(0, len(order), 37)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        sent = [[lines[place] for place in batch] for batch in batches]
        done = list(pool.map(mapped, sent, [tuple(OPERATORS)] * len(sent), [terms] * len(sent)))
    found = dict(
        zip((place for batch in batches for place in batch), (line for part in done for line in part), strict=True)
    )
    assert [found[place] for place in range(len(lines))] == expected
    reasons = {Row.model_validate_json(line).dropped for line in expected}
    assert reasons >= {None, "marked_noise", "no_letters"}
