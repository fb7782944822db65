"""What a dataset holds for later epochs is what later epochs train."""

from __future__ import annotations

import logging

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, row_id, write_rows
from seekloop.model.codec import Codec
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import TrainError
from seekloop.system.progress import Silent
from seekloop.system.spec import Spec
from seekloop.tune.loop_settings import step_plan
from seekloop.tune.prepare import Prepared, prepare
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from tests.runtime.train.making import rows

SPEC = TuneSpec.parse({"epochs": 4, "rows_per_step": 6, "method": {"rank": 4}})


def reworded(row: Row, words: str) -> Row:
    messages = (row.messages[0], row.messages[1].model_copy(update={"content": words}), row.messages[2])
    update = {"id": row_id([row.id, words]), "messages": messages, "meta": {"augmented_from": row.id}}
    return row.model_copy(update=update)


def dataset(ctx: RunContext, *, later: list[list[Row]], test: list[Row] | None = None) -> Dataset:
    splits = {"train": rows(6), "validation": [], "test": test or []}
    with ctx.job("data", Spec()) as job:
        for name, part in {**splits, "calibration": [], "dropped": []}.items():
            write_rows(job.path(f"{name}.jsonl"), part)
        for number, part in enumerate(later, 2):
            write_rows(job.path(f"epoch-{number}.jsonl"), part)
        sizes = {name: len(part) for name, part in splits.items()}
        return job.commit(Dataset(made_by=job.origin, rows=sum(sizes.values()), splits=sizes, dropped={}))


def prepared(ctx: RunContext, data: Dataset, *, context: int = 2048) -> tuple[Prepared, Codec]:
    codec = models.codec_of(tiny_base(ctx), store=ctx.store)
    quiet = logging.getLogger("test")
    found = prepare(data, codec, spec=SPEC, context=context, store=ctx.store, logger=quiet, progress=Silent())
    return found, codec


def texts(ctx: RunContext, data: Dataset) -> list[set[str]]:
    """What each of the four epochs trains."""
    found, codec = prepared(ctx, data)
    plan = step_plan(SPEC, found, seed=1)
    return [{codec.decode(view.ids) for view in plan.views(step)} for step in range(4)]


def test_later_epochs_train_the_rows_in_their_words_in_turn(ctx: RunContext) -> None:
    later = [[reworded(rows(6)[0], "something else")], [reworded(rows(6)[0], "in the third epoch")]]
    first, second, third, fourth = texts(ctx, dataset(ctx, later=later))
    assert len(first & second) == len(first & third) == 5
    assert any("something else" in text for text in second - first)
    assert any("in the third epoch" in text for text in third - first)
    assert fourth == second


def test_without_other_words_every_epoch_is_as_the_first(ctx: RunContext) -> None:
    first, *others = texts(ctx, dataset(ctx, later=[]))
    assert all(other == first for other in others)


def test_words_that_are_too_long_are_not_trained_and_the_row_is(ctx: RunContext) -> None:
    data = dataset(ctx, later=[[reworded(rows(6)[0], "so long " * 200)]])
    found, _ = prepared(ctx, data, context=256)
    assert found.later == ({},)
    assert len(found.train) == 6


def test_other_words_that_ask_what_a_test_row_asks_are_refused(ctx: RunContext) -> None:
    held = rows(1, first=30)
    data = dataset(ctx, later=[[reworded(rows(6)[0], held[0].messages[1].content)]], test=held)
    with pytest.raises(TrainError) as refused:
        prepared(ctx, data)
    assert refused.value.code == "tune.leaked"


def test_a_run_with_other_words_gives_another_model(ctx: RunContext) -> None:
    base = tiny_base(ctx)
    data = [dataset(ctx, later=later) for later in ([], [[reworded(rows(6)[0], "something else")]])]
    ids = {run(SPEC, TuneInputs(dataset=each, checkpoint=base), ctx=ctx).id for each in data}
    assert len(ids) == 2
