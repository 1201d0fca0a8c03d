"""The decoder-only Transformer, shaped like Llama so that what is trained here runs elsewhere as it is.

In: token ids [B, T], and what was read before (`State`).  Out: a vector for every token [B, T, W], and the new state.

    tokens -> embedding -> [ x + attention(norm(x)) ; x + feed-forward(norm(x)) ] x layers -> norm -> vectors
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chatwright.errors import ConfigError, InputError
from chatwright.models.layers import Attention, FeedForward, RMSNorm, Sight, rotary_tables
from chatwright.models.state import CacheState, KeyValues

__all__ = ["Transformer", "TransformerConfig"]

FUSED_LENGTH = 512
"""Longest piece for which keeping all attention weights for the backward pass is faster than computing them twice."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Shape of a Transformer; `TransformerConfig.of_depth` derives one from a single dial."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    """Width of the feed-forward layer."""
    context: int
    """Most tokens it reads at once."""
    rotary_base: float = 10_000.0
    norm_queries: bool = False
    """Normalise queries and keys per head (QK norm)."""
    epsilon: float = 1e-5
    tied: bool = True
    """The output matrix is the embedding."""

    def __post_init__(self) -> None:
        if min(self.vocabulary, self.width, self.layers, self.heads, self.kv_heads, self.hidden, self.context) < 1:
            raise ConfigError("every size of a Transformer must be at least 1")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ConfigError(f"width {self.width} must be heads ({self.heads}) times an even head width")
        if self.heads % self.kv_heads:
            raise ConfigError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")

    @classmethod
    def of_depth(cls, depth: int, *, vocabulary: int, context: int, width: int | None = None) -> TransformerConfig:
        """One dial: `depth` layers of width 48 depth, so that width and depth grow together; heads are 64 wide."""
        width = width or 48 * depth
        heads = max(1, width // 64)
        while width % heads:
            heads -= 1
        hidden = -(-width * 8 // 3 // 32) * 32  # 8/3 width: as many weights as an ungated layer of 4 width
        return cls(
            vocabulary=vocabulary,
            width=width,
            layers=depth,
            heads=heads,
            kv_heads=heads,
            hidden=hidden,
            context=context,
        )


class Block(nn.Module):
    """Attention, then feed-forward, each reading a normalised copy and adding to the stream."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.epsilon)
        self.attention = Attention(
            config.width, config.heads, config.kv_heads, norm_queries=config.norm_queries, epsilon=config.epsilon
        )
        self.feed_forward_norm = RMSNorm(config.width, config.epsilon)
        self.feed_forward = FeedForward(config.width, config.hidden)

    def forward(self, x: Tensor, sight: Sight, cache: KeyValues | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), sight, cache)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Transformer(nn.Module):
    """A backbone: reads tokens, any number at a time, and gives each a vector."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.dtype = torch.float32  # of what flows through; weights stay float32
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.epsilon)
        cosines, sines = self.tables()
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        self.initialise()

    def tables(self) -> tuple[Tensor, Tensor]:
        """The rotary angles' cosines and sines: computed, never stored with the weights."""
        return rotary_tables(self.config.context, self.config.width // self.config.heads, self.config.rotary_base)

    def initialise(self) -> None:
        """Normal weights of deviation 1/sqrt(inputs); what writes to the stream is scaled down by its depth."""
        nn.init.normal_(self.embedding.weight, std=self.config.width**-0.5)
        for name, weight in self.named_parameters():
            if weight.ndim == 2 and "embedding" not in name:
                scale = (2 * self.config.layers) ** -0.5 if name.endswith(("write.weight", "fall.weight")) else 1.0
                nn.init.normal_(weight, std=scale * weight.shape[1] ** -0.5)

    def start(self, batch_size: int, *, memory: Tensor | None = None) -> CacheState:
        """An empty state for `batch_size` rows (`memory` is for decoders that attend to a source)."""
        del memory
        config, weight = self.config, self.embedding.weight
        shape = (config.layers, batch_size, 0, config.kv_heads, config.width // config.heads)
        empty = torch.empty(shape, device=weight.device, dtype=self.dtype)
        return CacheState(empty, empty.clone(), torch.zeros(batch_size, dtype=torch.long, device=weight.device))

    def forward(
        self, tokens: Tensor, state: CacheState | None = None, *, documents: Tensor | None = None
    ) -> tuple[Tensor, CacheState | None]:
        """Vectors [B, T, W] of `tokens` [B, T], which follow what `state` has read; the state is updated in place.

        `documents` [B, T] gives every token the number of its document, consecutive within a row: tokens see only
        their own document, and positions restart in each. Tokens numbered below 0 are padding at the end of a row:
        they are not remembered, and nothing sees them.
        """
        batch, length = tokens.shape
        self._check_length(length if state is None else state.longest + length)
        caches: list[KeyValues | None] = [None] * len(self.blocks)
        if state is None:
            positions, mask = _positions_and_mask(documents)
        else:
            positions, mask, caches = self._open(state, tokens, documents)
        sight = self._sight(positions, mask, length, fused=state is None)
        x = nn.functional.embedding(tokens, self.embedding.weight).to(self.dtype)
        for block, cache in zip(self.blocks, caches, strict=True):
            x = block(x, sight, cache)
        if state is not None:
            read = length if documents is None else (documents >= 0).sum(dim=1)
            state.lengths = state.lengths + read
            state.longest += length
        return self.norm(x), state

    def _check_length(self, length: int) -> None:
        if length > self.config.context:
            raise InputError(f"{length} tokens do not fit in the model's context of {self.config.context}")

    def _sight(self, positions: Tensor | None, mask: Tensor | None, length: int, *, fused: bool) -> Sight:
        if positions is None:
            cosine, sine = self.cosines[:length, None], self.sines[:length, None]
        else:
            cosine, sine = self.cosines[positions].unsqueeze(2), self.sines[positions].unsqueeze(2)
        penalty = None
        if fused and length <= FUSED_LENGTH and cosine.device.type == "cpu" and torch.is_grad_enabled():
            allowed = torch.ones(length, length, dtype=torch.bool).tril() if mask is None else mask
            penalty = torch.zeros(allowed.shape, dtype=self.dtype).masked_fill_(~allowed, float("-inf"))
        return Sight(cosine.to(self.dtype), sine.to(self.dtype), mask, penalty)

    def _open(
        self, state: CacheState, tokens: Tensor, documents: Tensor | None
    ) -> tuple[Tensor, Tensor | None, list[KeyValues | None]]:
        """Where the new tokens go in the cache, and what each of them may look at."""
        length = tokens.shape[1]
        if documents is not None and bool((documents.amax(1) > documents[:, 0].clamp(min=0)).any()):
            raise InputError("a state continues one document per row; read packed documents without a state")
        reach = state.longest + length
        state.reserve(reach)
        places = state.lengths[:, None] + torch.arange(length, device=tokens.device)
        rows = torch.arange(len(tokens), device=tokens.device)[:, None]
        caches: list[KeyValues | None] = [
            KeyValues(keys, values, rows, places, reach) for keys, values in zip(state.keys, state.values, strict=True)
        ]
        seen = torch.arange(reach, device=tokens.device) <= places[:, :, None]  # [B, T, S]
        return places, None if state.longest == 0 else seen[:, None], caches


def _positions_and_mask(documents: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Positions [B, T] that restart in every document, and who may look at whom [B, 1, T, T]."""
    if documents is None:
        return None, None
    length = documents.shape[1]
    index = torch.arange(length, device=documents.device)
    starts = torch.ones_like(documents, dtype=torch.bool)
    starts[:, 1:] = documents[:, 1:] != documents[:, :-1]
    positions = index - (index * starts).cummax(dim=1).values
    same = documents[:, :, None] == documents[:, None, :]
    return positions, (same & (index[:, None] >= index))[:, None]
