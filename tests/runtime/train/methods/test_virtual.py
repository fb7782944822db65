"""Virtual tokens are PEFT's: it opens ours, we open its, with the same logits; batches and caches change nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from seekloop.artifact.context import RunContext
from seekloop.runtime.generate.backend import Prompt as Ask
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.runtime.train.batching import collate
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.runtime.train.methods.method import Method, trainable
from seekloop.runtime.train.methods.prefix import Prefix
from seekloop.runtime.train.methods.prompt import Prompt
from seekloop.system.errors import ModelError
from tests.runtime.train.making import Bench, rows

IDS = torch.arange(40).view(2, 20)
COUNT = 6
BEGIN = tuple(range(20, 20 + COUNT))
METHODS: dict[str, Callable[[], Method]] = {
    "prefix": lambda: Prefix(ids=BEGIN),
    "prompt": lambda: Prompt(ids=BEGIN),
    "mlp": lambda: Prompt(ids=BEGIN, encoder="mlp", hidden=8),
    "lstm": lambda: Prompt(ids=BEGIN, encoder="lstm", hidden=8),
}
THEIRS = {
    "prefix": peft.PrefixTuningConfig,
    "prompt": peft.PromptTuningConfig,
    "mlp": peft.PromptEncoderConfig,
}


def _logits(model: nn.Module, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids).logits[:, -ids.shape[1] :]


def _disturbed(bench: Bench, name: str) -> tuple[nn.Module, Method]:
    """A model with virtual tokens that are no longer those of text."""
    model, method = bench.model(), METHODS[name]()
    method.apply(model, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in trainable(model).values():
            value.add_(torch.randn(value.shape, generator=generator) * 0.3)
    return model, method


def _stock(bench: Bench) -> nn.Module:
    return AutoModelForCausalLM.from_pretrained(bench.ctx.store.folder(bench.base.id), dtype=torch.float32).eval()


@pytest.mark.parametrize("family", ["smollm2", "qwen2"])
@pytest.mark.parametrize("name", METHODS)
def test_peft_opens_ours_with_the_same_logits(ctx: RunContext, tmp_path: Path, name: str, family: str) -> None:
    bench = Bench(ctx, family)
    ours, method = _disturbed(bench, name)
    assert method.export(ours, tmp_path) > 0
    theirs = peft.PeftModel.from_pretrained(_stock(bench), tmp_path).eval()
    torch.testing.assert_close(_logits(theirs), _logits(ours), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(_logits(ours), _logits(bench.model()), atol=1e-2)


@pytest.mark.parametrize("family", ["smollm2", "qwen2"])
@pytest.mark.parametrize("name", THEIRS)
def test_we_open_theirs_with_the_same_logits(ctx: RunContext, tmp_path: Path, name: str, family: str) -> None:
    bench = Bench(ctx, family)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = THEIRS[name](task_type="CAUSAL_LM", num_virtual_tokens=COUNT)
        theirs = peft.get_peft_model(_stock(bench), config).eval()
        theirs.save_pretrained(tmp_path)
    ours = bench.model()
    open_adapter(ours, tmp_path)
    torch.testing.assert_close(_logits(ours), _logits(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["smollm2", "deepseek-v2", "deepseek-v3"])
@pytest.mark.parametrize("name", METHODS)
def test_they_come_back_from_their_folder(ctx: RunContext, tmp_path: Path, name: str, family: str) -> None:
    bench = Bench(ctx, family)
    ours, method = _disturbed(bench, name)
    method.export(ours, tmp_path)
    again = bench.model()
    open_adapter(again, tmp_path)
    torch.testing.assert_close(_logits(again), _logits(ours), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["smollm2", "deepseek-v3"])
@pytest.mark.parametrize("name", METHODS)
def test_before_the_first_step_they_are_the_real_tokens(ctx: RunContext, name: str, family: str) -> None:
    bench = Bench(ctx, family)
    model = bench.model()
    METHODS[name]().apply(model, seed=0)
    real = torch.cat((torch.tensor([BEGIN] * 2), IDS), 1)
    torch.testing.assert_close(_logits(model), _logits(bench.model(), real)[:, COUNT:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sharing", [False, True])
@pytest.mark.parametrize("family", ["smollm2", "deepseek-v3"])
@pytest.mark.parametrize("name", ["prefix", "lstm"])
def test_a_padded_batch_has_the_loss_and_gradients_of_its_rows(
    ctx: RunContext, name: str, family: str, sharing: bool
) -> None:
    bench = Bench(ctx, family)
    model, _ = _disturbed(bench, name)
    views = [view for part in bench.views(rows(7)) for view in part]
    batch = collate(views, pad=bench.codec.pad_id, sharing=sharing)
    assert (batch.prefix > 0) == sharing
    parameters = list(trainable(model).values())
    together = summed_loss(model, batch)
    apart = sum(summed_loss(model, collate([view], pad=0, sharing=False)) for view in views)
    assert together.item() == pytest.approx(apart.item(), rel=1e-6)
    for one, other in zip(
        torch.autograd.grad(together, parameters), torch.autograd.grad(apart, parameters), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["prefix", "prompt"])
def test_a_batch_answers_as_one_by_one(bench: Bench, name: str) -> None:
    model, _ = _disturbed(bench, name)
    model.eval().requires_grad_(False)
    asked = [Ask(ids=tuple(range(9, 9 + n)), stop_ids=frozenset(range(8)), max_tokens=n) for n in (1, 4, 9, 3)]
    together = dict(TorchBackend(model, streams=2).generate(asked))
    for index, prompt in enumerate(asked):
        ids = list(prompt.ids)
        for expected in together[index].ids:
            ids.append(int(_logits(model, torch.tensor([ids]))[0, -1].argmax()))
            assert ids[-1] == expected


def test_padding_on_the_left_is_not_seen(bench: Bench) -> None:
    model, _ = _disturbed(bench, "prefix")
    padded = torch.tensor([[7, 7, 9, 10, 11]])
    mask = torch.tensor([[0, 0, 1, 1, 1]])
    with torch.no_grad():
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        found = model(input_ids=padded, attention_mask=mask, position_ids=positions).logits[:, 2:]
    torch.testing.assert_close(found, _logits(model, torch.tensor([[9, 10, 11]])), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["prefix", "prompt"])
def test_those_of_another_base_are_refused(ctx: RunContext, tmp_path: Path, name: str) -> None:
    bench = Bench(ctx)
    model, method = _disturbed(bench, name)
    method.export(model, tmp_path)
    other = Bench(ctx, "deepseek-v3").model() if name == "prefix" else _wider(bench)
    with pytest.raises(ModelError) as caught:
        open_adapter(other, tmp_path)
    assert caught.value.code == "train.adapter_of_another_base"


def _wider(bench: Bench) -> nn.Module:
    config = bench.model().config
    config.hidden_size, config.num_attention_heads, config.head_dim = 128, 4, 32
    return AutoModelForCausalLM.from_config(config)
