"""The peer: the same Llama-shaped decoder as a plain PyTorch script would have it, with the same weights by name.

nn.Linear, F.rms_norm and F.scaled_dot_product_attention, autograd for everything, a key/value cache that grows by
torch.cat. It uses nothing of chatwright but the shape; projections that read the same vectors are one matrix here too,
which a plain script may or may not do: it helps the peer.

Shapes: B rows, T new tokens, S tokens to look at, H heads, D head width, W width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatwright.models.heads import LanguageModel, ScalarModel
from chatwright.models.transformer import TransformerConfig

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values [B, H, S, D] of every layer."""


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine


class PlainBlock(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.width, self.heads, self.epsilon = config.width, config.heads, config.epsilon
        self.attention_norm = nn.Parameter(torch.ones(config.width))
        self.read = nn.Linear(config.width, 3 * config.width, bias=False)
        self.write = nn.Linear(config.width, config.width, bias=False)
        self.feed_forward_norm = nn.Parameter(torch.ones(config.width))
        self.rise = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.fall = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        batch, length, width = x.shape
        read = self.read(F.rms_norm(x, (width,), self.attention_norm, self.epsilon))
        queries, keys, values = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in read.split(width, dim=-1)
        )
        cosine, sine = cosine.to(queries.dtype), sine.to(queries.dtype)
        queries, keys = rotated(queries, cosine, sine), rotated(keys, cosine, sine)
        if cache is not None:
            if len(cache) > 0 and cache[0][0].shape[2] > 0:
                before_keys, before_values = cache.pop(0)
                keys, values = torch.cat([before_keys, keys], dim=2), torch.cat([before_values, values], dim=2)
            cache.append((keys, values))  # the layers take turns: popped at the front, put back at the end
        looked = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=mask is None and length > 1
        )
        x = x + self.write(looked.transpose(1, 2).reshape(batch, length, width))
        gate, up = self.rise(F.rms_norm(x, (width,), self.feed_forward_norm, self.epsilon)).chunk(2, dim=-1)
        fallen: Tensor = self.fall(F.silu(gate) * up)
        return x + fallen
