"""The peer: the same Llama-shaped decoder as a plain PyTorch script would have it, filled with the same weights.

nn.Linear, F.rms_norm and F.scaled_dot_product_attention, autograd for everything, a key/value cache that grows by
torch.cat. It takes nothing from chatwright but the shape and the weights. Projections that read the same vectors are
one matrix here too, which a plain script may or may not do: it helps the peer.

Shapes: B rows, T new tokens, S tokens to look at, H heads, D head width, W width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.transformer import TransformerConfig

Memory = list[tuple[Tensor, Tensor]]
"""Keys and values [B, H, S, D] of every layer."""


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine


class PlainNorm(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.width))
        self.epsilon = config.epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


class PlainAttention(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.read = nn.Linear(config.width, 3 * config.width, bias=False)
        self.write = nn.Linear(config.width, config.width, bias=False)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        batch, length, width = x.shape
        queries, keys, values = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.read(x).split(width, dim=-1)
        )
        cosine, sine = (table.to(queries.dtype) for table in turn)
        queries, keys = rotated(queries, cosine, sine), rotated(keys, cosine, sine)
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
        causal = mask is None and length > 1
        looked = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal)
        return self.write(looked.transpose(1, 2).reshape(batch, length, width)), (keys, values)


class PlainFeedForward(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.rise = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.fall = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.rise(x).chunk(2, dim=-1)
        fallen: Tensor = self.fall(F.silu(gate) * up)
        return fallen


class PlainBlock(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention_norm = PlainNorm(config)
        self.attention = PlainAttention(config)
        self.feed_forward_norm = PlainNorm(config)
        self.feed_forward = PlainFeedForward(config)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        looked, own = self.attention(self.attention_norm(x), turn, mask, past)
        x = x + looked
        return x + self.feed_forward(self.feed_forward_norm(x)), own


class PlainTransformer(nn.Module):
    """Vectors [B, T, W] of tokens, and keys and values of all tokens so far."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(PlainBlock(config) for _ in range(config.layers))
        self.norm = PlainNorm(config)
        places = torch.arange(0, config.width // config.heads, 2) / (config.width // config.heads)
        angles = torch.outer(torch.arange(config.context).float(), config.rotary_base**-places).repeat(1, 2)
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        memory: Memory | None = None,
    ) -> tuple[Tensor, Memory]:
        """`positions` [B, T] and `mask` [B, 1, T, S] (True: may look) are for rows that are padded at the left."""
        turn = (self.cosines[: tokens.shape[1]], self.sines[: tokens.shape[1]])
        if positions is not None:
            turn = (self.cosines[positions][:, None], self.sines[positions][:, None])
        x, kept = self.embedding(tokens), []
        for number, block in enumerate(self.blocks):
            x, own = block(x, turn, mask, memory[number] if memory else None)
            kept.append(own)
        return self.norm(x), kept


class PlainLanguageModel(nn.Module):
    """Logits [B, T, V]; the output matrix is the embedding."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.backbone = PlainTransformer(config)

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        memory: Memory | None = None,
    ) -> tuple[Tensor, Memory]:
        vectors, memory = self.backbone(tokens, positions, mask, memory)
        return F.linear(vectors, self.backbone.embedding.weight), memory


class PlainScalarModel(nn.Module):
    """One number for every token [B, T]: a reward model or a value function."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.backbone = PlainTransformer(config)
        self.readout = nn.Linear(config.width, 1)

    def forward(self, tokens: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        scores: Tensor = self.readout(self.backbone(tokens, positions, mask)[0]).squeeze(-1)
        return scores


def plain_language_model(model: LanguageModel) -> PlainLanguageModel:
    """The peer of a language model: a copy of its weights."""
    peer = PlainLanguageModel(model.backbone.config)
    peer.load_state_dict(model.state_dict())
    return peer


def plain_scalar_model(model: ScalarModel) -> PlainScalarModel:
    """The peer of a reward model or value function: a copy of its weights."""
    peer = PlainScalarModel(model.backbone.config)
    peer.load_state_dict(model.state_dict())
    return peer
