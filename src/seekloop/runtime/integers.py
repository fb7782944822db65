"""Products of int8 numbers on the CPU: what a w8a8 model computes on a GPU, a few times as fast as fp32.

Where the processor's own instructions give another sum (without VNNI, partial sums of 16 bits may overflow), they are
not used: that is tried out on the largest numbers there are, so what is computed is always what the form says.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["IntegerLinear", "integers_are_exact"]


class IntegerLinear(nn.Module):
    """A linear layer of int8 weights, whose inputs are rounded to int8 token by token.

    Args:
        codes: [out, in], int8.
        scales: [out, 1], of the rows.
        bias: [out].
    """

    codes: Tensor
    scales: Tensor

    def __init__(self, codes: Tensor, scales: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = codes.shape
        self.register_buffer("codes", codes.t().contiguous())
        self.register_buffer("scales", scales.float().view(-1))
        self.bias = bias

    @property
    def weight(self) -> Tensor:
        """[out, in], fp32; a new tensor each time."""
        return self.codes.t().float() * self.scales.unsqueeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out], with the steps of `rounding.fake_tokens`."""
        rows = x.reshape(-1, self.in_features)
        steps = rows.abs().amax(1, keepdim=True) / 127.5
        steps = torch.where(steps == 0, torch.finfo(x.dtype).eps, steps)
        codes = (rows / steps).clamp_(-128, 127).round_().to(torch.int8)
        sums = torch._int_mm(codes, self.codes).float().mul_(steps).mul_(self.scales)
        if self.bias is not None:
            sums += self.bias
        return sums.view(*x.shape[:-1], self.out_features)


def integers_are_exact() -> bool:
    """Whether int8 products of this machine are right for the largest numbers, signs mixed, one row and many."""
    for rows in (1, 33):
        signs = torch.where(torch.arange(256) % 3 == 0, -128, 127)
        x = torch.stack([signs.roll(row) for row in range(rows)]).to(torch.int8)
        y = torch.stack([signs.roll(2 * column + 1) for column in range(64)], dim=1).to(torch.int8)
        if not torch.equal(torch._int_mm(x, y).long(), x.long() @ y.long()):
            return False
    return True
