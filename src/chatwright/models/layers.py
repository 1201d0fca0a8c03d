"""The parts a Transformer block is put together from, in float32 or bfloat16.

Shapes: B rows, T new tokens, S tokens to look at (cached and new), H heads, G key/value heads, D head width, W width.

Weights stay in float32 and are cast to the dtype of what flows through (`Linear`): mixed precision without autocast's
bookkeeping. Projections that read the same vectors are one matrix (`Attention.read`, `FeedForward.rise`), because on
small models the number of operations costs more time than the arithmetic in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatwright.models.fused import causal_attention, gated_silu, rms_norm, rotate
from chatwright.models.state import KeyValues

__all__ = ["Attention", "FeedForward", "Linear", "RMSNorm", "Sight", "rotary_tables"]


class Linear(nn.Linear):
    """A linear map whose float32 weights follow the dtype of their input."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class RMSNorm(nn.Module):
    """Divide every vector by its root mean square, then scale each channel (Zhang and Sennrich 2019, eq. 4)."""

    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.epsilon)


def rotary_tables(positions: int, head_width: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each float32 [positions, D / 2] (Su et al. 2021, eq. 15)."""
    frequencies = base ** (-torch.arange(0, head_width, 2, dtype=torch.float64) / head_width)
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies)
    return angles.cos().float(), angles.sin().float()


@dataclass(frozen=True)
class Sight:
    """Where tokens stand and what they may look at; the same for all layers."""

    cosine: Tensor
    """[T, 1, D / 2] or [B, T, 1, D / 2]."""
    sine: Tensor
    mask: Tensor | None
    """True where a token may look, [B, 1, T, S]; None: every earlier token."""
    penalty: Tensor | None
    """The mask as 0 and -inf for the fused kernel, [T, T] or [B, 1, T, T]; None where it does not pay."""


class Attention(nn.Module):
    """Causal self-attention with rotary positions and grouped key/value heads (Ainslie et al. 2023)."""

    def __init__(self, width: int, heads: int, kv_heads: int, *, norm_queries: bool, epsilon: float) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, width // heads
        self.read = Linear(width, (heads + 2 * kv_heads) * self.head_width, bias=False)  # queries, keys, values
        self.write = Linear(width, width, bias=False)
        self.query_norm = RMSNorm(self.head_width, epsilon) if norm_queries else None
        self.key_norm = RMSNorm(self.head_width, epsilon) if norm_queries else None

    def forward(self, x: Tensor, sight: Sight, cache: KeyValues | None) -> Tensor:
        batch, length, width = x.shape
        read = self.read(x).view(batch, length, -1, self.head_width)
        plain = cache is None and self.query_norm is None and self.heads == self.kv_heads
        if plain and sight.penalty is not None:
            return self.write(causal_attention(read, sight.cosine, sight.sine, sight.penalty))
        queries, keys, values = read.split([self.heads, self.kv_heads, self.kv_heads], dim=2)
        if self.query_norm is not None and self.key_norm is not None:
            queries, keys = self.query_norm(queries), self.key_norm(keys)
        turned = rotate(torch.cat([queries, keys], dim=2), sight.cosine, sight.sine)
        queries, keys = turned.split([self.heads, self.kv_heads], dim=2)
        if cache is not None:
            keys, values = cache.extend(keys, values)
        looked = F.scaled_dot_product_attention(
            queries.transpose(1, 2),
            keys.transpose(1, 2),
            values.transpose(1, 2),
            attn_mask=sight.mask,
            is_causal=sight.mask is None and length > 1,
            enable_gqa=self.kv_heads != self.heads,
        )
        return self.write(looked.transpose(1, 2).reshape(batch, length, width))


class FeedForward(nn.Module):
    """The gated feed-forward layer: down(silu(gate x) * up x) (Shazeer 2020, eq. 6, SwiGLU)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.rise = Linear(width, 2 * hidden, bias=False)  # gate, up
        self.fall = Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fall(gated_silu(self.rise(x)))
