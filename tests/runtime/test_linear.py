"""Products through oneDNN are torch's, in value and gradients, on either side of the size where the choice changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seekloop.runtime.linear import Linear, product, quicken

SHAPES = [(2, 5, 8, 6), (3, 40, 160, 128), (1, 300, 96, 200)]


@pytest.mark.parametrize(("rows", "length", "width", "out"), SHAPES)
@pytest.mark.parametrize("bias", [False, True])
def test_values_and_gradients_are_those_of_the_stock_layer(
    rows: int, length: int, width: int, out: int, bias: bool
) -> None:
    stock = nn.Linear(width, out, bias=bias)
    ours = Linear.like(stock)
    x = torch.randn(rows, length, width)
    found = []
    for layer in (stock, ours):
        given = x.clone().requires_grad_()
        y = layer(given)
        found.append((y, *torch.autograd.grad(y.square().sum(), [given, *layer.parameters()])))
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-3)


def test_a_transposed_weight_needs_no_copy() -> None:
    x, weight = torch.randn(200, 160), torch.randn(160, 128)
    torch.testing.assert_close(product(x, weight.t()), x @ weight, rtol=1e-4, atol=1e-4)


def test_frozen_weights_get_no_gradient() -> None:
    layer = Linear.like(nn.Linear(8, 4).requires_grad_(False))
    x = torch.randn(3, 8, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None


def test_a_quickened_model_keeps_its_parameters_and_their_names() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 4)))
    before = dict(model.named_parameters())
    quicken(model)
    assert {name: id(value) for name, value in model.named_parameters()} == {
        name: id(value) for name, value in before.items()
    }
    assert isinstance(model[0], Linear)
    assert isinstance(model[2][0], Linear)


def test_a_quickened_model_can_be_sent_to_double_precision() -> None:
    layer = Linear.like(nn.Linear(160, 128)).double()
    assert layer(torch.randn(200, 160, dtype=torch.float64)).dtype is torch.float64
