"""How frozen weights are held in memory: float32, bfloat16, or 8-bit integers with a scale for every row.

In: a matrix.  Out: the same matrix in less memory, and back again for a single product. This works on every device:
integers become floats again before they are multiplied, so that 8 bits save memory and no time.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from chatwright.models.quantized import rounded_to_int8

__all__ = ["Weights", "as_held", "dense"]

Weights = Literal["fp32", "bf16", "int8"]
"""int8: the matrices inside blocks; the embedding is bf16 then, and norms stay fp32."""


def as_held(weight: Tensor, weights: Weights) -> tuple[Tensor, Tensor | None]:
    """A matrix [O, I] as it shall lie in memory, and its scales [O] if it has some."""
    if weights == "int8" and weight.dtype != torch.int8:
        return rounded_to_int8(weight)
    return weight.to(torch.bfloat16) if weights == "bf16" else weight, None


def dense(weight: Tensor, scales: Tensor | None, dtype: torch.dtype) -> Tensor:
    """A held matrix as floats: the same memory where that can be, else memory that the caller drops again."""
    return weight.to(dtype) if scales is None else (weight * scales[:, None]).to(dtype)
