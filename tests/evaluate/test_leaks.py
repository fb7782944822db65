"""Rows that a checkpoint was trained on are found among those that it is asked, back to the first checkpoint."""

from __future__ import annotations

import json

import pytest

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import write_rows
from seekloop.evaluate import leaks, stage, trained
from seekloop.evaluate.probes.spec import ProbesSpec
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.system.errors import DataError
from tests.evaluate.conftest import NoSpec, row

ECHO = EvaluateSpec(max_tokens=4, resamples=100, threads=1, engine="echo")
ASKED = [
    row(text, "card_lost", "card_lost\nDone.", line=line)
    for line, text in enumerate(
        ("My card was stolen on the train yesterday.", "Where is my money now?", "我的银行卡在火车上被偷了怎么办"),
        start=1,
    )
]


@pytest.fixture
def trained_on(ctx, tiny):
    """Commits a checkpoint that says it was tuned on these rows, after `parent`."""

    def commit(rows, *, parent=None):
        with ctx.job("data", NoSpec()) as job:
            for split in ("train", "validation", "test"):
                write_rows(job.path(f"{split}.jsonl"), rows if split == "train" else [])
            splits = {"train": len(rows), "validation": 0, "test": 0}
            dataset = job.commit(Dataset(made_by=job.origin, rows=len(rows), splits=splits, dropped={}))
        with ctx.job("tune", NoSpec()) as job:
            for name in ctx.store.load(tiny.id).files:
                job.path(name).write_bytes(ctx.store.path(tiny.id, name).read_bytes())
            parents = {"dataset": dataset.id, "base": tiny.id, **({"parent": parent.id} if parent else {})}
            value = tiny.model_dump(exclude={"made_by", "parents", "files"})
            return job.commit(Checkpoint(**value, parents=parents, made_by=job.origin))

    return commit


def report_of(checkpoint, dataset, ctx, *, leaks="say"):
    spec = ECHO.model_copy(update={"probes": ProbesSpec(leaks=leaks)})
    return stage.run(spec, EvaluateInputs(checkpoint=checkpoint, dataset=dataset), ctx=ctx)


def test_near_duplicates_of_training_rows_are_counted_and_named(ctx, trained_on, dataset_of):
    like = row("My card was stolen on the train yesterday!!", "card_lost", "card_lost\nDone.", line=7)
    report = report_of(trained_on([like]), dataset_of(ASKED), ctx)
    assert (report.figure("leaked_rows").value, report.figure("leaked_rows").n) == (1, 3)
    assert report.figure("accuracy_unleaked").n == 2
    listed = json.loads(ctx.store.path(report.id, "leaks.json").read_text("utf-8"))
    assert listed == [{"row": ASKED[0].id, "like": f"bank.jsonl:7 {like.id}"}]


def test_what_an_earlier_checkpoint_saw_leaks_as_well(ctx, trained_on, dataset_of):
    first = trained_on([row("我的银行卡在火车上被偷了，怎么办？", "card_lost", "card_lost\nDone.")])
    second = trained_on([row("Nothing like it.", "card_lost", "card_lost\nDone.")], parent=first)
    assert report_of(second, dataset_of(ASKED), ctx).figure("leaked_rows").value == 1
    assert len(trained.datasets(second, store=ctx.store)) == 2


def test_no_leak_is_a_figure_and_a_base_has_none(ctx, tiny, trained_on, dataset_of):
    clean = trained_on([row("Nothing like it.", "card_lost", "card_lost\nDone.")])
    report = report_of(clean, dataset_of(ASKED), ctx)
    assert report.figure("leaked_rows").value == 0
    known = [one.name for one in report_of(tiny, dataset_of(ASKED), ctx).figures]
    assert not {"leaked_rows", "accuracy_unleaked"} & set(known)


def test_leaks_are_refused_where_the_spec_says_so(ctx, trained_on, dataset_of):
    with pytest.raises(DataError) as caught:
        report_of(trained_on(ASKED), dataset_of(ASKED), ctx, leaks="refuse")
    assert (caught.value.code, caught.value.facts["count"]) == ("evaluate.leaked", 3)


def test_of_several_training_rows_the_first_is_named():
    asked = [one.messages[:-1] for one in ASKED]
    rows = [ASKED[1].model_copy(update={"id": f"row:{number}"}) for number in range(3)]
    assert leaks.leaked(asked, rows, similarity=0.9) == {1: "bank.jsonl:2 row:0"}


def test_a_checkpoint_that_names_its_base_tells_how_much_worse_it_reads(ctx, tiny, trained_on, dataset_of):
    same = trained_on([row("Nothing like it.", "card_lost", "card_lost\nDone.")])
    spec = ECHO.model_copy(update={"probes": ProbesSpec(passages=True)})
    report = stage.run(spec, EvaluateInputs(checkpoint=same, dataset=dataset_of(ASKED)), ctx=ctx)
    assert report.figure("probe_bits_per_byte_rise_en").value == 0.0
    assert report.figure("probe_bits_per_byte_rise_zh").n == 10
