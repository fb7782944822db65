"""What to collect next is said with its reason, gives no test row away, and the data stage reads it."""

from __future__ import annotations

import pytest
import yaml

from seekloop.artifact.rows import read_rows, write_rows
from seekloop.data.read import read_corpus
from seekloop.data.spec import SourceSpec
from seekloop.evaluate import errors, stage
from seekloop.evaluate.collect import wanted, write_wanted
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from tests.evaluate.conftest import ANSWERS, NoSpec, bank_rows, row


@pytest.fixture
def report(ctx, tiny, dataset_of):
    """Everything is wrong; one label has few trained rows."""
    test = dataset_of(bank_rows(9))
    labels = ["card_lost"] * 30 + ["wrong_fee"] * 30 + ["top_up"] * 4
    train = [row(f"Trained {at}?", one, f"{one}\n{ANSWERS[one]}", line=at) for at, one in enumerate(labels)]
    with ctx.job("data", NoSpec()) as job:
        for split in ("validation", "calibration", "dropped"):
            write_rows(job.path(f"{split}.jsonl"), [])
        write_rows(job.path("train.jsonl"), train)
        write_rows(job.path("test.jsonl"), read_rows(ctx.store.path(test.id, "test.jsonl")))
        splits = {"train": 64, "validation": 0, "test": 9}
        dataset = job.commit(test.model_copy(update={"rows": 73, "splits": splits, "files": {}}))
    spec = EvaluateSpec(engine="echo", max_tokens=4, resamples=100)
    return stage.run(spec, EvaluateInputs(checkpoint=tiny, dataset=dataset), ctx=ctx)


def wants_of(report, ctx):
    found = errors.of_report(report, store=ctx.store)
    return wanted(report, found, store=ctx.store)


def test_a_label_with_few_trained_rows_is_wanted_most(ctx, report):
    wants = {one.label: one for one in wants_of(report, ctx)}
    assert wants["top_up"].rows == 30 - 4
    assert wants["card_lost"].rows == 10
    assert wants["top_up"].reason.startswith("3 of 3 wrong")
    assert wants["top_up"].reason.endswith("4 trained rows, labels that do well have 30")


def test_examples_are_trained_rows_and_never_test_rows(ctx, report):
    examples = [example for one in wants_of(report, ctx) for example in one.examples]
    assert len(examples) == 9
    assert all(one["instruction"].startswith("Trained") for one in examples)
    assert {one["output"] for one in examples} == set(ANSWERS.values())


def test_the_data_stage_reads_what_to_collect(ctx, report, tmp_path):
    path = tmp_path / "collect.jsonl"
    write_wanted(path, wants_of(report, ctx))
    corpus = read_corpus([SourceSpec(path=str(path))], ctx=ctx)
    rows = list(read_rows(ctx.store.path(corpus.id, "rows.jsonl")))
    assert {(one.label, one.messages[-1].content) for one in rows} == set(ANSWERS.items())


def test_people_read_what_to_collect_as_yaml(ctx, report, tmp_path):
    path = tmp_path / "collect.yaml"
    write_wanted(path, wants_of(report, ctx))
    first = yaml.safe_load(path.read_text("utf-8"))[0]
    assert set(first) == {"label", "kind", "rows", "reason", "examples"}
