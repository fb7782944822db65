"""The loss of a micro-batch is that of its rows one by one, in value and gradients, however it is computed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seekloop.artifact.context import RunContext
from seekloop.model.codec import View
from seekloop.runtime.train.batching import IGNORED, collate, shared_prefix
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.methods.method import Method, trainable
from tests.runtime.train.making import Bench, rows

FAMILIES = ("smollm2", "qwen2", "deepseek-v2", "deepseek-v3")


def _plain(model: nn.Module, view: View) -> Tensor:
    """What transformers computes for one row with all its logits."""
    logits = model(input_ids=torch.tensor([view.ids])).logits[0, :-1]
    labels = torch.tensor(view.labels[1:])
    return nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")


def _gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    named = trainable(model)
    grads = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {name: grad for name, grad in zip(named, grads, strict=True) if grad is not None}


@pytest.fixture(params=FAMILIES)
def of_family(request: pytest.FixtureRequest, ctx: RunContext) -> Bench:
    return Bench(ctx, request.param)


@pytest.fixture(params=["lora", "full"])
def method(request: pytest.FixtureRequest, of_family: Bench) -> Method:
    return of_family.lora() if request.param == "lora" else Full()


@pytest.mark.parametrize("sharing", [False, True])
def test_a_padded_batch_has_the_loss_and_gradients_of_its_rows(of_family: Bench, method: Method, sharing: bool) -> None:
    model = of_family.model()
    method.apply(model, seed=0)
    _disturb(model)
    views = [view for part in of_family.views(rows(9)) for view in part]
    batch = collate(views, pad=of_family.codec.pad_id, sharing=sharing)
    assert (batch.prefix > 0) == sharing
    together, apart = summed_loss(model, batch), sum(_plain(model, view) for view in views)
    assert together.item() == pytest.approx(apart.item(), rel=1e-6)
    expected = _gradients(model, apart)
    for name, grad in _gradients(model, together).items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_what_stands_in_the_padding_changes_nothing(bench: Bench) -> None:
    model = bench.model()
    views = [view for part in bench.views(rows(4)) for view in part]
    found = {summed_loss(model, collate(views, pad=pad, sharing=False)).item() for pad in (0, 7, bench.codec.eos_id)}
    assert max(found) - min(found) < 1e-5


def test_more_labels_than_a_chunk_give_the_same_loss(bench: Bench) -> None:
    model = bench.model()
    ids = tuple(index % 300 for index in range(700))
    view = View(row="row:long", turn=1, ids=ids, labels=(IGNORED, *ids[1:]))
    loss = summed_loss(model, collate([view], pad=0, sharing=False))
    assert loss.item() == pytest.approx(_plain(model, view).item(), rel=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_a_prefix_is_not_shared_where_that_saves_nothing(bench: Bench, count: int) -> None:
    views = [view for part in bench.views(rows(count)) for view in part]
    assert shared_prefix(views) > 0
    assert collate(views, pad=0, sharing=True).prefix == 0


def _disturb(model: nn.Module) -> None:
    """Move every trained weight a little, so that no adapter is zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in trainable(model).values():
            value.add_(torch.randn(value.shape, generator=generator) * 0.02)
