"""The parts a Transformer block is put together from, in float32 or bfloat16.

Shapes: B rows, T new tokens, S tokens to look at (cached and new), H heads, G key/value heads, D head width, W width,
F feed-forward width.

Weights are cast to the dtype of what flows through (`Linear`): mixed precision without autocast's bookkeeping.
Projections that read the same vectors are one matrix (`Attention.read`, `FeedForward.rise`), because on small models
the number of operations costs more time than the arithmetic in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatwright.models.fused import causal_attention, gated_silu, rms_norm, rotate
from chatwright.models.state import KeyValues

__all__ = [
    "Activation",
    "Attention",
    "Embedding",
    "FeedForward",
    "LayerNorm",
    "Linear",
    "RMSNorm",
    "RotaryScaling",
    "Sight",
    "rotary_tables",
    "slowed",
]

Activation = Literal["silu", "gelu", "gelu_tanh", "relu"]
"""`gelu` is exact (BERT), `gelu_tanh` the approximation that GPT-1 to GPT-J were trained with."""


class Linear(nn.Linear):
    """A linear map whose weights follow the dtype of their input."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:  # a shape without weights; drawing them there would import half of PyTorch
            super().reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class Embedding(nn.Embedding):
    """A vector for every id."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class RMSNorm(nn.Module):
    """Divide every vector by its root mean square, then scale each channel (Zhang and Sennrich 2019, eq. 4)."""

    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.epsilon)


class LayerNorm(nn.LayerNorm):
    """Shift and scale every vector to mean 0 and variance 1, then each channel by its own (Ba et al. 2016, eq. 4)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


@dataclass(frozen=True, kw_only=True)
class RotaryScaling:
    """How rotary angles are slowed down so that a model reads further than it was first trained to."""

    kind: Literal["linear", "llama3", "yarn"]
    factor: float
    """Times the first context."""
    original_context: int = 0
    """The first context in tokens; `linear` does not need it."""
    low: float = 1.0
    """Turns within the first context below which a frequency is slowed fully (low_freq_factor, beta_slow)."""
    high: float = 4.0
    """Turns above which a frequency is left alone (high_freq_factor, beta_fast)."""
    magnitude: float = 1.0
    """Factor of cosines and sines (yarn attention_factor)."""


def rotary_tables(
    positions: int, rotary_width: int, base: float, scaling: RotaryScaling | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each float32 [positions, rotary_width / 2] (Su et al. 2021, eq. 15)."""
    cpu = torch.device("cpu")  # computed, not stored: also where a model is made without memory
    frequencies = base ** (-torch.arange(0, rotary_width, 2, dtype=torch.float64, device=cpu) / rotary_width)
    magnitude = 1.0
    if scaling is not None:
        frequencies, magnitude = frequencies * slowed(frequencies, base, rotary_width, scaling), scaling.magnitude
    angles = torch.outer(torch.arange(positions, dtype=torch.float64, device=cpu), frequencies)
    return (angles.cos() * magnitude).float(), (angles.sin() * magnitude).float()


def slowed(frequencies: Tensor, base: float, rotary_width: int, scaling: RotaryScaling) -> Tensor:
    """Factors of the rotary frequencies [rotary_width / 2]: 1 where kept, 1 / scaling.factor where slowed fully."""
    if scaling.kind == "linear":  # Chen et al. 2023 (arXiv 2306.15595)
        return torch.full_like(frequencies, 1 / scaling.factor)
    if scaling.kind == "llama3":  # between `low` and `high` turns: a straight line in the number of turns
        turns = scaling.original_context * frequencies / (2 * math.pi)
        kept = ((turns - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    else:  # yarn, Peng et al. 2023 (arXiv 2309.00071), eq. 23: a straight line in the number of the pair of channels

        def pair(turns: float) -> float:
            length = scaling.original_context / (turns * 2 * math.pi)
            return rotary_width * math.log(length) / (2 * math.log(base))

        first, last = max(math.floor(pair(scaling.high)), 0), min(math.ceil(pair(scaling.low)), rotary_width - 1)
        pairs = torch.arange(len(frequencies), dtype=torch.float64, device=frequencies.device)
        kept = 1 - ((pairs - first) / (max(last - first, 0.001))).clamp(0, 1)
    return (1 - kept) / scaling.factor + kept


@dataclass(frozen=True)
class Sight:
    """Where tokens stand and what they may look at; the same for all layers with one window."""

    cosine: Tensor
    """[T, 1, R / 2] or [B, T, 1, R / 2] for R rotated channels of each head."""
    sine: Tensor
    mask: Tensor | None
    """True where a token may look, [T, T] or [B, 1, T, S]; None: every earlier token."""
    penalty: Tensor | None
    """The mask as 0 and -inf for the fused kernel, [T, T] or [B, 1, T, T]; None where it does not pay."""


class Attention(nn.Module):
    """Causal self-attention with grouped key/value heads (Ainslie et al. 2023), rotary positions or none.

    `rotary_width` is the number of channels of each head that are turned (0: none); `scale` multiplies the scores
    (None: 1 / sqrt(D)).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        *,
        head_width: int,
        rotary_width: int,
        scale: float | None,
        norm_queries: bool,
        epsilon: float,
        read_bias: bool,
        write_bias: bool,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, head_width
        self.rotary_width, self.scale = rotary_width, scale
        self.read = Linear(width, (heads + 2 * kv_heads) * head_width, bias=read_bias)  # queries, keys, values
        self.write = Linear(heads * head_width, width, bias=write_bias)
        self.query_norm = RMSNorm(head_width, epsilon) if norm_queries else None
        self.key_norm = RMSNorm(head_width, epsilon) if norm_queries else None
        self.plain = heads == kv_heads and rotary_width == head_width and scale is None and not norm_queries

    def forward(self, x: Tensor, sight: Sight, cache: KeyValues | None) -> Tensor:
        batch, length, _ = x.shape
        read = self.read(x).view(batch, length, -1, self.head_width)
        if self.plain and cache is None and sight.penalty is not None:
            return self.write(causal_attention(read, sight.cosine, sight.sine, sight.penalty))
        queries, keys, values = (part.transpose(1, 2) for part in self._turned(read, sight))
        if cache is not None:
            keys, values = cache.extend(keys, values)
            if length == 1 and x.device.type == "cpu":
                return self.write(self._one_step(queries, keys, values, sight.mask))
        looked = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=sight.mask,
            is_causal=sight.mask is None and length > 1,
            scale=self.scale,
            enable_gqa=self.kv_heads != self.heads,
        )
        return self.write(looked.transpose(1, 2).reshape(batch, length, -1))

    def _one_step(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """One token's vector [B, 1, H D] from queries [B, H, 1, D], keys and values [B, G, S, D].

        Two batched products, because PyTorch's flash kernel for CPUs is up to ten times slower at one query.
        """
        grouped = queries.reshape(len(queries), self.kv_heads, -1, self.head_width)  # H / G queries share a key
        scores = torch.matmul(grouped, keys.transpose(2, 3)).float()
        scores = scores * (self.head_width**-0.5 if self.scale is None else self.scale)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = torch.softmax(scores, dim=-1).to(values.dtype)
        return torch.matmul(weights, values).reshape(len(queries), 1, -1)

    def _turned(self, read: Tensor, sight: Sight) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, T, H, D], keys and values [B, T, G, D]; the first two normalised and turned."""
        if self.query_norm is not None and self.key_norm is not None:
            queries, keys, values = read.split([self.heads, self.kv_heads, self.kv_heads], dim=2)
            both = torch.cat([self.query_norm(queries), self.key_norm(keys)], dim=2)
        else:
            both, values = read.split([self.heads + self.kv_heads, self.kv_heads], dim=2)
        if self.rotary_width == self.head_width:
            both = rotate(both, sight.cosine, sight.sine)
        elif self.rotary_width:
            turning, still = both.split([self.rotary_width, self.head_width - self.rotary_width], dim=-1)
            both = torch.cat([rotate(turning, sight.cosine, sight.sine), still], dim=-1)
        queries, keys = both.split([self.heads, self.kv_heads], dim=2)
        return queries, keys, values


class FeedForward(nn.Module):
    """fall(activation(rise x)); gated: fall(activation(gate x) * up x) (Shazeer 2020, eq. 6)."""

    def __init__(self, width: int, hidden: int, *, activation: Activation, gated: bool, bias: bool) -> None:
        super().__init__()
        self.activation, self.gated = activation, gated
        self.rise = Linear(width, 2 * hidden if gated else hidden, bias=bias)  # gated: gate, up
        self.fall = Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        risen = self.rise(x)
        if self.gated and self.activation == "silu":
            return self.fall(gated_silu(risen))
        if self.gated:
            gate, up = risen.chunk(2, dim=-1)
            return self.fall(self.active(gate) * up)
        return self.fall(self.active(risen))

    def active(self, x: Tensor) -> Tensor:
        """The activation of each channel."""
        if self.activation == "gelu_tanh":
            return F.gelu(x, approximate="tanh")
        if self.activation == "gelu":
            return F.gelu(x)
        return F.relu(x) if self.activation == "relu" else F.silu(x)
