"""An adapter that is kept after each epoch: what TracIn adds up over."""

from __future__ import annotations

import pytest

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import write_rows
from seekloop.evaluate.explain.explanation import explain
from seekloop.evaluate.explain.gradients import Gradients
from seekloop.evaluate.explain.rows import Rows
from seekloop.system.errors import UsageError
from seekloop.tune import TuneInputs, TuneSpec
from seekloop.tune import run as tune
from tests.evaluate.conftest import NoSpec, bank_rows

ASKED = {"method": {"type": "lora", "rank": 4}, "epochs": 3, "rows_per_step": 3, "learning_rate": 1e-2}


@pytest.fixture
def dataset(ctx):
    with ctx.job("data", NoSpec()) as job:
        for split in ("train", "validation", "test", "calibration", "dropped"):
            write_rows(job.path(f"{split}.jsonl"), bank_rows(6) if split == "train" else [])
        splits = {"train": 6, "validation": 0, "test": 0}
        return job.commit(Dataset(made_by=job.origin, rows=6, splits=splits, dropped={}))


def tuned(ctx, tiny, dataset, **more):
    return tune(TuneSpec.parse({**ASKED, **more}), TuneInputs(dataset=dataset, checkpoint=tiny), ctx=ctx)


def test_a_run_keeps_its_adapter_after_each_epoch_but_the_last_where_it_is_asked_to(ctx, tiny, dataset):
    kept, plain = (tuned(ctx, tiny, dataset, optimizer={"snapshots": asked}) for asked in (True, False))
    assert [name for name in sorted(kept.files) if name.endswith(".snapshot")] == [
        "epoch-1.snapshot",
        "epoch-2.snapshot",
    ]
    assert not [name for name in plain.files if name.endswith(".snapshot")]
    assert kept.files["adapter_model.safetensors"] == plain.files["adapter_model.safetensors"]
    assert tuned(ctx, tiny, dataset, optimizer={"snapshots": True}).id == kept.id


def test_scores_are_the_mean_over_the_moments_and_the_model_is_left_as_it_was(ctx, tiny, dataset):
    checkpoint = tuned(ctx, tiny, dataset, optimizer={"snapshots": True})
    gradients = Gradients(checkpoint, store=ctx.store)
    before = {name: value.clone() for name, value in gradients.model.named_parameters()}
    row = bank_rows(6)[0]
    scores = {}
    for summed in (False, True):
        rows = Rows(gradients, checkpoint, ctx=ctx, summed=summed)
        rows.prepare()
        scores[summed] = {one.row: one.score for one in rows.top(row.messages[:-1], row.messages[-1], count=6)}
    assert gradients.moments == ("epoch-1.snapshot", "epoch-2.snapshot", None)
    assert max(scores[True], key=scores[True].get) == row.id
    assert scores[True] != scores[False]
    assert all(value.equal(before[name]) for name, value in gradients.model.named_parameters())


def test_at_most_three_earlier_moments_are_looked_at(ctx, tiny, dataset):
    checkpoint = tuned(ctx, tiny, dataset, epochs=8, optimizer={"snapshots": True})
    files = [f"epoch-{epoch}.snapshot" for epoch in (1, 4, 7)]
    assert Gradients(checkpoint, store=ctx.store).moments == (*files, None)
    assert explain(checkpoint, bank_rows(1)[0].messages[:-1], answer=None, count=2, ctx=ctx).rows


@pytest.mark.parametrize("more", [{"method": {"type": "full"}}, {"compute": {"sharding": "fsdp"}}])
def test_only_an_adapter_that_one_process_holds_is_kept(more):
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse({**more, "optimizer": {"snapshots": True}})
    assert caught.value.code == "tune.snapshots_of_lora"
