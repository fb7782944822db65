"""onnxruntime answers as torch does: side by side, token by token, with its log-probabilities, and as a scorer."""

from __future__ import annotations

import importlib.util

import pytest

from seekloop.artifact.context import RunContext
from seekloop.compress.onnx.spec import OnnxMethod
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.likelihood import Fork
from seekloop.runtime.generate.open import engines_for, open_backend, open_scorer
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import EngineError

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="onnx, onnxscript or onnxruntime is not installed",
)
CLOSE = 1e-4


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with the tiny model, and its graph."""
    with RunContext.in_folder(tmp_path_factory.mktemp("onnx"), seed=1) as ctx:
        tiny = tiny_base(ctx)
        made = run(CompressSpec(method=OnnxMethod()), CompressInputs(checkpoint=tiny), ctx=ctx)
        yield ctx.store, tiny, made


def answers(backend, prompts):
    done = dict(backend.generate(prompts))
    return [(done[index].ids, done[index].finish_reason) for index in range(len(prompts))]


def test_rows_of_many_lengths_answer_as_torch_answers_them(place, ragged):
    store, tiny, made = place
    prompts = [*ragged(14), *ragged(6, temperature=0.8)]
    with open_backend(tiny, store=store) as torch, open_backend(made, store=store, streams=4) as onnx:
        assert onnx.name.startswith("onnxruntime")
        assert answers(onnx, prompts) == answers(torch, prompts)


def test_a_stream_says_what_generate_says(place, ragged):
    store, _, made = place
    with open_backend(made, store=store) as backend:
        for prompt in ragged(4):
            tokens = list(backend.stream(prompt))
            ids = tuple(token.id for token in tokens if token.id is not None)
            assert [(ids, tokens[-1].finish_reason)] == answers(backend, [prompt])


def test_it_tells_what_torch_tells_of_a_text(place):
    store, tiny, made = place
    ids, allowed = [9, 10, 11, 40, 200], bytes([0b10101010] * 64)
    with open_backend(tiny, store=store) as torch, open_backend(made, store=store) as onnx:
        for ours, theirs in zip(onnx.read(ids, top=3), torch.read(ids, top=3), strict=True):
            assert ours.logprob == pytest.approx(theirs.logprob, abs=CLOSE)
            assert [id_ for id_, _ in ours.top] == [id_ for id_, _ in theirs.top]
        found = [[id_ for id_, _ in one.among(ids, allowed=allowed, most=5)] for one in (onnx, torch)]
    assert found[0] == found[1]


def test_ways_have_torchs_log_probabilities(place):
    store, tiny, made = place
    forks = [Fork((9, 10, 11), ((40,), (41, 42), (40, 43, 44))), Fork((12,), ((13,), (14,)))]
    with open_scorer(tiny, store=store) as torch, open_scorer(made, store=store) as onnx:
        for (_, ours), (_, theirs) in zip(onnx.score(forks), torch.score(forks), strict=True):
            assert [one.logprob for one in ours] == pytest.approx([one.logprob for one in theirs], abs=CLOSE)
            assert [one.greedy for one in ours] == [one.greedy for one in theirs]


def test_only_its_own_form_is_run_and_no_states_are_told(place):
    store, tiny, made = place
    assert engines_for(made) == ("onnx",)
    with pytest.raises(EngineError) as refused:
        open_backend(tiny, store=store, engine="onnx")
    with open_backend(made, store=store) as backend, pytest.raises(EngineError) as asked:
        backend.embed([9])
    assert (refused.value.code, asked.value.code) == ("runtime.needs_onnx", "grammar.cannot")


def test_a_prompt_that_does_not_fit_is_refused_and_a_closed_backend_says_so(place):
    store, _, made = place
    backend = open_backend(made, store=store, context=16)
    prompt = Prompt(ids=(9,) * 9, stop_ids=frozenset(), max_tokens=8)
    with pytest.raises(EngineError) as long:
        next(iter(backend.generate([prompt])))
    backend.close()
    with pytest.raises(EngineError) as closed:
        backend.read([9, 10], top=1)
    assert (long.value.code, closed.value.code) == ("runtime.prompt_too_long", "runtime.closed")
