"""How a run computes: checkpointing changes no loss, bf16 changes it little, and `auto` is settled once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from seekloop.artifact.context import RunContext
from seekloop.runtime.linear import Linear
from seekloop.runtime.train.batching import collate
from seekloop.runtime.train.choices import Choices, Need, memory_bytes, settle
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.methods.lora import LoraLinear
from seekloop.runtime.train.methods.method import trainable
from seekloop.runtime.train.precision import fastest, halve
from seekloop.runtime.train.recompute import recompute
from seekloop.runtime.train.validating import evaluating
from seekloop.system.progress import Silent
from tests.runtime.train.making import Bench, losses, rows

FAMILIES = ("smollm2", "qwen2", "deepseek-v2", "deepseek-v3")
LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
}


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)


def _need(*, tokens: int) -> Need:
    return Need(config=LLAMA, trainable=10_000_000, tokens=tokens, workers=2)


def _settle(folder: Path, progress: Heard, **given: Any) -> Choices:
    told = {"precision": "fp32", "checkpointing": "auto", "need": _need(tokens=1), **given}
    return settle(kept=folder / "choices.json", progress=progress, **told)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
def test_checkpointing_gives_the_same_loss_and_gradients(ctx: RunContext, family: str, full: bool) -> None:
    bench = Bench(ctx, family)
    views = [view for part in bench.views(rows(5)) for view in part]
    batch = collate(views, pad=bench.codec.pad_id, sharing=False)
    found = []
    for checkpointing in (False, True):
        model = bench.model()
        (Full() if full else bench.lora()).apply(model, seed=0)
        if checkpointing:
            recompute(model)
        loss = summed_loss(model, batch)
        found.append((loss.item(), torch.autograd.grad(loss, list(trainable(model).values()), allow_unused=True)))
    (first, grads), (second, others) = found
    assert second == pytest.approx(first, rel=1e-6)
    torch.testing.assert_close(others, grads, rtol=1e-6, atol=1e-6)


def test_checkpointing_keeps_less_for_the_backward_pass(bench: Bench) -> None:
    views = [view for part in bench.views(rows(8)) for view in part]
    batch = collate(views, pad=bench.codec.pad_id, sharing=False)
    kept = []
    for checkpointing in (False, True):
        model, sizes = bench.model(), []
        bench.lora().apply(model, seed=0)
        if checkpointing:
            recompute(model)

        def pack(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            summed_loss(model, batch)
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 2


def test_a_run_with_checkpointing_has_the_losses_of_one_without(bench: Bench, tmp_path: Path) -> None:
    plain = bench.train(bench.model(), bench.lora(), folder=tmp_path / "plain", sharing=False)
    again = bench.train(bench.model(), bench.lora(), folder=tmp_path / "again", checkpointing="on")
    assert losses(again) == pytest.approx(losses(plain), abs=1e-6)


def test_checkpointing_stands_back_while_answers_are_generated(bench: Bench) -> None:
    model = bench.model()
    bench.lora().apply(model, seed=0)
    recompute(model)
    with evaluating(model), torch.no_grad():
        found = model(input_ids=torch.arange(9).unsqueeze(0), use_cache=True)
    assert found.past_key_values is not None
    assert found.past_key_values.get_seq_length() == 9


@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
def test_losses_in_bf16_are_those_of_fp32_within_a_hundredth(bench: Bench, tmp_path: Path, full: bool) -> None:
    method = Full() if full else bench.lora()
    exact = bench.train(bench.model(), method, folder=tmp_path / "fp32")
    model = bench.model()
    half = bench.train(model, method, folder=tmp_path / "bf16", precision="bf16")
    assert losses(half) != losses(exact)
    assert losses(half) == pytest.approx(losses(exact), rel=1e-2)
    assert {value.dtype for value in trainable(model).values()} == {torch.float32}


def test_frozen_weights_are_stored_in_bf16_unless_they_are_written_again(bench: Bench) -> None:
    stored, kept = bench.model(), bench.model()
    for model, keep in ((stored, False), (kept, True)):
        bench.lora().apply(model, seed=0)
        halve(model, keep=keep)
    layers = [[part.frozen for part in model.modules() if isinstance(part, LoraLinear)] for model in (stored, kept)]
    assert {layer.weight.dtype for layer in layers[0]} == {torch.bfloat16}
    assert {layer.weight.dtype for layer in layers[1]} == {torch.float32}
    assert all(layer.half for layer in layers[1] if isinstance(layer, Linear))
    assert stored.get_output_embeddings().weight.dtype == torch.float32


def test_bf16_gives_the_same_bits_again(bench: Bench, tmp_path: Path) -> None:
    runs = [losses(bench.train(bench.model(), bench.lora(), folder=tmp_path / name, precision="bf16")) for name in "ab"]
    assert runs[0] == runs[1]


def test_the_speed_of_bf16_is_measured_once_on_a_machine(tmp_path: Path) -> None:
    record = tmp_path / "cache" / "precision.json"
    first = fastest(record)
    (machine,) = json.loads(record.read_bytes())
    record.write_text(json.dumps({machine: 9.5}))
    assert first[0] in ("fp32", "bf16")
    assert fastest(record) == ("bf16", 9.5)
    record.write_text(json.dumps({machine: 1.1}))
    assert fastest(record) == ("fp32", 1.1)


def test_a_record_of_speeds_that_cannot_be_read_is_measured_anew(tmp_path: Path) -> None:
    record = tmp_path / "precision.json"
    record.write_text("[")
    assert fastest(record)[1] == next(iter(json.loads(record.read_bytes()).values()))


def test_auto_checkpoints_only_what_does_not_fit_and_says_so(tmp_path: Path) -> None:
    heard = Heard()
    small = Need(config=LLAMA | {"num_hidden_layers": 1}, trainable=1, tokens=8, workers=1)
    assert not _settle(tmp_path / "small", heard, need=small).checkpointing
    assert heard.said == []
    tokens = memory_bytes() // 2**20
    assert _settle(tmp_path / "large", heard, need=_need(tokens=tokens)).checkpointing
    assert heard.said[0].startswith("checkpointing: on;")


def test_memory_of_an_unknown_architecture_is_not_guessed(tmp_path: Path) -> None:
    heard = Heard()
    need = Need(config={"model_type": "mamba"}, trainable=1, tokens=1, workers=1)
    assert not _settle(tmp_path, heard, need=need).checkpointing
    assert "not known" in heard.said[0]


def test_a_later_attempt_computes_as_the_first_did(tmp_path: Path) -> None:
    (tmp_path / "choices.json").write_text(json.dumps({"precision": "bf16", "checkpointing": True}))
    assert _settle(tmp_path, Heard(), checkpointing="off") == Choices(precision="bf16", checkpointing=True)
