"""The bitsandbytes form: opened by bitsandbytes in unmodified transformers, and here without it."""

from __future__ import annotations

import importlib.util
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from seekloop.compress.packed.llm_int8 import make_bitsandbytes
from seekloop.compress.packed.spec import BitsAndBytesMethod
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import form_by
from seekloop.runtime import models
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.llm_int8 import int8_tensors, open_int8, read_int8, round_inputs
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.weights import quiet
from seekloop.system.errors import GateRefused, ModelError
from tests.compress.tampering import tampered

IDS = torch.arange(3, 51).view(2, 24)
needs_theirs = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)


def theirs(folder):
    with quiet():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()


def logits(model, ids=IDS):
    with torch.inference_mode():
        return model(ids).logits


def apart(one, other):
    """Largest difference, as a share of the largest number."""
    return float((one.float() - other).abs().max() / other.abs().max())


# They scale sums, multiply what is large, and hand on states in fp16.
@needs_theirs
@pytest.mark.parametrize("threshold", [6.0, 0.5, 0.0])
def test_bitsandbytes_computes_the_same_in_unmodified_transformers(threshold, ctx, sharp, compress):
    import bitsandbytes

    folder = ctx.store.folder(compress(sharp("qwen2.5"), BitsAndBytesMethod(threshold=threshold)).id)
    model, mine = theirs(folder), open_int8(folder)
    assert apart(logits(model), logits(mine)) < 3e-2
    x = 2 * torch.randn(1, 64, generator=torch.Generator().manual_seed(5)).half()
    for name in ("self_attn.q_proj", "mlp.up_proj"):
        layer, ours = (one.get_submodule(f"model.layers.1.{name}") for one in (model, mine))
        assert isinstance(layer, bitsandbytes.nn.Linear8bitLt)
        with torch.inference_mode():
            assert apart(layer(x), ours(x.float())) < 2e-3


@needs_theirs
def test_codes_and_magnitudes_are_those_that_bitsandbytes_finds_itself(ctx, tiny, compress):
    import bitsandbytes

    folder = ctx.store.folder(compress(tiny, BitsAndBytesMethod()).id)
    source = models.load(tiny, store=ctx.store)
    for name, value in read_int8(folder):
        weight = source.get_submodule(name).weight
        codes, largest, _ = bitsandbytes.functional.int8_vectorwise_quant(weight.half())
        assert (codes.float() * largest[:, None] / 127 - value).abs().max() <= 1.01 * largest.max() / 127


def test_the_form_is_near_its_parent_small_and_answers(ctx, adapter, compress):
    made = compress(adapter, BitsAndBytesMethod())
    assert (made.form, made.precision) == ("bitsandbytes", "int8")
    parent = models.load(adapter, store=ctx.store)
    assert (logits(models.load(made, store=ctx.store)) - logits(parent)).std() < 0.1 * logits(parent).std()
    with open_backend(made, store=ctx.store, streams=2) as backend:
        prompts = [Prompt(ids=(40, 41, 42), stop_ids=frozenset(), max_tokens=4)] * 2
        assert len({done.ids for _, done in backend.generate(prompts)}) == 1
    told = json.loads(ctx.store.path(made.id, "config.json").read_text())["quantization_config"]
    assert told["load_in_8bit"] and told["llm_int8_skip_modules"] == ["lm_head"]


def test_what_stands_beside_a_row_changes_nothing(ctx, tiny, compress):
    model = models.load(compress(tiny, BitsAndBytesMethod(threshold=0.5)), store=ctx.store)
    assert torch.equal(logits(model)[0], logits(model, IDS[:1])[0])


def test_a_form_with_moved_rows_is_refused(ctx, sharp):
    def moved(work):
        made = make_bitsandbytes(BitsAndBytesMethod(), work)
        tampered(work.folder, "o_proj.weight")
        return made

    with pytest.raises(GateRefused):
        form_by(moved, CompressSpec(), inputs=CompressInputs(checkpoint=sharp("smollm2")), ctx=ctx)


def test_a_mixture_of_experts_is_refused(ctx, compress):
    with pytest.raises(ModelError) as caught:
        compress(tiny_base(ctx, family="deepseek-v2"), BitsAndBytesMethod())
    assert caught.value.code == "compress.experts_in_full"


@given(st.integers(0, 99), st.sampled_from([0.0, 1.0, 2.5]))
def test_large_inputs_stay_and_the_rest_is_within_half_a_step(seed, threshold):
    x = torch.randn(3, 40, generator=torch.Generator().manual_seed(seed))
    got, large = round_inputs(x, threshold=threshold), x.abs() >= (threshold or torch.inf)
    assert torch.equal(got[large], x[large])
    step = x.masked_fill(large, 0).abs().amax(-1, keepdim=True) / 127
    assert ((got - x).abs() <= step * 0.501 + 1e-7).all()


def test_a_row_of_zeros_stays_zero():
    tensors = int8_tensors("a", torch.zeros(2, 8))
    assert not tensors["a.weight"].any() and not tensors["a.SCB"].any()
