"""No form is committed before it said what its parent says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from gguf import GGUFReader
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.compress import merge
from seekloop.compress.gguf import export as gguf_export
from seekloop.compress.parity.gate import FILE
from seekloop.compress.parity.limits import limits_of
from seekloop.compress.parity.prompts import BUILT_IN, probes
from seekloop.compress.parity.spec import ParitySpec
from seekloop.compress.parity.tables import compare
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod, MergeMethod
from seekloop.compress.stage import form_by
from seekloop.model.codec import Codec
from seekloop.system.errors import GateRefused, ModelError
from seekloop.system.spec import Spec

SPEC = CompressSpec()
QUERY = "model.layers.{}.self_attn.q_proj.weight"


def distributions(seed: int, *, sharpness: float = 3.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(6, 40)) * sharpness
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def calibrated(ctx) -> Dataset:
    """A dataset whose calibration rows are all there is of it."""
    rows = [
        Row(
            id=row_id([number]),
            messages=(Message(role="user", content=f"{number}?"), Message(role="assistant", content="yes " * 9)),
            source=Source(file="here", line=number),
        )
        for number in range(1, 30)
    ]
    with ctx.job("data", Spec()) as job:
        for split in ("train", "validation", "test", "calibration", "dropped"):
            write_rows(job.path(f"{split}.jsonl"), rows if split in ("train", "calibration") else [])
        splits = {"train": len(rows), "validation": 0, "test": 0}
        told = {"rows": len(rows), "splits": splits, "dropped": {}, "calibration": len(rows)}
        return job.commit(Dataset(made_by=job.origin, **told))


def refusal(ctx, checkpoint, make) -> GateRefused:
    """What the gate says to a maker's form; the store is as it was."""
    before = ctx.store.list("checkpoint")
    with pytest.raises(GateRefused) as caught:
        form_by(make, SPEC, inputs=CompressInputs(checkpoint=checkpoint), ctx=ctx)
    assert ctx.store.list("checkpoint") == before
    return caught.value


def test_a_merged_form_with_swapped_tensors_is_refused(ctx, adapter):
    def swapped(work):
        made = merge.make(work)
        weights = load_file(work.folder / "model.safetensors")
        first, second = QUERY.format(0), QUERY.format(1)
        weights[first], weights[second] = weights[second], weights[first]
        save_file(weights, work.folder / "model.safetensors", metadata={"format": "pt"})
        return made

    error = refusal(ctx, adapter, swapped)
    assert error.code == "compress.parity_refused"
    assert "lost" in error.facts["broken"]


@pytest.mark.parametrize("precision", ["f32", "q8_0", "q4_0"])
@pytest.mark.parametrize("part", ["attn_output", "attn_v", "token_embd"])
def test_a_gguf_with_permuted_rows_is_refused_at_any_precision(ctx, sharp, precision, part):
    def permuted(work):
        made = gguf_export.make(GgufMethod(precision=precision), work)
        file = GGUFReader(work.folder / "model.gguf", "r+")
        for tensor in file.tensors:
            if part in tensor.name:
                tensor.data[:] = np.roll(tensor.data, 7, axis=0).copy()
        file.data.flush()
        return made

    assert refusal(ctx, sharp("smollm2"), permuted).exit_code == 3


def test_a_gguf_that_counts_positions_wrongly_is_refused(ctx, sharp):
    def turned(work):
        made = gguf_export.make(GgufMethod(precision="q8_0"), work)
        file = GGUFReader(work.folder / "model.gguf", "r+")
        field = file.fields["llama.rope.freq_base"]
        field.parts[field.data[0]][0] = 11.0
        file.data.flush()
        return made

    assert refusal(ctx, sharp("smollm2"), turned).facts["limits"] == "eight"


def test_a_form_that_nothing_opens_is_refused(ctx, adapter):
    with pytest.raises(ModelError) as caught:
        form_by(
            lambda work: replace(merge.make(work), form="endpoint"),
            SPEC,
            inputs=CompressInputs(checkpoint=adapter),
            ctx=ctx,
        )
    assert caught.value.code == "compress.parity_unopened"


def test_figures_are_kept_with_the_form_and_in_its_receipt(ctx, adapter, compress):
    merged = compress(adapter, MergeMethod())
    kept = json.loads(ctx.store.path(merged.id, FILE).read_text("utf-8"))
    assert (kept["prompts"], kept["kl"], kept["top1"], kept["limits"]["name"]) == (BUILT_IN, 0, 1, "same")
    cost = ctx.store.receipt(merged.id).cost
    assert 0 <= cost["parity_kl"] < 1e-6
    assert cost["parity_places"] == kept["places"] == 32


def test_calibration_rows_are_read_where_there_are_any(ctx, tiny):
    codec, dataset = Codec.open(ctx.store.folder(tiny.id)), calibrated(ctx)
    source, asked = probes(ParitySpec(prompts=5), dataset, codec=codec, store=ctx.store, seed=1)
    again = probes(ParitySpec(prompts=5), dataset, codec=codec, store=ctx.store, seed=1)
    other = probes(ParitySpec(prompts=5), dataset, codec=codec, store=ctx.store, seed=2)
    assert (source, len(asked)) == (dataset.id, 5)
    assert (source, asked) == again != other
    assert probes(ParitySpec(), None, codec=codec, store=ctx.store, seed=1)[0] == BUILT_IN


def test_a_spec_may_be_stricter(ctx, tiny):
    strict = CompressSpec(method=GgufMethod(precision="q4_0"), parity=ParitySpec(max_kl=1e-9))
    with pytest.raises(GateRefused) as caught:
        form_by(
            lambda work: gguf_export.make(strict.method, work),
            strict,
            inputs=CompressInputs(checkpoint=tiny),
            ctx=ctx,
        )
    assert caught.value.facts["broken"].startswith("kl ")


@pytest.mark.parametrize(
    ("form", "precision", "changed", "name"),
    [
        ("full", "f32", False, "same"),
        ("gguf", "F32", False, "f32"),
        ("openvino", "int8", False, "rows"),
        ("compressed-tensors", "W4A16", False, "four"),
        ("onnx", "q7", False, "other"),
        ("full", "f32", True, "changed"),
    ],
)
def test_limits_go_by_form_and_precision(form, precision, changed, name):
    assert limits_of(form=form, precision=precision, changed=changed, spec=ParitySpec()).name == name


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 39))
def test_a_part_of_the_vocabulary_never_says_more_than_the_whole(one, other, kept):
    parent, form = distributions(one), distributions(other)
    whole = compare(parent, form)
    part = form.copy()
    part[part < np.sort(part, axis=-1)[:, [-kept]]] = np.nan
    some = compare(parent, part)
    assert 0 <= some.kl <= whole.kl + 1e-9
    assert whole.complete
    assert not some.complete
    assert some.top1 == whole.top1


def test_the_same_distributions_are_no_distance_apart():
    found = compare(distributions(3), distributions(3))
    assert (found.kl, found.lost, found.top1, found.difference) == (0, 0, 1, 0)


def test_who_does_not_read_the_context_loses_all_of_it():
    parent = distributions(5)
    blind = np.tile(np.log(np.exp(parent).mean(0)), (len(parent), 1))
    assert compare(parent, blind).lost == pytest.approx(1)


def test_where_the_context_tells_nothing_rounding_is_no_loss():
    sure = np.full((5, 3), -30.0)
    sure[:, 0] = np.log1p(-2 * np.exp(-30.0))
    rounded = sure + np.array([0.0, 1e-5, -1e-5])
    assert compare(sure, rounded).lost < 1e-5


def test_several_classes_diverge_by_their_mean_and_agree_as_a_set():
    chances = np.array([[0.9, 0.2], [0.3, 0.6]]), np.array([[0.8, 0.2], [0.6, 0.6]])
    (p, q), (parent, form) = chances, (np.log(np.stack((one, 1 - one), -1)) for one in chances)
    found = compare(parent, form)
    apart = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert (found.kl, found.kl_worst) == (pytest.approx(apart.mean()), pytest.approx(apart.max()))
    assert (found.places, found.top1) == (2, 0.5)
