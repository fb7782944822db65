"""Errors weighed by activations: every adapted layer is looked at, and the dataset is a parent of the form."""

from __future__ import annotations

import pytest

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, Source, write_rows
from seekloop.compress.gguf.importance import measure
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.compress.stage import run
from seekloop.system.errors import DataError
from seekloop.system.spec import Spec

WEIGHED = CompressSpec(method=GgufMethod(precision="iq4_nl", importance=True))


@pytest.fixture
def dataset(ctx) -> Dataset:
    turns = (Message(role="user", content="My card?"), Message(role="assistant", content="It is blocked."))
    row = Row(id="row:0123456789abcdef", messages=turns, source=Source(file="rows.jsonl", line=1))
    with ctx.job("data", Spec()) as job:
        for name in ("train", "validation", "test", "calibration", "dropped"):
            write_rows(job.path(f"{name}.jsonl"), [row] if name in ("train", "calibration") else [])
        splits = {"train": 1, "validation": 0, "test": 0}
        made = {"rows": 1, "splits": splits, "calibration": 1, "dropped": {}, "labels": (), "answer": "text"}
        return job.commit(Dataset(made_by=job.origin, **made))


def test_layers_under_an_adapter_are_looked_at_too(ctx, tiny, adapter, dataset):
    assert measure(adapter, dataset, ctx=ctx).keys() == measure(tiny, dataset, ctx=ctx).keys()
    assert len(measure(adapter, dataset, ctx=ctx)) == 14


def test_the_dataset_is_a_parent_and_changes_the_bytes(ctx, tiny, compress, dataset):
    weighed = run(WEIGHED, CompressInputs(checkpoint=tiny, dataset=dataset), ctx=ctx)
    plain = compress(tiny, GgufMethod(precision="iq4_nl"))
    assert weighed.parents["dataset"] == dataset.id
    assert weighed.files["model.gguf"] != plain.files["model.gguf"]


def test_without_calibration_rows_it_is_refused(ctx, tiny):
    with pytest.raises(DataError) as caught:
        run(WEIGHED, CompressInputs(checkpoint=tiny), ctx=ctx)
    assert caught.value.code == "compress.no_dataset"
