"""lm-eval's questions in texts: the numbers are transformers' own, on every engine, and the figures keep their n."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seekloop.evaluate import harness
from seekloop.evaluate.ask_spec import AskSpec
from seekloop.evaluate.harness import HarnessSpec, figures
from seekloop.evaluate.harness_remote import RemoteModel
from seekloop.evaluate.harness_text import Asked, LocalModel, cut_at, windows
from seekloop.model.codec import Codec
from seekloop.runtime.endpoint.served import Endpoint, open_endpoint
from seekloop.runtime.generate.open import open_scorer
from seekloop.runtime.models import load
from seekloop.system.clock import SystemClock
from seekloop.system.errors import DataError, EngineError, MissingPackage
from tests.evaluate.stub import endpoint

TASK = """
task: bank_choice
dataset_path: json
dataset_kwargs: {data_files: {test: bank.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "Customer: {{text}}\\nTopic:"
doc_to_choice: [card, transfer, cash]
doc_to_target: topic
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
ROWS = [{"text": "I lost my card", "topic": 0}, {"text": "转账还没有到账", "topic": 1}, {"text": "No cash", "topic": 2}]


@pytest.fixture
def texts(ctx, tiny):
    """The tiny model as a harness sees it, reading at most 64 tokens at once."""
    folder = ctx.store.folder(tiny.id)
    with open_scorer(tiny, store=ctx.store) as scorer:
        yield LocalModel(scorer, codec=Codec.open(folder), folder=folder, context=64, progress=lambda: None)


def by_transformers(ctx, tiny, texts, context, continuation):
    model = load(tiny, store=ctx.store)
    before, whole = texts._encode(context.rstrip()), texts._encode(context + continuation)
    with torch.inference_mode():
        logprobs = torch.log_softmax(model(torch.tensor([whole])).logits[0, len(before) - 1 : -1], -1)
    return float(logprobs[torch.arange(len(whole) - len(before)), list(whole[len(before) :])].sum())


def test_likelihoods_are_those_of_transformers(ctx, tiny, texts):
    pairs = [("The card", " is lost"), ("The card", " was"), ("我的卡 ", "丢了"), ("The card", " is lost")]
    found = texts.likelihoods(pairs)
    for pair, (logprob, _) in zip(pairs, found, strict=True):
        assert logprob == pytest.approx(by_transformers(ctx, tiny, texts, *pair), abs=1e-4)
    assert found[0] == found[3]


def test_a_context_that_is_too_long_loses_its_beginning_and_is_counted(texts):
    long = "word " * 200
    cut, whole = texts.likelihoods([(long, " end"), (long[-40:], " end")])
    assert texts.cut == 1
    assert cut[0] != whole[0]


def test_a_long_text_is_scored_in_windows(texts):
    (short,) = texts.whole_likelihoods(["A card."])
    long, longer = texts.whole_likelihoods(["A card. " * 30, "A card. " * 60])
    assert 0 > short > long > longer


@given(st.integers(1, 80), st.integers(1, 12))
def test_windows_predict_each_id_once_and_read_no_more_than_fits(length, size):
    pieces = list(windows(range(length), prefix=-1, size=size))
    assert [id_ for _, way in pieces for id_ in way] == list(range(length))
    assert all(len(context) >= 1 and len(context) + len(way) - 1 <= size for context, way in pieces)
    assert all(context[-1] == way[0] - 1 for context, way in pieces)


def test_an_answer_ends_before_its_first_stop_text(texts):
    (free,) = texts.answers([Asked(text="The card", until=(), max_tokens=40)])
    (held,) = texts.answers([Asked(text="The card", until=(free[5:7],), max_tokens=40)])
    assert held == cut_at(free, (free[5:7],))[0]
    assert len(held) <= 5


def test_rounds_say_what_one_long_generation_says(texts):
    (short,) = texts.answers([Asked(text="The card", until=(), max_tokens=8)])
    both = texts.answers([Asked(text="The card", until=(), max_tokens=n) for n in (8, 50)])
    assert both[0] == short
    assert both[1].startswith(short.rstrip("\ufffd"))


def found(value, error, *, metric="acc", n=4, chosen="none"):
    return {
        "results": {"t": {f"{metric},{chosen}": value, f"{metric}_stderr,{chosen}": error, "alias": "t"}},
        "n-samples": {"t": {"original": 9, "effective": n}},
        "higher_is_better": {"t": {metric: metric != "perplexity"}},
    }


def test_a_figure_has_the_tasks_name_its_n_and_an_interval_inside_shares():
    (one,) = figures(found(1.0, 0.0))
    assert (one.name, one.value, one.n, one.unit) == ("lmeval_t_acc", 1.0, 4, "share")
    assert one.ci == pytest.approx((0.5101, 1.0), abs=1e-3)


def test_what_does_not_count_rows_has_the_interval_of_its_standard_error():
    (one,) = figures(found(12.0, 1.0, metric="perplexity", chosen="strict"))
    assert (one.name, one.better) == ("lmeval_t_perplexity_strict", "lower")
    assert one.ci == pytest.approx((10.04, 13.96), abs=1e-2)
    assert figures(found(12.0, "N/A", metric="perplexity"))[0].ci is None


def completions(path, request, tries):
    """One token a word, each of log-probability -1, but `sure` of -0.1."""
    offsets = [place for place, letter in enumerate(request["prompt"]) if place == 0 or letter == " "]
    words = [request["prompt"][a:b] for a, b in zip(offsets, [*offsets[1:], None], strict=True)]
    values = [None, *[-0.1 if "sure" in word else -1.0 for word in words[1:]]]
    tops = [None, *[{"x": -0.5} for _ in words[1:]]]
    told = {"tokens": words, "text_offset": offsets, "token_logprobs": values, "top_logprobs": tops}
    text = request["prompt"] if request.get("echo") else "four STOP five"
    return 200, {"choices": [{"text": text, "logprobs": told if request.get("echo") else None}]}, {}


def remote(url):
    ask = AskSpec(retries=2, backoff_s=0.001)
    return RemoteModel(Endpoint(url=url, model="m"), ask=ask, streams=2, clock=SystemClock(), progress=lambda: None)


def test_an_endpoint_with_echo_scores_continuations():
    with endpoint(lambda *asked: completions(*asked) if asked[2] else (503, "busy", {})) as url:
        assert remote(url).likelihoods([("one two", " three four"), ("one", " sure")]) == [(-2.0, False), (-0.1, True)]
        assert remote(url).whole_likelihoods(["one two three"]) == [-2.0]
        assert remote(url).answers([Asked(text="a", until=(" STOP",), max_tokens=9)]) == ["four"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ((404, "no", {}), "evaluate.harness_no_completions"),
        ((200, {"choices": [{"text": "x"}]}, {}), "evaluate.harness_no_logprobs"),
        ((503, "down", {}), "evaluate.endpoint_gone"),
    ],
)
def test_an_endpoint_that_cannot_is_named(reply, code):
    with endpoint(lambda *_: reply) as url, pytest.raises(EngineError) as caught:
        remote(url).likelihoods([("a", " b")])
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("task: [", "evaluate.harness_bad_task"),
        ("dataset_path: json", "evaluate.harness_bad_task"),
        ("task: a\ndoc_to_text: !function x.y", "evaluate.harness_code"),
    ],
)
def test_a_task_file_that_cannot_be_run_is_named(tmp_path, text, code):
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(DataError) as caught:
        harness.task_of("t.yaml", root=tmp_path, known=[])
    assert caught.value.code == code
    assert str(caught.value.facts["where"]).endswith("t.yaml")


def test_files_of_a_task_are_taken_from_its_folder(tmp_path):
    (tmp_path / "t.yaml").write_text(TASK)
    task = harness.task_of("t.yaml", root=tmp_path, known=[])
    assert task["dataset_kwargs"]["data_files"] == {"test": str(tmp_path / "bank.jsonl")}


def test_without_lm_eval_the_pip_line_is_told(ctx, tiny, tmp_path):
    try:
        import lm_eval  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(MissingPackage) as caught:
            harness.run(HarnessSpec(tasks=("t.yaml",)), tiny, ctx=ctx)
        assert caught.value.facts == {"package": "lm_eval", "extra": "lmeval"}


def test_tasks_end_in_a_report(ctx, tiny, tmp_path):
    pytest.importorskip("lm_eval")
    (tmp_path / "t.yaml").write_text(TASK, "utf-8")
    (tmp_path / "bank.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    report, again = (harness.run(HarnessSpec(tasks=("t.yaml",)), tiny, ctx=ctx) for _ in range(2))
    assert report.id == again.id
    assert (report.figure("lmeval_bank_choice_acc").n, report.subject) == (3, tiny.id)
    assert len(ctx.store.path(report.id, "samples_bank_choice.jsonl").read_text("utf-8").splitlines()) == 3
    with endpoint(completions) as url:
        served = harness.run(HarnessSpec(tasks=("t.yaml",)), open_endpoint(f"{url}#m", ctx=ctx), ctx=ctx)
    assert served.figure("lmeval_bank_choice_acc").n == 3


def test_our_model_has_what_lm_eval_asks_for(texts):
    model = pytest.importorskip("lm_eval.api.model")
    from seekloop.evaluate.harness_model import HarnessModel

    assert issubclass(HarnessModel, model.LM)
    assert not HarnessModel.__abstractmethods__
    turns = [{"role": "user", "content": "Hi"}]
    assert HarnessModel(texts).apply_chat_template(turns).startswith("<|im_start|>")


def test_a_task_whose_data_are_not_here_is_a_sentence(ctx, tiny, tmp_path):
    pytest.importorskip("lm_eval")
    (tmp_path / "t.yaml").write_text(TASK, "utf-8")
    with pytest.raises(DataError) as caught:
        harness.run(HarnessSpec(tasks=("t.yaml",)), tiny, ctx=ctx)
    assert caught.value.code == "evaluate.harness_no_data"
    with pytest.raises(DataError) as caught:
        harness.run(HarnessSpec(tasks=("no_such_task",)), tiny, ctx=ctx)
    assert caught.value.code == "evaluate.harness_unknown_task"
