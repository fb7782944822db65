"""The whole stage on the tiny model, and on scripted answers where the score must be known."""

from __future__ import annotations

import dataclasses
import json

import pytest

from seekloop.artifact.kinds import Report
from seekloop.artifact.rows import Message, Row, Source
from seekloop.compress import stage as compress
from seekloop.compress.onnx.spec import OnnxMethod
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.evaluate import asking, questions, scoring, stage
from seekloop.evaluate.compare import compare
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.runtime.models import codec_of
from seekloop.system.errors import DataError, UsageError
from tests.evaluate.conftest import bank_rows, row

SHORT = EvaluateSpec(max_tokens=4, resamples=100, threads=1, engine="torch")
ECHO = SHORT.model_copy(update={"engine": "echo"})
PROBES = ("probe_general", "safety_refused")


def evaluate(checkpoint, dataset, ctx, *, spec=ECHO, baseline=None):
    return stage.run(spec, EvaluateInputs(checkpoint=checkpoint, dataset=dataset, baseline=baseline), ctx=ctx)


def test_the_tiny_model_gets_a_report_that_opens_again(ctx, tiny, dataset_of):
    dataset = dataset_of(bank_rows())
    report = evaluate(tiny, dataset, ctx, spec=SHORT)
    assert ctx.store.open(report.id, Report) == report
    assert report.parents == {"checkpoint": tiny.id, "dataset": dataset.id}
    assert (report.subject, report.split, report.figure("accuracy").n) == (tiny.id, "test", 9)
    assert report.engine.startswith("torch")
    ctx.store.verify(report.id)


def test_an_onnx_graph_gets_the_figures_of_the_model_that_it_was_made_from(ctx, tiny, dataset_of):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    graph = compress.run(CompressSpec(method=OnnxMethod()), CompressInputs(checkpoint=tiny), ctx=ctx)
    dataset, spec = dataset_of(bank_rows()), SHORT.model_copy(update={"engine": "auto"})
    ours, parent = (evaluate(one, dataset, ctx, spec=spec) for one in (graph, tiny))
    assert ours.engine.startswith("onnxruntime")
    assert ours.figures == parent.figures


def test_two_identical_runs_give_the_same_report(ctx, tiny, dataset_of):
    dataset = dataset_of(bank_rows())
    assert evaluate(tiny, dataset, ctx, spec=SHORT).id == evaluate(tiny, dataset, ctx, spec=SHORT).id


def test_timings_are_in_the_receipt_and_not_in_the_report(ctx, tiny, dataset_of):
    report = evaluate(tiny, dataset_of(bank_rows()), ctx, spec=SHORT)
    cost = ctx.store.receipt(report.id).cost
    assert {"tokens", "prompt_tokens", "first_token_p50_s", "first_token_p95_s", "tokens_per_s"} <= set(cost)
    assert not {one.name for one in report.figures} & set(cost)


def test_scripted_answers_get_the_score_they_deserve(ctx, tiny, dataset_of):
    dataset = dataset_of(bank_rows(3))
    codec = codec_of(tiny, store=ctx.store)
    asked = questions.questions(dataset, SHORT, store=ctx.store)
    requests = questions.prompts(asked, EvaluateSpec(), codec=codec, seed=0)
    replies = ["card_lost\nWe have blocked the card.", "top_up\nWe will refund the fee.", "余额"]
    script = {
        request.ids: codec.answer_ids(Message(role="assistant", content=reply))
        for request, reply in zip(requests, replies, strict=True)
    }
    with EchoBackend(script) as backend:
        answers = asking.read(asking.ask(backend, requests, ctx=ctx), asked, codec=codec, form=dataset.answer)
    assert [(one.got_label, one.correct, one.rougeL) for one in answers] == [
        ("card_lost", True, 1.0),
        ("top_up", False, 1.0),
        ("余额", False, 0.0),
    ]
    assert [one.finish_reason for one in answers] == ["stop"] * 3


def test_answers_are_one_line_a_row_in_the_order_of_the_split(ctx, tiny, dataset_of):
    rows = bank_rows()
    report = evaluate(tiny, dataset_of(rows), ctx)
    lines = [json.loads(line) for line in ctx.store.path(report.id, "answers.jsonl").read_text("utf-8").splitlines()]
    assert [line["row"] for line in lines] == [one.id for one in rows]
    assert set(lines[0]) == {field.name for field in dataclasses.fields(scoring.Scored)}


def test_slices_are_beside_the_answers(ctx, tiny, dataset_of):
    report = evaluate(tiny, dataset_of(bank_rows()), ctx)
    slices = json.loads(ctx.store.path(report.id, "slices.json").read_text("utf-8"))
    assert [one["name"] for one in slices if one["name"].startswith("accuracy[label")] == [
        f"accuracy[label={name}]" for name in ("card_lost", "top_up", "wrong_fee")
    ]


def test_a_baseline_is_compared_on_the_rows_that_both_answered(ctx, tiny, dataset_of):
    first = evaluate(tiny, dataset_of(bank_rows(6)), ctx)
    second = evaluate(tiny, dataset_of(bank_rows(9)), ctx, baseline=first)
    assert {(one.baseline, one.n) for one in second.comparisons if one.figure == "accuracy"} == {(first.id, 6)}
    assert second.parents["baseline"] == first.id
    measured = tuple(compare(second, first, store=ctx.store, seed=ctx.seed, resamples=100))
    assert measured == tuple(one for one in second.comparisons if one.figure not in PROBES)


def test_a_baseline_on_other_rows_is_refused_before_anything_is_generated(ctx, tiny, dataset_of):
    first = evaluate(tiny, dataset_of(bank_rows(3)), ctx)
    others = dataset_of([row("Other?", "card_lost", "card_lost\nx")])
    with pytest.raises(DataError) as caught:
        evaluate(tiny, others, ctx, baseline=first)
    assert caught.value.code == "evaluate.no_shared_rows"


def test_a_limit_takes_the_same_rows_under_any_seed_and_nests(ctx, dataset_of):
    dataset = dataset_of(bank_rows(9))
    few, more = (
        [one.row.id for one in questions.questions(dataset, EvaluateSpec(limit=limit), store=ctx.store)]
        for limit in (3, 6)
    )
    assert (len(few), len(more)) == (3, 6)
    assert [one for one in more if one in few] == few


def test_an_empty_split_is_refused(ctx, tiny, dataset_of):
    with pytest.raises(DataError) as caught:
        evaluate(tiny, dataset_of(bank_rows()), ctx, spec=ECHO.model_copy(update={"split": "validation"}))
    assert caught.value.code == "evaluate.empty_split"
    assert "the validation split of dataset:" in caught.value.sentence("en")


def test_an_unknown_split_names_the_known_ones():
    with pytest.raises(UsageError) as caught:
        EvaluateSpec.parse({"split": "tset"})
    assert caught.value.code == "system.spec_bad_value"
    assert "'test'" in caught.value.sentence("en")


def test_a_row_without_its_label_is_named_by_file_and_line(ctx, tiny, dataset_of):
    with pytest.raises(DataError) as caught:
        evaluate(tiny, dataset_of([row("Why?", None, "card_lost\nx", line=7)]), ctx)
    assert (caught.value.code, caught.value.facts["where"]) == ("evaluate.no_label", "bank.jsonl:7")


def test_a_row_without_an_answer_is_named_by_file_and_line(ctx, tiny, dataset_of):
    asked_only = Row(
        id="row:1",
        messages=(Message(role="user", content="Why?"),),
        label="card_lost",
        source=Source(file="bank.jsonl", line=3),
    )
    with pytest.raises(DataError) as caught:
        evaluate(tiny, dataset_of([asked_only]), ctx)
    assert (caught.value.code, caught.value.facts["where"]) == ("evaluate.no_answer", "bank.jsonl:3")


def test_a_prompt_that_leaves_no_room_for_the_answer_is_refused_and_not_cut(ctx, tiny, dataset_of):
    long = row("word " * 400, "card_lost", "card_lost\nx")
    with pytest.raises(DataError) as caught:
        evaluate(tiny, dataset_of([long]), ctx, spec=ECHO.model_copy(update={"context": 256}))
    assert caught.value.code == "evaluate.prompt_too_long"
    assert caught.value.facts["context"] == 256
