"""Formats of few bits: values within a stated bound, bytes that llama.cpp reads as the reference reader does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file, save_file

from seekloop.compress.gguf.dense import ATTENTION, FEED_FORWARD, TABLES
from seekloop.compress.gguf.formats import FORMATS, pack, stored_shape, unpack
from seekloop.compress.gguf.kquants import KINDS, quantise
from seekloop.compress.gguf.layout import Target
from seekloop.compress.gguf.recipe import choose
from seekloop.compress.gguf.rounding import largest_error
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.compress.stage import run
from seekloop.runtime import models
from seekloop.runtime.generate.likelihood import Fork
from seekloop.runtime.generate.open import open_scorer
from seekloop.runtime.originals import commit_original
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import ModelError
from seekloop.system.progress import Silent

VALUES = st.floats(-1000, 1000, width=32)
LARGER = st.floats(-1000, 1000, width=16)
BITS = {"q6_k": 6.5625, "q5_k": 5.5, "q4_k": 4.5, "iq4_nl": 4.5, "q5_1": 6, "q5_0": 5.5, "bf16": 16}
COARSER = {"q6_k": "q5_1", "q5_k": "q5_1", "q4_k": "q4_1", "iq4_nl": "q4_0"}
"""A format whose plain rounding costs as many bits or more; the searched one must still be nearer."""


def weights(rows: int = 64, columns: int = 512) -> np.ndarray:
    return np.random.default_rng(0).standard_t(5, size=(rows, columns)).astype(np.float32)


def off(values: np.ndarray, stored_as, **more) -> np.ndarray:
    return unpack(pack(values, stored_as, **more), stored_as, shape=values.shape) - values


@pytest.mark.parametrize("stored_as", FORMATS)
@given(source=arrays(np.float32, (2, 256), elements=VALUES))
def test_every_format_rounds_within_its_bound(stored_as, source):
    assert (np.abs(off(source, stored_as)) <= largest_error(source, stored_as)).all()


@pytest.mark.parametrize("stored_as", KINDS)
@given(source=arrays(np.float32, (1, 256), elements=LARGER))
def test_plain_scales_keep_within_the_bound_so_the_search_always_may_fall_back(stored_as, source):
    kind, width, make = KINDS[stored_as]
    stored = dequantize(make(source.reshape(-1, width), None), kind).reshape(source.shape)
    assert (np.abs(stored - source) <= largest_error(source, stored_as)).all()


@pytest.mark.parametrize("stored_as", KINDS)
def test_a_bound_is_not_much_wider_than_needed(stored_as):
    source = weights()
    assert largest_error(source, stored_as).max() < 4 * np.abs(off(source, stored_as)).max()


@pytest.mark.parametrize("stored_as", BITS)
def test_a_format_takes_the_bits_that_it_says(stored_as):
    assert np.prod(stored_shape((3, 512), stored_as)) * 8 == BITS[stored_as] * 3 * 512
    assert pack(weights(3), stored_as).shape == stored_shape((3, 512), stored_as)


@pytest.mark.parametrize("stored_as", COARSER)
def test_searched_scales_are_nearer_than_plain_ones_of_as_many_bits(stored_as):
    source = weights()
    assert np.square(off(source, stored_as)).mean() < np.square(off(source, COARSER[stored_as])).mean()


@pytest.mark.parametrize("stored_as", KINDS)
def test_columns_that_count_more_are_nearer_to_their_source(stored_as):
    source, counts = weights(), np.ones(512, np.float32)
    counts[::16] = 100
    plain, weighted = np.square(off(source, stored_as)), np.square(off(source, stored_as, importance=counts))
    assert weighted[:, ::16].mean() < plain[:, ::16].mean()


def test_equal_values_give_equal_bytes_wherever_they_stand():
    source = weights(4, 256)
    many = np.tile(source, (100, 1))
    assert (quantise(many, "q4_k")[-4:] == quantise(source, "q4_k")).all()


@pytest.fixture
def reread(ctx):
    """A full checkpoint of the values that the reference reader finds in a GGUF file of the qwen2 architecture."""

    def make(base, exported):
        parts = {theirs: name for name, theirs in (ATTENTION | FEED_FORWARD).items()}
        tables = {theirs: name for name, theirs in TABLES.items()}
        weights = load_file(ctx.store.path(base.id, "model.safetensors"))
        for tensor in GGUFReader(ctx.store.path(exported.id, "model.gguf")).tensors:
            part, kind = tensor.name.split(".")[-2:]
            name = tables.get(tensor.name) or f"model.layers.0.{parts[part]}.{kind}"
            values = dequantize(tensor.data, tensor.tensor_type)
            weights[name] = torch.from_numpy(values.copy()).reshape(weights[name].shape)
        with ctx.store.draft() as draft:
            models.codec_of(base, store=ctx.store).save(draft.folder)
            save_file(weights, draft.path("model.safetensors"), metadata={"format": "pt"})
            draft.path("config.json").write_bytes(ctx.store.path(base.id, "config.json").read_bytes())
            spec = {"source": "path:reread"}
            return commit_original(draft, ctx=ctx, store=ctx.store, spec=spec, family=base.family, parameters=1)

    return make


@pytest.mark.parametrize("precision", ["bf16", "q5_0", "q5_1", "iq4_nl", "q6_k", "q5_k_s", "q4_k_m"])
def test_llama_cpp_reads_the_bytes_as_the_reference_reader_does(ctx, compress, reread, precision):
    base = tiny_base(ctx, family="qwen2", layers=1, hidden=256)
    exported = compress(base, GgufMethod(precision=precision))
    forks = [Fork(tuple(range(40, 80)), tuple((one,) for one in range(50, 130, 10)))]
    found = {}
    for name, checkpoint in {"engine": exported, "reader": reread(base, exported), "base": base}.items():
        with open_scorer(checkpoint, store=ctx.store) as scorer:
            found[name] = np.array([way.logprob for way in dict(scorer.score(forks))[0]])
    away = np.abs(found["base"] - found["reader"]).mean()
    assert np.abs(found["engine"] - found["reader"]).mean() < max(0.5 * away, 2e-3)
    assert away < 0.05


def matrix(name: str, columns: int = 256) -> Target:
    return Target(name=name, shape=(8, columns))


def chosen(precision: str, *, layers: int = 16, experts: int = 0, head: bool = True, **more) -> dict[str, str]:
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_down", "ffn_up")
    targets = [matrix(f"blk.{layer}.{part}.weight") for layer in range(layers) for part in parts]
    targets += [matrix("token_embd.weight"), *([matrix("output.weight")] if head else [])]
    found = choose(targets, GgufMethod(precision=precision, **more), layers=layers, experts=experts)
    return {name: one.stored_as for name, one in found.items()}


def layers_of(formats: dict[str, str], part: str, stored_as: str) -> list[int]:
    return [layer for layer in range(16) if formats[f"blk.{layer}.{part}.weight"] == stored_as]


@pytest.mark.parametrize(("mixture", "plain"), [("q4_k_m", "q4_k"), ("q5_k_m", "q5_k")])
def test_a_medium_mixture_spends_six_bits_where_llama_cpp_does(mixture, plain):
    formats = chosen(mixture)
    more = [0, 1, 4, 7, 10, 13, 14, 15]
    assert layers_of(formats, "attn_v", "q6_k") == layers_of(formats, "ffn_down", "q6_k") == more
    assert layers_of(formats, "attn_q", plain) == layers_of(formats, "ffn_up", plain) == list(range(16))
    assert (formats["token_embd.weight"], formats["output.weight"]) == (plain, "q6_k")


def test_a_small_mixture_spends_five_bits_on_the_first_layers():
    formats = chosen("q4_k_s")
    assert layers_of(formats, "attn_v", "q5_k") == [0, 1, 2, 3]
    assert layers_of(formats, "ffn_down", "q5_k") == [0, 1]


def test_an_embedding_that_is_the_head_too_gets_the_heads_bits_unless_told():
    assert chosen("q4_k_m", head=False)["token_embd.weight"] == "q6_k"
    assert chosen("q4_k_m", head=False, embedding="q8_0")["token_embd.weight"] == "q8_0"


def test_eight_experts_keep_keys_and_values_in_eight_bits():
    formats = chosen("q4_k_m", experts=8)
    assert (formats["blk.5.attn_v.weight"], formats["blk.5.attn_output.weight"]) == ("q8_0", "q5_k")


@pytest.mark.parametrize(
    ("columns", "wanted", "stored_as"),
    [(576, "q4_k", "q5_0"), (576, "q5_k", "q5_1"), (576, "q6_k", "q8_0"), (40, "q4_k", "f16"), (40, "q6_k", "f16")],
)
def test_rows_that_do_not_divide_fall_back_as_llama_cpp_does(columns, wanted, stored_as):
    target = matrix("blk.0.attn_q.weight", columns)
    assert choose([target], GgufMethod(precision=wanted), layers=1)[target.name].stored_as == stored_as


def test_a_format_that_was_asked_for_by_name_is_never_replaced_in_silence():
    with pytest.raises(ModelError) as caught:
        choose([matrix("blk.0.attn_q.weight", 40)], GgufMethod(precision="q8_0"), layers=1)
    assert caught.value.code == "compress.block_width"


class Said(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_fall_back_is_said_aloud(ctx):
    told = Said()
    spec = CompressSpec(method=GgufMethod(precision="q4_k_s"))
    run(spec, CompressInputs(checkpoint=tiny_base(ctx)), ctx=replace(ctx, progress=told))
    assert any("as q5_0" in line and "256" in line for line in told.lines)
