"""Studies and their books: blind, in random order, never losing what was said."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys

import pytest

from seekloop.evaluate.human.book import Book, Rating
from seekloop.evaluate.human.spec import DimensionsSpec, default_dimensions
from seekloop.evaluate.human.study import make, open_study
from seekloop.evaluate.human.tasks import in_order, is_swapped, tasks_of
from seekloop.system.errors import DataError, UsageError
from seekloop.system.spec import Spec
from tests.evaluate.human.saying import rates

CHILD = """
import sys
from pathlib import Path
from seekloop.evaluate.human.book import Book, Rating
book = Book(Path(sys.argv[1]))
for number in range(100000):
    book.put(Rating(rater="ann", task=str(number), values={"relevance": number % 6}))
    print(number, flush=True)
"""


def test_each_rater_has_an_order_of_their_own_and_finds_it_again(study_of):
    tasks = study_of(limit=20).tasks
    ann, bob = ([task.id for task in in_order(tasks, rater=rater, seed=7)] for rater in ("ann", "bob"))
    assert ann != bob and sorted(ann) == sorted(bob)
    assert ann == [task.id for task in in_order(list(reversed(tasks)), rater="ann", seed=7)]


def test_sides_are_exchanged_about_half_the_time_and_not_alike_for_two_raters(study_of):
    one = study_of(ask=("prefer",), limit=None).tasks[0]
    # Names of our own: those of a study follow from the version of the code, and of 21 most may fall to one side.
    tasks = [dataclasses.replace(one, id=f"task:{number}") for number in range(400)]
    ann, bob = ([is_swapped(task, rater=rater, seed=7) for task in tasks] for rater in ("ann", "bob"))
    assert 0.25 < sum(ann) / len(ann) < 0.75
    assert ann != bob


def test_the_limit_holds_for_people_and_not_for_a_judge(spec_of, ctx):
    spec = spec_of(limit=5)
    assert len(tasks_of(spec, store=ctx.store)) == 5
    assert len(tasks_of(spec, store=ctx.store, everything=True)) == 21


def test_the_same_study_is_found_again_and_another_of_its_name_refused(spec_of, ctx):
    make(spec_of(), ctx=ctx)
    make(spec_of(), ctx=ctx)
    with pytest.raises(UsageError) as caught:
        make(spec_of(limit=4), ctx=ctx)
    assert caught.value.code == "human.other_study"


def test_a_study_that_there_is_not_is_named_with_those_that_are(study_of, ctx):
    study_of()
    with pytest.raises(UsageError) as caught, open_study("tome", ctx=ctx):
        pass
    assert (caught.value.code, caught.value.facts["known"]) == ("human.no_study", "tone")


def test_reports_without_a_shared_row_are_refused(report_of, spec_of, ctx, asked):
    spec = spec_of(ask=("prefer",))
    asked[:] = [one.model_copy(update={"id": f"row:{place}"}) for place, one in enumerate(asked)]
    other = report_of(lambda one: "other rows")
    with pytest.raises(DataError) as caught:
        tasks_of(spec.model_copy(update={"reports": (spec.reports[0], other.id)}), store=ctx.store)
    assert caught.value.code == "human.no_shared_rows"


def test_links_differ_between_raters_and_stay_the_same_for_one(study_of, ctx):
    study = study_of()
    tokens = {study.token(rater) for rater in ("ann", "bob")}
    assert len(tokens) == 2 and all(len(token) == 32 for token in tokens)
    with open_study("tone", ctx=ctx) as again:
        assert again.token("ann") == study.token("ann") and again.rater(study.token("bob")) == "bob"
    assert (study.folder / "secret").stat().st_mode & 0o077 == 0


def test_undo_takes_back_the_last_thing_that_stands_one_by_one(study_of):
    study = study_of()
    first, second, _ = study.tasks
    study.book.put(rates("ann", first, 1), rates("ann", first, 1, 2), rates("ann", second, 3))
    study.book.put(rates("bob", first, 5))
    assert study.book.undo("ann") == second.id
    assert study.book.undo("ann") == first.id
    assert {one.task: dict(one.values) for one in study.book.of("ann").values()} == {first.id: {"relevance": 1}}
    assert (study.book.undo("ann"), study.book.undo("ann"), study.book.of("ann")) == (first.id, None, {})
    assert len(study.book.of("bob")) == 1


def test_every_rating_that_was_acknowledged_survives_kill_9(tmp_path):
    path = tmp_path / "ratings.sqlite"
    command = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        told = [child.stdout.readline() for _ in range(40)][-1]
        os.kill(child.pid, signal.SIGKILL)
    with Book(path) as book:
        kept = book.of("ann")
        assert len(kept) > int(told) and all(str(number) in kept for number in range(int(told) + 1))
        book.put(Rating(rater="ann", task="after"))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Big Name"},
        {"anchors": ({"en": "a", "zh": "甲"},) * 5},
        {"title": {"en": "only English"}},
        {"scale": 10},
    ],
)
def test_a_dimension_that_cannot_be_asked_is_refused(change):
    good = default_dimensions()[0].model_dump()
    with pytest.raises(UsageError) as caught:
        DimensionsSpec.parse({"dimensions": [{**good, **change}]})
    assert caught.value.code in ("system.spec_bad_value", "system.spec_unknown_key")


def test_our_own_dimensions_are_a_file_like_a_users():
    assert [one.name for one in default_dimensions()] == ["relevance", "fluency", "safety"]
    assert isinstance(default_dimensions()[0], Spec)
