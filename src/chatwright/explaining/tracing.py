"""A model's forward pass, step by step in plain arithmetic, so that every number in between can be looked at.

In: a Transformer language model and token ids.  Out: what enters each block, attention weights, logits.

This is a path of its own beside `models/`: float32, no fused kernels, no cache. It agrees with the model within
rounding (a test says so), needs one forward pass to begin with, and then one layer for each look.
Shapes: T tokens, W width, H heads, G key/value heads, D head width, V vocabulary, N variants of one text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chatwright.errors import InputError
from chatwright.models.heads import LanguageModel
from chatwright.models.layers import Attention
from chatwright.models.transformer import Block, Transformer

__all__ = ["LONGEST", "Look", "Trace", "trace"]

LONGEST = 256
"""Most tokens of a text to look into: matrices of T x T weights for each head are sent to a browser."""


@dataclass(frozen=True)
class Look:
    """What one layer's attention does with N variants of a text."""

    queries: Tensor
    """[N, H, T, D], normalised and turned as the model does it."""
    keys: Tensor
    """[N, H, T, D]; heads that share a key have equal ones."""
    values: Tensor
    """[N, H, T, D]."""
    scale: float
    hidden: Tensor
    """True where a token may not look, [T, T]."""
    weights: Tensor
    """Softmax over what may be seen, [N, H, T, T]; rows are the tokens that look."""

    @property
    def scores(self) -> Tensor:
        """Queries times keys, before scale and mask, [N, H, T, T]."""
        return self.queries @ self.keys.transpose(-1, -2)


def backbone_of(model: LanguageModel) -> Transformer:
    """The Transformer of a model; InputError for a recurrent one, which has no attention to show."""
    if not isinstance(model.backbone, Transformer):
        raise InputError("this model is recurrent: it has no attention, heads or layers of a Transformer to look into")
    return model.backbone


class Trace:
    """One text in one model. Keeps what enters each block, so that a single layer can be computed again."""

    def __init__(self, model: LanguageModel, tokens: Sequence[int]) -> None:
        self.model, self.backbone = model, backbone_of(model)
        self.config = self.backbone.config
        if not 1 <= len(tokens) <= min(LONGEST, self.config.context):
            most = min(LONGEST, self.config.context)
            raise InputError(f"the text has {len(tokens)} tokens; a look inside takes 1 to {most} of them")
        if not all(0 <= token < self.config.vocabulary for token in tokens):
            raise InputError(f"a token is outside the model's vocabulary of {self.config.vocabulary} ids")
        self.tokens = list(tokens)
        self.streams: list[Tensor] = []
        with torch.no_grad():
            x = self.embed()
            for layer in range(self.config.layers):
                self.streams.append(x[0])
                x = self.step(layer, x)
            self.streams.append(x[0])

    def __len__(self) -> int:
        return len(self.tokens)

    # -- the forward pass --

    def embed(self, rows: Tensor | None = None) -> Tensor:
        """What enters the first block [N, T, W]; `rows` [N, T, W] stand for the tokens' own embeddings."""
        ids = torch.tensor(self.tokens, device=self.backbone.embedding.weight.device)
        x = self.backbone.embedding(ids).float()[None] if rows is None else rows
        x = x * self.config.embedding_scale
        if self.backbone.position_embedding is not None:
            x = x + self.backbone.position_embedding.weight[: len(self)].float()
        return x

    def step(self, layer: int, x: Tensor, off: Sequence[int] = ()) -> Tensor:
        """One block: [N, T, W] to [N, T, W], with the heads in `off` saying nothing."""
        block = self._block(layer)
        if block.feed_forward_norm is None:
            read = block.attention_norm(x)
            return x + self._attend(layer, read, off) + block.feed_forward(read)
        if block.norm_place == "after":
            x = block.attention_norm(x + self._attend(layer, x, off))
            after: Tensor = block.feed_forward_norm(x + block.feed_forward(x))
            return after
        x = x + self._attend(layer, block.attention_norm(x), off)
        return x + block.feed_forward(block.feed_forward_norm(x))

    def read_out(self, x: Tensor) -> Tensor:
        """Logits [..., V] of what leaves a block [..., W]: the final norm, then the output matrix."""
        return self.model.logits(x if self.backbone.norm is None else self.backbone.norm(x))

    def logits(self, off: Mapping[int, Sequence[int]] | None = None) -> Tensor:
        """Logits [T, V]; `off` names heads by layer that say nothing."""
        off = {layer: heads for layer, heads in (off or {}).items() if heads}
        self._check(off)
        first = min(off, default=self.config.layers)
        with torch.no_grad():
            x = self.streams[first][None]
            for layer in range(first, self.config.layers):
                x = self.step(layer, x, off.get(layer, ()))
            return self.read_out(x[0])

    # -- one layer's attention --

    def look(self, layer: int) -> Look:
        """The attention of one layer, for the text as it is. Raises InputError if there is no such layer."""
        self._check({layer: ()})
        block = self._block(layer)
        with torch.no_grad():
            x = self.streams[layer][None]
            return self._look(layer, x if block.norm_place == "after" else block.attention_norm(x))

    def _attend(self, layer: int, read: Tensor, off: Sequence[int]) -> Tensor:
        look = self._look(layer, read)
        said = look.weights @ look.values
        if off:
            kept = torch.ones(said.shape[1], 1, 1, device=said.device)
            kept[list(off)] = 0
            said = said * kept
        written: Tensor = self._block(layer).attention.write(said.transpose(1, 2).flatten(2))
        return written

    def _look(self, layer: int, read: Tensor) -> Look:
        attention = self._block(layer).attention
        parts = attention.read(read).unflatten(-1, (-1, attention.head_width))
        heads = [attention.heads, attention.kv_heads, attention.kv_heads]
        queries, keys, values = (part.transpose(1, 2) for part in parts.split(heads, dim=2))
        if attention.query_norm is not None and attention.key_norm is not None:
            queries, keys = attention.query_norm(queries), attention.key_norm(keys)
        queries, keys = self._turned(attention, queries), self._turned(attention, keys)
        shared = attention.heads // attention.kv_heads
        keys, values = (part.repeat_interleave(shared, dim=1) for part in (keys, values))
        scale = attention.head_width**-0.5 if attention.scale is None else attention.scale
        hidden = self._hidden(self.config.window(layer), read.device)
        scores = (queries @ keys.transpose(-1, -2) * scale).masked_fill(hidden, float("-inf"))
        return Look(queries, keys, values, scale, hidden, torch.softmax(scores, dim=-1))

    def _turned(self, attention: Attention, x: Tensor) -> Tensor:
        """x [N, h, T, D] with its first channels turned by each token's position."""
        width = attention.rotary_width
        if not width:
            return x
        cosine, sine = self.backbone.cosines[: len(self)].float(), self.backbone.sines[: len(self)].float()
        first, second = x[..., : width // 2], x[..., width // 2 : width]
        turned = [first * cosine - second * sine, second * cosine + first * sine, x[..., width:]]
        return torch.cat(turned, dim=-1)

    def _hidden(self, window: int, device: torch.device) -> Tensor:
        place = torch.arange(len(self), device=device)
        back = place[:, None] - place
        return (back < 0) | (back >= window) if window else back < 0

    def _block(self, layer: int) -> Block:
        block = self.backbone.blocks[layer]
        assert isinstance(block, Block)
        return block

    def _check(self, heads: Mapping[int, Sequence[int]]) -> None:
        for layer, own in heads.items():
            if not 0 <= layer < self.config.layers:
                raise InputError(f"there is no layer {layer}; this model has layers 0 to {self.config.layers - 1}")
            strange = next((head for head in own if not 0 <= head < self.config.heads), None)
            if strange is not None:
                raise InputError(f"there is no head {strange}; each layer has heads 0 to {self.config.heads - 1}")


def trace(model: LanguageModel, tokens: Sequence[int]) -> Trace:
    """Look into a model while it reads these tokens.

    Raises InputError for a recurrent model, for more than `LONGEST` tokens, and for tokens that it does not know.
    """
    return Trace(model, tokens)
