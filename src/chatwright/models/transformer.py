"""The decoder-only Transformer: one block for every family, a family is a choice of its settings (`families.py`).

In: token ids [B, T], and what was read before (`State`).  Out: a vector for every token [B, T, W], and the new state.

    tokens -> embedding -> [ x + attention(norm(x)) ; x + feed-forward(norm(x)) ] x layers -> norm -> vectors

Unsaid, it is shaped like Llama, so that what is trained here runs elsewhere as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from chatwright.errors import ConfigError, InputError
from chatwright.models.layers import (
    Activation,
    Attention,
    Embedding,
    FeedForward,
    LayerNorm,
    RMSNorm,
    RotaryScaling,
    Sight,
    rotary_tables,
)
from chatwright.models.state import CacheState, KeyValues

__all__ = ["Transformer", "TransformerConfig"]

FUSED_LENGTH = 512
"""Longest piece for which keeping all attention weights for the backward pass is faster than computing them twice."""
FIRST_POSITIONS = 8192
"""Rotary angles are computed for so many positions at first, for more when a text needs them."""


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
    head_width: int | None = None
    """Width of one attention head; None: width / heads."""
    norm: Literal["rms", "layer"] = "rms"
    norm_place: Literal["before", "after"] = "before"
    """Before attention and feed-forward, or after each has added to the stream (GPT-1)."""
    final_norm: bool = True
    parallel: bool = False
    """Attention and feed-forward read the same vectors, normalised once (GPT-J)."""
    activation: Activation = "silu"
    gated: bool = True
    positions: Literal["rotary", "learned", "none"] = "rotary"
    rotary_width: int | None = None
    """Channels of each head that are turned; None: all."""
    rotary_scaling: RotaryScaling | None = None
    attention_scale: float | None = None
    """Factor of the scores; None: 1 / sqrt(head width)."""
    windows: tuple[int, ...] = ()
    """How many tokens, itself included, a token sees; one number per layer, repeated; 0: all. (0, 256): GPT-Neo."""
    read_bias: bool = False
    """Of queries, keys and values."""
    write_bias: bool = False
    """Of attention's output."""
    feed_forward_bias: bool = False
    head_bias: bool = False
    """Of the logits (GPT-J)."""
    embedding_scale: float = 1.0

    def __post_init__(self) -> None:
        if min(self.vocabulary, self.width, self.layers, self.heads, self.kv_heads, self.hidden, self.context) < 1:
            raise ConfigError("every size of a Transformer must be at least 1")
        if self.head_width is None and self.width % self.heads:
            raise ConfigError(f"width {self.width} must be heads ({self.heads}) times an even head width")
        if self.per_head < 1 or self.turned % 2 or not 0 <= self.turned <= self.per_head:
            raise ConfigError(f"{self.turned} of {self.per_head} channels are turned; rotary needs an even head width")
        if self.heads % self.kv_heads:
            raise ConfigError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if min(self.windows, default=0) < 0:
            raise ConfigError(f"windows are {self.windows}; each must be 0 or more tokens")
        if self.parallel and self.norm_place == "after":
            raise ConfigError("a parallel block normalises before, not after")

    @property
    def per_head(self) -> int:
        """Width of one head."""
        return self.width // self.heads if self.head_width is None else self.head_width

    @property
    def turned(self) -> int:
        """Channels of each head that carry rotary positions."""
        if self.positions != "rotary":
            return 0
        return self.per_head if self.rotary_width is None else self.rotary_width

    def window(self, layer: int) -> int:
        """How many tokens, itself included, a token sees in this layer; 0: all."""
        return self.windows[layer % len(self.windows)] if self.windows else 0

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


def _norm(config: TransformerConfig) -> nn.Module:
    return (RMSNorm if config.norm == "rms" else LayerNorm)(config.width, config.epsilon)


class Block(nn.Module):
    """Attention, then feed-forward, each reading a normalised copy and adding to the stream."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.parallel, self.norm_place = config.parallel, config.norm_place
        self.attention_norm = _norm(config)
        self.attention = Attention(
            config.width,
            config.heads,
            config.kv_heads,
            head_width=config.per_head,
            rotary_width=config.turned,
            scale=config.attention_scale,
            norm_queries=config.norm_queries,
            epsilon=config.epsilon,
            read_bias=config.read_bias,
            write_bias=config.write_bias,
        )
        self.feed_forward_norm = None if config.parallel else _norm(config)
        self.feed_forward = FeedForward(
            config.width,
            config.hidden,
            activation=config.activation,
            gated=config.gated,
            bias=config.feed_forward_bias,
        )

    def forward(self, x: Tensor, sight: Sight, cache: KeyValues | None) -> Tensor:
        if self.feed_forward_norm is None:
            read = self.attention_norm(x)
            return x + self.attention(read, sight, cache) + self.feed_forward(read)
        if self.norm_place == "after":
            x = self.attention_norm(x + self.attention(x, sight, cache))
            return self.feed_forward_norm(x + self.feed_forward(x))
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
        self.dtype = torch.float32  # of what flows through, whatever the weights are kept in
        self.checkpointing = (
            False  # True: keep only what enters each block for the backward pass, compute the rest anew
        )
        self.embedding = Embedding(config.vocabulary, config.width)
        learned = config.positions == "learned"
        self.position_embedding = Embedding(config.context, config.width) if learned else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = _norm(config) if config.final_norm else None
        cosines, sines = self.tables()
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        self.initialise()

    def tables(self) -> tuple[Tensor, Tensor]:
        """The rotary angles' cosines and sines: computed, never stored with the weights."""
        return self._tables(min(self.config.context, FIRST_POSITIONS))

    def _tables(self, positions: int) -> tuple[Tensor, Tensor]:
        config = self.config
        return rotary_tables(positions, config.turned, config.rotary_base, config.rotary_scaling)

    def initialise(self) -> None:
        """Normal weights of deviation 1/sqrt(inputs); what writes to the stream is scaled down by its depth."""
        if self.embedding.weight.is_meta:
            return  # a shape without weights: they are loaded, or only counted
        nn.init.normal_(self.embedding.weight, std=self.config.width**-0.5)
        if self.position_embedding is not None:
            nn.init.normal_(self.position_embedding.weight, std=self.config.width**-0.5)
        for name, weight in self.named_parameters():
            if weight.ndim == 2 and "embedding" not in name:
                scale = (2 * self.config.layers) ** -0.5 if name.endswith(("write.weight", "fall.weight")) else 1.0
                nn.init.normal_(weight, std=scale * weight.shape[1] ** -0.5)
            elif name.endswith(".bias"):
                nn.init.zeros_(weight)

    def start(self, batch_size: int, *, memory: Tensor | None = None) -> CacheState:
        """An empty state for `batch_size` rows (`memory` is for decoders that attend to a source)."""
        del memory
        config, weight = self.config, self.embedding.weight
        shape = (config.layers, batch_size, config.kv_heads, 0, config.per_head)
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
        self.make_room(length if state is None else state.longest + length)
        caches: list[KeyValues | None] = [None] * len(self.blocks)
        if state is None:
            positions, mask = _positions_and_mask(documents)
        else:
            positions, mask, caches = self._open(state, tokens, documents)
        sights = self._sights(positions, mask, length, cached=state is not None)
        x = self._embed(tokens, positions)
        again = self.checkpointing and state is None and torch.is_grad_enabled()
        for layer, (block, cache) in enumerate(zip(self.blocks, caches, strict=True)):
            sight = sights[self.config.window(layer)]
            if again:
                x = checkpoint(block, x, sight, None, use_reentrant=False, preserve_rng_state=False)
            else:
                x = block(x, sight, cache)
        if state is not None:
            read = length if documents is None else (documents >= 0).sum(dim=1)
            state.lengths = state.lengths + read
            state.longest += length
            state.is_even = state.is_even and documents is None
        return x if self.norm is None else self.norm(x), state

    def make_room(self, length: int) -> None:
        """Rotary angles for texts of `length` tokens; InputError if that is more than the context."""
        if length > self.config.context:
            raise InputError(f"{length} tokens do not fit in the model's context of {self.config.context}")
        if length > len(self.cosines):
            cosines, sines = self._tables(min(self.config.context, 2 * length))
            # Other threads may be reading: who sees the longer cosines must find the longer sines too.
            self.sines = sines.to(self.sines.device)
            self.cosines = cosines.to(self.cosines.device)

    def _embed(self, tokens: Tensor, positions: Tensor | None) -> Tensor:
        x = self.embedding(tokens).to(self.dtype)
        if self.config.embedding_scale != 1:
            x = x * self.config.embedding_scale
        if self.position_embedding is not None:
            places = torch.arange(tokens.shape[1], device=tokens.device) if positions is None else positions
            x = x + self.position_embedding(places).to(self.dtype)
        return x

    def _sights(
        self, positions: Tensor | None, mask: Tensor | None, length: int, *, cached: bool
    ) -> Mapping[int, Sight]:
        """What tokens may look at in layers of each window."""
        if positions is None:
            cosine, sine = self.cosines[:length, None], self.sines[:length, None]
        else:
            cosine, sine = self.cosines[positions].unsqueeze(2), self.sines[positions].unsqueeze(2)
        cosine, sine = cosine.to(self.dtype), sine.to(self.dtype)
        sights = {}
        for window in {self.config.window(layer) for layer in range(self.config.layers)}:
            own = _within(window, mask, positions if cached else None, length, cosine.device)
            penalty = None
            if not cached and length <= FUSED_LENGTH and cosine.device.type == "cpu" and torch.is_grad_enabled():
                allowed = torch.ones(length, length, dtype=torch.bool).tril() if own is None else own
                penalty = torch.zeros(allowed.shape, dtype=self.dtype).masked_fill_(~allowed, float("-inf"))
            sights[window] = Sight(cosine, sine, own, penalty)
        return sights

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
        is_even = state.is_even and documents is None
        caches: list[KeyValues | None] = [
            KeyValues(keys, values, rows, places, reach, is_even=is_even)
            for keys, values in zip(state.keys, state.values, strict=True)
        ]
        if state.longest == 0 or (is_even and length == 1 and not any(self.config.windows)):
            return places, None, caches  # tokens see all before them
        seen = torch.arange(reach, device=tokens.device) <= places[:, :, None]  # [B, T, S]
        return places, seen[:, None], caches


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


def _within(
    window: int, mask: Tensor | None, places: Tensor | None, length: int, device: torch.device
) -> Tensor | None:
    """The mask [T, T] or [B, 1, T, S], or None, without what lies `window` tokens back or further (0: nothing does).

    `places` [B, T] are where the tokens stand among S cached keys; None: keys are the tokens themselves.
    """
    if not window or (mask is None and length <= window):
        return mask
    index = torch.arange(length if mask is None else mask.shape[-1], device=device)
    if mask is None:
        return (index[:, None] >= index) & (index[:, None] - index < window)
    back = index[:, None] - index if places is None else places[:, None, :, None] - index
    return mask & (back < window)
