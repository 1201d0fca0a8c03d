"""Weights in 8 bits for decoding on a CPU: half of bfloat16's memory traffic, at a small and measured loss.

In: a matrix [N, K].  Out: a module that multiplies rows by it, with a scale for every output channel.

Every row of the input gets a scale of its own too and is multiplied in integers (VNNI), as llama.cpp does for Q8_0.
Up to `FEW_ROWS` rows FBGEMM reads the weights fastest, and for one it rounds the input in the same call; for more
oneDNN is faster, so the weights lie in memory twice, as each of them wants. PyTorch's weight-only kernel
(`_weight_int8pack_mm`) keeps bfloat16 inputs, but takes longer than FBGEMM for one row, and far longer for 32.
Sums of integers are exact: a row's result does not depend on the rows beside it, if there are any.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from chatwright.errors import ResourceError

__all__ = ["Int8Linear", "has_int8", "rounded_to_int8"]

FEW_ROWS = 8


def has_int8() -> bool:
    """Whether this PyTorch multiplies 8-bit integers on this processor, with FBGEMM and with oneDNN."""
    engines = torch.backends.quantized.supported_engines
    return (
        "fbgemm" in engines
        and bool(torch.backends.mkldnn.is_available())
        and hasattr(torch.ops.onednn, "qlinear_pointwise")
    )


def _levels() -> int:
    """Steps from 0 to the greatest input: half as many where a processor adds pairs of products in 16 bits."""
    return 127 if torch.cpu._is_vnni_supported() else 63


def rounded_to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Integers int8 [N, K] from -127 to 127 and scales float32 [N], so that integers * scales is close to `weight`."""
    scales = weight.float().abs().amax(dim=1).clamp(min=1e-12) / 127
    return (weight.float() / scales[:, None]).round().to(torch.int8), scales


class Int8Linear(nn.Module):
    """A linear map with frozen weights in 8 bits; inputs are rounded to 8 bits row by row."""

    few = 1 << 30
    """`rows` takes and gives float32, however many there are."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        if not has_int8():
            raise ResourceError('precision = "int8" needs PyTorch for an x86 CPU; choose bf16 or fp32')
        integers, scales = rounded_to_int8(weight.detach())
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)
        self.levels = _levels()
        self.packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self.scales = scales / self.levels
        self.middle = torch.tensor(self.levels + 1.5)
        self.whole = torch.tensor(float(self.levels))
        with warnings.catch_warnings():  # quantised tensors will leave PyTorch; here one only carries weights to FBGEMM
            warnings.simplefilter("ignore")
            carrier = torch._make_per_channel_quantized_tensor(integers, scales.double(), self.zeros, 0)
            self.quick = torch.ops.quantized.linear_prepack(carrier, None)
        self.offset = None if bias is None else bias.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        """[..., N] of x [..., K], in x's dtype."""
        return self.rows(x.reshape(-1, x.shape[-1]).float()).to(x.dtype).view(*x.shape[:-1], -1)

    def rows(self, x: Tensor) -> Tensor:
        """[B, N] of x [B, K], both float32."""
        if len(x) == 1:  # FBGEMM takes the row's own range, from its least to its greatest
            product: Tensor = torch.ops.quantized.linear_dynamic(x, self.quick, self.levels < 127)
        else:
            product = self._several(x)
        return product if self.offset is None else product.add_(self.offset)

    def _several(self, x: Tensor) -> Tensor:
        greatest = torch.linalg.vector_norm(x, float("inf"), dim=1, keepdim=True).clamp_(min=1e-12)
        if len(x) <= FEW_ROWS:
            fixed = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
            product: Tensor = fixed(x / greatest, 1 / self.levels, self.levels + 1, self.quick)
        else:
            # oneDNN multiplies unsigned by signed: -127..127 becomes 1..255, and cutting x + 0.5 off rounds it
            integers = torch.addcmul(self.middle, x, self.whole / greatest).to(torch.uint8)
            product = torch.ops.onednn.qlinear_pointwise(
                integers, 1.0, self.levels + 1, self.packed, self.scales, self.zeros, None, 1.0, 0, torch.float32,
                "none", [], "",
            )  # fmt: skip
        return product.mul_(greatest)
