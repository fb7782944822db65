"""Answers go back to the rows that made them, and words add up to what they explain."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, write_rows
from seekloop.evaluate import trained
from seekloop.evaluate.explain import views
from seekloop.evaluate.explain.characters import merged
from seekloop.evaluate.explain.explanation import explain
from seekloop.evaluate.explain.gradients import WIDTH, Gradients
from seekloop.evaluate.explain.index import Index
from seekloop.evaluate.explain.page import page
from seekloop.evaluate.explain.words import attribute
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.runtime import models
from seekloop.runtime.train.batching import collate
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.lora import Lora, LoraConfig
from seekloop.system.errors import DataError, UsageError
from seekloop.system.progress import Silent
from tests.evaluate.conftest import NoSpec, row

ROWS = [
    row("Where is my card?", None, "It is on its way.", line=1),
    row("我的银行卡丢了怎么办？", None, "请先挂失。", line=2),
    row("What is the fee <b>abroad</b>?", None, "Two percent.", line=3),
    row("Why was I charged?", None, "For a withdrawal.", line=4),
    row("转账什么时候到账？", None, "一般两小时。", line=5),
    row("Can I change my password?", None, "Yes, in the app.", line=6),
]
CODEC = Codec.build(families.card("smollm2"), tiny_tokenizer(families.card("smollm2")))


@pytest.fixture
def dataset(ctx):
    """The rows as a dataset, one of them held out."""
    with ctx.job("data", NoSpec()) as job:
        write_rows(job.path("train.jsonl"), ROWS[:5])
        write_rows(job.path("validation.jsonl"), [])
        write_rows(job.path("test.jsonl"), ROWS[5:])
        splits = {"train": 5, "validation": 0, "test": 1}
        return job.commit(Dataset(made_by=job.origin, rows=6, splits=splits, dropped={}))


def committed(ctx, stage, parent, parents, *, form, write):
    """A checkpoint that `stage` made; `write` puts its files into a folder."""
    with ctx.job(stage, NoSpec()) as job:
        write(job.draft.folder)
        models.codec_of(parent, store=ctx.store).save(job.draft.folder)
        value = {"form": form, "family": parent.family, "precision": "f32", "parameters": 1}
        return job.commit(Checkpoint(parents=parents, made_by=job.origin, **value))


@pytest.fixture
def adapter(ctx, tiny, dataset):
    """A LoRA adapter on the tiny model, with B as if it had been trained a little."""
    model = models.load(tiny, store=ctx.store)
    targets = families.card(tiny.family).lora_targets
    method = Lora(config=LoraConfig(rank=4, alpha=8, targets=targets), base=tiny.id)
    method.apply(model, seed=0)
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if name.endswith("lora_B"):
            weight.data.normal_(std=0.02, generator=generator)
    parents = {"dataset": dataset.id, "base": tiny.id}
    return committed(ctx, "tune", tiny, parents, form="adapter", write=lambda folder: method.export(model, folder))


def full(ctx, parent, parents, *, stage):
    """The tiny model's weights again, as a full checkpoint that `stage` made."""

    def write(folder):
        for name in ("config.json", "model.safetensors"):
            (folder / name).write_bytes(ctx.store.path(parent.id, name).read_bytes())

    return committed(ctx, stage, parent, parents, form="full", write=write)


def test_a_trained_row_explains_its_own_answer_best(ctx, adapter):
    for wanted in ROWS[:5]:
        found = explain(adapter, wanted.messages[:-1], answer=wanted.messages[-1], count=5, ctx=ctx)
        assert (found.rows[0].row, found.rows[0].where) == (wanted.id, f"bank.jsonl:{wanted.source.line}")
        assert found.rows[0].score == pytest.approx(1, abs=2e-3)
        assert [one.score for one in found.rows] == sorted((one.score for one in found.rows), reverse=True)


def test_a_fully_tuned_checkpoint_is_explained_without_an_adapter(ctx, tiny, dataset):
    tuned = full(ctx, tiny, {"dataset": dataset.id, "base": tiny.id}, stage="tune")
    found = explain(tuned, ROWS[1].messages[:-1], answer=ROWS[1].messages[-1], count=1, ctx=ctx)
    assert found.rows[0].row == ROWS[1].id


def test_a_merged_checkpoint_is_explained_by_the_one_that_was_trained(ctx, tiny, adapter, dataset):
    merged_one = full(ctx, tiny, {"checkpoint": adapter.id, "dataset": dataset.id}, stage="compress")
    assert trained.tuned(merged_one, store=ctx.store) == adapter
    assert explain(merged_one, ROWS[0].messages[:-1], answer=None, count=1, ctx=ctx).checkpoint == adapter.id


def test_products_of_sketches_are_those_of_the_gradients(ctx, adapter):
    gradients = Gradients(adapter, store=ctx.store)
    both = [views.of_row(one, gradients.codec, longest=2048) for one in ROWS[:2]]
    weights = [value for name, value in gradients.model.named_parameters() if ".1." in name and name.endswith("lora_B")]
    exact = []
    for (view,) in both:
        [weight.requires_grad_(True) for weight in weights]
        loss = summed_loss(gradients.model, collate([view], pad=gradients.codec.pad_id, sharing=False))
        exact.append(torch.cat([grad.flatten() for grad in torch.autograd.grad(loss, weights)]))
    (first, length), (second, _) = (gradients.sketch(one) for one in both)
    cosine = torch.nn.functional.cosine_similarity(*exact, dim=0).item()
    assert float(first @ second) == pytest.approx(cosine, abs=4 / WIDTH**0.5)
    assert length == pytest.approx(exact[0].norm().item(), rel=1e-5)


@pytest.mark.parametrize("torn", [0, 1, 7])
def test_an_index_that_was_torn_goes_on_and_ends_with_the_same_bytes(tmp_path, torn):
    def sketch(one):
        return np.full(8, len(one.messages[0].content), dtype=np.float32), 1.5

    whole, broken = Index(tmp_path / "a", width=8), Index(tmp_path / "b", width=8)
    whole.complete(ROWS, sketch, progress=Silent())
    broken.complete(ROWS[:3], sketch, progress=Silent())
    file = broken.folder / "sketches.f16"
    file.write_bytes(file.read_bytes()[: len(file.read_bytes()) - torn])
    with (broken.folder / "rows.jsonl").open("a", encoding="utf-8") as lines:
        lines.write('{"row": "row:to')
    broken.complete(ROWS, sketch, progress=Silent())
    for name in ("sketches.f16", "rows.jsonl"):
        assert (broken.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert len(broken) == len(ROWS)


def test_rows_are_read_once(ctx, adapter):
    asked = ROWS[0].messages[:-1]
    explain(adapter, asked, answer=None, count=1, ctx=ctx)
    (file,) = ctx.work.glob("explain-*/sketches.f16")
    before = file.stat().st_mtime_ns
    explain(adapter, asked, answer=None, count=1, ctx=ctx)
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("place", [0, 1])
def test_scores_of_words_add_up_to_the_difference_they_explain(ctx, adapter, place):
    model, codec = models.load(adapter, store=ctx.store), models.codec_of(adapter, store=ctx.store)
    found = attribute(model, codec, messages=ROWS[place].messages[:-1], answer=ROWS[place].messages[-1])
    difference = found.log_probability - found.blank
    total = sum(piece.score for piece in found.pieces)
    assert total == pytest.approx(difference, abs=0.02 * abs(difference) + 1e-3)
    assert found.gap == pytest.approx(total - difference, abs=1e-4)
    said = ROWS[place].messages[0].content
    assert {piece.score for piece in found.pieces if piece.text.strip() and piece.text.strip() not in said} == {0.0}
    assert "".join(piece.text for piece in found.pieces) == codec.prompt_text(ROWS[place].messages[:-1])


@given(st.text(max_size=30))
def test_pieces_are_the_text_and_their_scores_the_sum(text):
    ids = CODEC.prompt_ids([Message(role="user", content=text)])
    pieces = merged(ids, [1.0] * len(ids), codec=CODEC)
    assert "".join(piece.text for piece in pieces) == CODEC.decode(ids)
    assert sum(piece.score for piece in pieces) == len(ids)


def test_characters_and_words_are_whole():
    ids = CODEC.text_ids("请帮忙 withdrawal 🙂")
    texts = [piece.text for piece in merged(ids, [0.0] * len(ids), codec=CODEC)]
    assert not any("\ufffd" in text for text in texts)
    assert {"帮", "忙", "🙂"} <= set(texts)
    assert " withdrawal" in texts


def test_a_page_escapes_what_came_from_rows_and_needs_nothing_else(ctx, adapter):
    asked = [Message(role="user", content="<script>alert('卡')</script>")]
    told = explain(adapter, asked, answer=Message(role="assistant", content="<i>no</i>"), count=5, ctx=ctx)
    for language in ("en", "zh"):
        text = page(told, language=language)
        assert not {"<script", "<i>", "<b>abroad", "http:", "https:", "src="} & {
            part for part in ("<script", "<i>", "<b>abroad", "http:", "https:", "src=") if part in text
        }
        assert "&lt;b&gt;abroad" in text
    assert "卡" in text


@pytest.mark.parametrize("stage", ["base", "classifier"])
def test_what_has_no_rows_to_blame_is_refused(ctx, tiny, dataset, stage):
    if stage == "base":
        subject, code = tiny, "evaluate.explain_untrained"
    else:

        def write(folder):
            for name in ("config.json", "model.safetensors"):
                (folder / name).write_bytes(ctx.store.path(tiny.id, name).read_bytes())
            (folder / "classes.json").write_text("{}", "utf-8")

        subject = committed(ctx, "tune", tiny, {"dataset": dataset.id}, form="full", write=write)
        code = "evaluate.explain_classifier"
    with pytest.raises(DataError) as caught:
        explain(subject, ROWS[0].messages[:-1], answer=None, count=1, ctx=ctx)
    assert caught.value.code == code


@pytest.fixture
def called(tmp_path, ctx):
    """Calls the verb in a folder whose store is the test's."""
    state = tmp_path / ".seekloop"
    state.mkdir()
    (state / "store").symlink_to(ctx.store.root)

    def call(*words):
        return CliRunner().invoke(app, ["explain", *words, "--project", str(tmp_path), "--json"])

    return call


def test_the_verb_explains_a_row_as_json_and_as_a_page(called, adapter, tmp_path):
    done = called(adapter.id, "--row", ROWS[5].id, "--top", "2", "--html", str(tmp_path / "why.html"))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["checkpoint"], len(told["rows"]), told["messages"][-1]["content"]) == (
        adapter.id,
        2,
        "Can I change my password?",
    )
    assert "password" in (tmp_path / "why.html").read_text("utf-8")


def test_exactly_one_thing_is_explained(called, adapter):
    for words in ((adapter.id,), (adapter.id, "--ask", "Hello", "--row", "row:1"), ("--ask", "Hello")):
        error = called(*words).exception
        assert isinstance(error, UsageError)
        assert error.code == "evaluate.explain_one"
    error = called(adapter.id, "--row", "row:0").exception
    assert isinstance(error, DataError)
    assert error.code == "evaluate.explain_no_row"
