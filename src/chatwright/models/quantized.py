"""Weights in 8 bits for decoding on a CPU: half of bfloat16's memory traffic, at a small and measured loss.

In: a matrix [N, K].  Out: a module that multiplies rows by it, with a scale for every output channel.

Every row of the input gets a scale of its own too and is multiplied in integers (oneDNN, VNNI), as llama.cpp does for
Q8_0. PyTorch's weight-only kernel (`_weight_int8pack_mm`) keeps bfloat16 inputs, but it is no faster than packed
bfloat16 weights at one row and several times slower at 32 (`benchmarks/decode.py`). Sums of integers are exact: a row's
result does not depend on the rows beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chatwright.errors import ResourceError

__all__ = ["Int8Linear", "has_int8", "rounded_to_int8"]


def has_int8() -> bool:
    """Whether this PyTorch and this processor multiply 8-bit integers with oneDNN."""
    return bool(torch.backends.mkldnn.is_available()) and hasattr(torch.ops.onednn, "qlinear_pointwise")


def rounded_to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Integers int8 [N, K] from -127 to 127 and scales float32 [N], so that integers * scales is close to `weight`."""
    scales = weight.float().abs().amax(dim=1).clamp(min=1e-12) / 127
    return (weight.float() / scales[:, None]).round().to(torch.int8), scales


class Int8Linear(nn.Module):
    """A linear map with frozen weights in 8 bits; inputs are rounded to 8 bits row by row."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        if not has_int8():
            raise ResourceError('precision = "int8" needs a PyTorch with oneDNN on a CPU; choose bf16 or fp32')
        integers, self.scales = rounded_to_int8(weight.detach())
        self.packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)
        self.offset = None if bias is None else bias.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        """[..., N] of x [..., K], in x's dtype."""
        rows = x.reshape(-1, x.shape[-1])
        scale = rows.abs().amax(dim=1, keepdim=True).float().clamp_(min=1e-12).div_(127)
        integers = (rows.float() / scale).round_().add_(128).to(torch.uint8)  # oneDNN multiplies unsigned by signed
        product = torch.ops.onednn.qlinear_pointwise(
            integers, 1.0, 128, self.packed, self.scales, self.zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        product.mul_(scale)
        if self.offset is not None:
            product += self.offset
        return product.to(x.dtype).view(*x.shape[:-1], -1)
