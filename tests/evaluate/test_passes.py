"""What further passes through a model tell: likelihood, calibration, nearness in meaning."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, BertTokenizerFast

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.rows import Message
from seekloop.evaluate import asking, errors, figures, passes, similarity, stage
from seekloop.evaluate.likelihood import log_likelihoods
from seekloop.evaluate.passes_spec import PassesSpec, SimilaritySpec
from seekloop.evaluate.questions import Question, questions
from seekloop.evaluate.scoring import read_answers
from seekloop.evaluate.seen import Seen
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.metrics.calibration import calibration_error
from seekloop.metrics.likelihood import windows
from seekloop.model.codec import View
from seekloop.runtime.generate.backend import Completion
from seekloop.runtime.models import codec_of, load
from seekloop.runtime.train.classifiers import Classes, add_head, write_classifier
from seekloop.system.errors import DataError, EngineError, ModelError, UsageError
from tests.evaluate.conftest import NoSpec, bank_rows, row

LIKELIHOOD = PassesSpec(likelihood=True)


def evaluate(ctx, checkpoint, dataset, asked, *, engine="echo", baseline=None, context=512):
    spec = EvaluateSpec(max_tokens=4, resamples=100, threads=1, engine=engine, context=context, passes=asked)
    return stage.run(spec, EvaluateInputs(checkpoint=checkpoint, dataset=dataset, baseline=baseline), ctx=ctx)


def view_of(ids, begin=0, end=None, scored=1, name="0"):
    end = len(ids) if end is None else end
    labels = (-100,) * (scored - begin) + tuple(ids[scored:end])
    return View(row=name, turn=begin, ids=tuple(ids[begin:end]), labels=labels)


def by_hand(model, ids, *, first):
    """Summed log-probability of ids[first:], from all logits at once."""
    with torch.no_grad():
        logs = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return sum(float(logs[place - 1, ids[place]]) for place in range(first, len(ids)))


def test_a_text_longer_than_the_context_is_scored_as_by_the_sliding_window_recipe(ctx, tiny):
    model, context, stride = load(tiny, store=ctx.store), 16, 6
    ids = torch.randint(0, 200, (50,), generator=torch.Generator().manual_seed(1)).tolist()
    views = [view_of(ids, *window) for window in windows(len(ids), context=context, stride=stride)]
    ours = log_likelihoods(model, views, pad=0, ctx=ctx)["0"]
    lost, tokens, reached = 0.0, 0, 0
    for begin in range(0, len(ids), stride):  # huggingface.co/docs/transformers/perplexity, weighted by its tokens
        end = min(begin + context, len(ids))
        target = torch.tensor([ids[begin:end]])
        target[:, : -(end - reached)] = -100
        scored = int((target[:, 1:] != -100).sum())
        with torch.no_grad():
            lost += float(model(torch.tensor([ids[begin:end]]), labels=target).loss) * scored
        tokens, reached = tokens + scored, end
        if end == len(ids):
            break
    assert tokens == 49
    assert -ours / tokens == pytest.approx(lost / tokens, rel=1e-5)


def test_perplexity_and_bits_per_byte_are_of_the_answers_tokens_alone(ctx, tiny, dataset_of):
    rows, model, codec = bank_rows(4), load(tiny, store=ctx.store), codec_of(tiny, store=ctx.store)
    report = evaluate(ctx, tiny, dataset_of(rows), LIKELIHOOD)
    total, tokens, size = 0.0, 0, 0
    for one in rows:
        prompt, answer = codec.prompt_ids(one.messages[:-1]), codec.answer_ids(one.messages[-1])
        total -= by_hand(model, [*prompt, *answer], first=len(prompt))
        tokens, size = tokens + len(answer), size + len(one.messages[-1].content.encode())
    perplexity = report.figure(f"perplexity_token_{tiny.family}")
    assert (perplexity.value, perplexity.n) == (pytest.approx(math.exp(total / tokens), rel=1e-5), 4)
    assert report.figure("bits_per_byte").value == pytest.approx(total / size / math.log(2), rel=1e-5)
    assert perplexity.ci[0] < perplexity.value < perplexity.ci[1]


def test_an_answer_longer_than_the_context_is_read_in_windows_that_label_each_token_once(ctx, tiny):
    codec, long = codec_of(tiny, store=ctx.store), row("Q?", None, "word " * 60)
    views, tokens, size = passes.answer_views(Question(row=long), codec=codec, row="0", context=64, stride=16)
    ids = codec.prompt_ids(long.messages[:-1]) + codec.answer_ids(long.messages[-1])
    labelled = [view.turn + at for view in views for at, label in enumerate(view.labels) if label != -100]
    assert labelled == list(range(len(ids) - tokens, len(ids)))
    assert (len(views) > 1, size) == (True, 300)


def test_nothing_is_asked_of_the_model_unless_the_spec_does(ctx, tiny, dataset_of):
    report = evaluate(ctx, tiny, dataset_of(bank_rows(3)), PassesSpec())
    assert not [one.name for one in report.figures if "perplexity" in one.name or "probability" in one.name]


def test_likelihoods_repeat_and_are_compared(ctx, tiny, dataset_of):
    dataset = dataset_of(bank_rows(6))
    first, again = (evaluate(ctx, tiny, dataset, LIKELIHOOD) for _ in range(2))
    assert first.id == again.id
    compared = evaluate(ctx, tiny, dataset, LIKELIHOOD, baseline=first).comparisons
    assert {one.difference for one in compared if one.figure == "bits_per_byte"} == {0}


def seen_of(ctx, checkpoint, dataset, said, asked):
    """What a part sees after the answers `said`, and the completions that they were."""
    spec, codec = EvaluateSpec(passes=asked), codec_of(checkpoint, store=ctx.store)
    rows = questions(dataset, spec, store=ctx.store)
    ids = [codec.answer_ids(Message(role="assistant", content=one))[:-1] for one in said]
    ended = [Completion(ids=one, finish_reason="stop", first_token_s=0.0, total_s=0.0) for one in ids]
    answers = asking.read(ended, rows, codec=codec, form=dataset.answer)
    inputs = EvaluateInputs(checkpoint=checkpoint, dataset=dataset)
    seen = Seen(spec=spec, inputs=inputs, questions=rows, answers=answers, codec=codec, job=None, ctx=ctx)
    return seen, ended


def test_calibration_is_of_the_labels_that_the_model_gave(ctx, tiny, dataset_of):
    dataset = dataset_of([row(f"Q{at}?", "card_lost", "card_lost") for at in range(4)], answer="label")
    given = ["card_lost", "wrong_fee", "", "card_lost"]
    seen = passes.deepened(*seen_of(ctx, tiny, dataset, given, PassesSpec(calibration=True)))
    rows = [one for one in seen.answers if "label_probability" in one.scores]
    assert [one.got_label for one in rows] == ["card_lost", "wrong_fee", "card_lost"]
    model, codec = load(tiny, store=ctx.store), seen.codec
    prompt = codec.prompt_ids(seen.questions[0].asked)
    ids = [*prompt, *codec.answer_ids(Message(role="assistant", content="card_lost"))]
    wanted = math.exp(by_hand(model, ids, first=len(prompt)))
    assert rows[0].scores["label_probability"] == pytest.approx(wanted, abs=1e-6)
    found = {one.name: one for one in figures.figures(seen.answers, seed=1, resamples=100)}
    probabilities = np.array([one.scores["label_probability"] for one in rows])
    error = calibration_error(probabilities, np.array([one.correct for one in rows]))
    assert (found["calibration_error"].value, found["calibration_error"].n) == (pytest.approx(error, abs=1e-9), 3)


def test_the_reliability_curve_lies_beside_the_report(ctx, tiny, dataset_of):
    dataset = dataset_of(bank_rows(9), answer="label")
    spec = EvaluateSpec(max_tokens=16, resamples=100, threads=1, temperature=2.0, passes=PassesSpec(calibration=True))
    report = stage.run(spec, EvaluateInputs(checkpoint=tiny, dataset=dataset), ctx=ctx)
    found = json.loads(ctx.store.path(report.id, "calibration.json").read_text("utf-8"))
    assert sum(one["n"] for one in found["bins"]) == found["n"] == report.figure("label_probability").n


def classifier(ctx, tiny, classes):
    """The tiny model with a random head."""
    with ctx.job("tune", NoSpec()) as job:
        for name in tiny.files:
            job.path(name).write_bytes(ctx.store.path(tiny.id, name).read_bytes())
        model, codec = load(tiny, store=ctx.store), codec_of(tiny, store=ctx.store)
        add_head(model, count=len(classes.names), seed=1)
        write_classifier(model, job.path("classes.json").parent, classes=classes, pad=codec.pad_id)
        return job.commit(tiny.model_copy(update={"made_by": job.origin, "files": {}}))


@pytest.mark.parametrize("several", [False, True])
def test_a_classifiers_probability_is_its_heads(ctx, tiny, dataset_of, several):
    names = ("card_lost", "top_up", "wrong_fee")
    made = classifier(ctx, tiny, Classes(names=names, several=several))
    report = evaluate(ctx, made, dataset_of(bank_rows(6), answer="label"), PassesSpec(calibration=True), engine="torch")
    rows = read_answers(ctx.store.path(report.id, "answers.jsonl"))
    least = 1 / 2 ** len(names) if several else 1 / len(names)
    assert all(least <= one.scores["label_probability"] <= 1 for one in rows)
    assert report.figure("calibration_error").n == 6


def test_right_answers_have_no_likelihood_under_a_classifier(ctx, tiny, dataset_of):
    made = classifier(ctx, tiny, Classes(names=("a", "b")))
    with pytest.raises(EngineError) as caught:
        evaluate(ctx, made, dataset_of(bank_rows(2)), LIKELIHOOD)
    assert caught.value.code == "evaluate.passes_need_tokens"


@pytest.mark.parametrize(
    ("form", "answer", "finish", "labelled"),
    [
        ("label", "card_lost", "stop", "card_lost<eos>"),
        ("label", "card_lost", "length", "card_lost"),
        ("label_then_text", "card_lost\nWe block it.", "stop", "card_lost\n"),
        ("label_then_text", "card_lost", "stop", "card_lost<eos>"),
    ],
)
def test_a_label_is_scored_with_what_ends_it(ctx, tiny, form, answer, finish, labelled):
    codec, one = codec_of(tiny, store=ctx.store), bank_rows(1)[0]
    ids = codec.answer_ids(Message(role="assistant", content=answer))[:-1]
    completion = Completion(ids=ids, finish_reason=finish, first_token_s=0.0, total_s=0.0)
    view = passes.label_view(Question(row=one), completion, codec=codec, row="0", form=form)
    found = codec.decode([label for label in view.labels if label != -100])
    assert found == labelled.replace("<eos>", codec.decode([codec.eos_id]))


def test_an_answer_without_a_label_has_no_probability(ctx, tiny):
    codec, empty = codec_of(tiny, store=ctx.store), Completion(ids=(), finish_reason="stop", first_token_s=0, total_s=0)
    assert passes.label_view(Question(row=bank_rows(1)[0]), empty, codec=codec, row="0", form="label") is None


def damaged(ctx, tiny, **changes):
    """The tiny model with weights that are no numbers."""
    with ctx.job("tune", NoSpec()) as job:
        for name in tiny.files:
            job.path(name).write_bytes(ctx.store.path(tiny.id, name).read_bytes())
        weights = load_file(job.path("model.safetensors"))
        save_file({name: value * float("nan") for name, value in weights.items()}, job.path("model.safetensors"))
        return job.commit(tiny.model_copy(update={"made_by": job.origin, "files": {}, **changes}))


def test_a_probability_that_is_no_number_is_an_error_and_never_a_figure(ctx, tiny, dataset_of):
    with pytest.raises(ModelError) as caught:
        evaluate(ctx, damaged(ctx, tiny), dataset_of(bank_rows(2)), LIKELIHOOD)
    assert caught.value.code == "evaluate.not_a_number"


def test_a_form_that_torch_does_not_run_is_refused(ctx, tiny, dataset_of):
    packed: Checkpoint = damaged(ctx, tiny, form="gguf")
    with pytest.raises(EngineError) as caught:
        evaluate(ctx, packed, dataset_of(bank_rows(2)), LIKELIHOOD)
    assert caught.value.code == "evaluate.passes_need_weights"


def test_windows_that_would_leave_tokens_out_are_refused_before_anything_is_generated(ctx, tiny, dataset_of):
    with pytest.raises(UsageError) as caught:
        evaluate(ctx, tiny, dataset_of(bank_rows(2)), PassesSpec(likelihood=True, stride=600))
    assert caught.value.code == "evaluate.stride_too_long"


def test_nearness_by_the_base_models_own_states_names_its_family(ctx, tiny, dataset_of):
    report = evaluate(ctx, tiny, dataset_of(bank_rows(3)), PassesSpec(similarity=SimilaritySpec()))
    one = report.figure(f"embedding_similarity_{tiny.family}")
    assert (one.unit, one.n, -1 <= one.value <= 1) == ("cosine", 3, True)


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "blocked", "we", "have", "the", "card"]


@pytest.fixture
def encoder(ctx):
    folder = ctx.root / "meanings"
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder.name


def test_nearness_by_an_encoder_is_one_for_the_same_text_and_none_for_an_empty_answer(ctx, tiny, dataset_of, encoder):
    dataset = dataset_of([row(f"Q{at}?", None, "we have the card") for at in range(3)], answer="text")
    asked = PassesSpec(similarity=SimilaritySpec(path=encoder))
    seen, _ = seen_of(ctx, tiny, dataset, ["we have the card", "blocked", ""], asked)
    name, found = similarity.similarities(seen.answers, seen)
    assert (name, found[0], found[2]) == ("embedding_similarity_meanings", 1.0, 0.0)
    assert found[1] < 1


@pytest.mark.parametrize("folder", [None, "meanings"])
def test_wrong_answers_are_grouped_by_what_an_encoder_or_the_base_makes_of_their_questions(
    ctx, tiny, dataset_of, encoder, folder
):
    asked = ["we have the card", "blocked blocked blocked"] * 4
    rows = [row(f"{text}{'!' * (at // 2)}", "top_up", "top_up\nx") for at, text in enumerate(asked)]
    spec = PassesSpec(groups=SimilaritySpec(path=folder and encoder))
    first, again = (evaluate(ctx, tiny, dataset_of(rows), spec) for _ in range(2))
    assert first.id == again.id
    found = errors.of_report(first, store=ctx.store)
    topics = [{one.question.rstrip("!") for one in group.examples} for group in found.groups]
    assert {"we have the card"} in topics
    assert {"blocked blocked blocked"} in topics


def test_a_folder_that_is_no_encoder_is_named(ctx, tiny, dataset_of):
    with pytest.raises(DataError) as caught:
        evaluate(ctx, tiny, dataset_of(bank_rows(2)), PassesSpec(similarity=SimilaritySpec(path="nowhere")))
    assert (caught.value.code, caught.value.facts["path"]) == ("evaluate.no_encoder", "nowhere")
