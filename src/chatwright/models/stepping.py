"""One more token for every row: what a Transformer computes most often, in as few operations as it takes.

In: the last token of every row, and the rows' key/value cache.  Out: the logits of the next ones; the cache holds the
new tokens. The numbers are those of `Transformer.forward` followed by the output layer, up to rounding.

A step reads every weight once for a handful of rows, so that on a small model the time goes into starting operations.
Here nothing is done twice: rotary angles, masks and places in the cache are found once for all layers, the stream
stays in float32 (no casts around norms and sums), and weights are looked up when the step is made, not when it runs.

Shapes: B rows, H heads, G key/value heads, D head width, R rotated channels, S tokens to look at, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatwright.models.layers import Attention, FeedForward, LayerNorm, RMSNorm
from chatwright.models.state import CacheState
from chatwright.models.transformer import Block, Transformer

__all__ = ["Step"]

Map = Callable[[Tensor], Tensor]


class Sight(NamedTuple):
    """Where the new tokens stand and what they may look at: the same for all layers, but for their windows."""

    cosine: Tensor
    """[R] or [B, 1, R]."""
    sine: Tensor
    """The same, negative in the first half."""
    masks: dict[int, Tensor]
    """0 where a token may look, else -inf: [S] or [B G, 1, S] for every window."""


class Memory(NamedTuple):
    """The cache of one layer."""

    keys: Tensor
    """[B G, D, S]."""
    values: Tensor
    """[B G, S, D]."""
    write: Callable[[Tensor, Tensor], object]
    """Stores the new keys and values, each [B, G, D]."""


@dataclass(frozen=True)
class _Layer:
    """One block, as plain attributes: looking modules up costs as much as a small operation."""

    attention_norm: Map
    feed_forward_norm: Map | None
    read: Map
    write: Map
    rise: Map
    fall: Map
    fed: Map
    """From what `rise` gives to what `fall` takes."""
    head_scale: Tensor | None
    """Weights [H + G, D] of normalised queries and keys."""
    head_epsilon: float
    scale: float
    window: int


GRAIN = 16
"""Places by which the reach of a step grows: some kernels are prepared anew for every shape."""


class Step:
    """Next-token logits [B, V] of `tokens` [B], which every row of `state` reads.

    `few` is the most rows for which the linear maps take and give float32; for more, they take and give the
    backbone's dtype.
    """

    def __init__(self, backbone: Transformer, output: Map, *, few: int) -> None:
        self.backbone, self.few = backbone, few
        self.output = _linear(output)
        config = backbone.config
        self.layers = [_layer(cast(Block, block), config.window(place)) for place, block in enumerate(backbone.blocks)]
        self.norm = (lambda x: x) if backbone.norm is None else _norm(backbone.norm)
        self.windows = sorted({layer.window for layer in self.layers})
        self.heads, self.groups, self.width = config.heads, config.kv_heads, config.per_head
        self.turned = config.turned
        self._tables: dict[torch.dtype, tuple[Tensor, Tensor]] = {}
        zeros = torch.zeros(config.context, device=backbone.cosines.device)
        self._edge = torch.cat([zeros, zeros.new_full((GRAIN,), float("-inf"))])

    def __call__(self, tokens: Tensor, state: CacheState) -> Tensor:
        """Raises InputError when a row is as long as the context."""
        look = self.prepare(state)
        if state.is_even and not any(self.windows):
            logits = self._even(tokens, state, look)
        else:
            logits = self.run(tokens, state.lengths, state.keys, state.values, look)
        self.note(state)
        return logits

    def prepare(self, state: CacheState, grain: int = GRAIN) -> int:
        """Make room for one more token a row; how many places are looked at, a multiple of `grain` where they exist."""
        self.backbone.make_room(state.longest + 1)
        state.reserve(state.longest + 1)
        look = min(-(-(state.longest + 1) // grain) * grain, state.capacity)
        state.reserve(look)  # what nobody has written must be finite
        return look

    @property
    def angles(self) -> list[Tensor]:
        """Tables that `run` reads and that give way to longer ones when a text needs them."""
        return [table for pair in self._tables.values() for table in pair]

    @staticmethod
    def note(state: CacheState) -> None:
        """Every row has read one more token."""
        state.lengths = state.lengths + 1
        state.longest += 1

    def _even(self, tokens: Tensor, state: CacheState, look: int) -> Tensor:
        """All rows stand at one place: it is a number here, and nothing has to be looked up."""
        rows, place = len(tokens), state.longest
        inner = self._inner(rows)
        cosine, sine = self._angles(inner)
        keys, values = (part[:, :rows].flatten(1, 2) for part in (state.keys, state.values))  # [layers, B G, S, D]
        new_keys, new_values = keys.select(2, place).unbind(0), values.select(2, place).unbind(0)
        seen_keys = keys[:, :, :look].transpose(2, 3).unbind(0)
        seen_values = values[:, :, :look].unbind(0)

        def writer(keys: Tensor, values: Tensor) -> Callable[[Tensor, Tensor], object]:
            def write(own_keys: Tensor, own_values: Tensor) -> None:
                keys.copy_(own_keys.reshape(keys.shape))
                values.copy_(own_values.reshape(values.shape))

            return write

        memories = [
            Memory(own_keys, own_values, writer(place_keys, place_values))
            for own_keys, own_values, place_keys, place_values in zip(
                seen_keys, seen_values, new_keys, new_values, strict=True
            )
        ]
        sight = Sight(cosine[place], sine[place], {0: self._edge_at(place + 1, look)})
        return self._through(self._embedded(tokens, place), sight, memories, inner)

    def run(self, tokens: Tensor, places: Tensor, keys: Tensor, values: Tensor, look: int) -> Tensor:
        """The step on tensors alone: row b reads its token at `places` [B], and looks at the first `look` places.

        Whatever changes from token to token is in a tensor, so that this can be compiled and captured.
        """
        rows, (_, _, groups, capacity, width) = len(tokens), keys.shape
        inner = self._inner(rows)
        cosine, sine = (table[places].unsqueeze(1) for table in self._angles(inner))
        heads = torch.arange(rows * groups, device=tokens.device)  # of the cache, row by row
        index = heads * capacity + places.repeat_interleave(groups)
        flat = [part.flatten(1, 3).unbind(0) for part in (keys, values)]
        seen = [part[:, :rows].flatten(1, 2)[:, :, :look].unbind(0) for part in (keys, values)]

        def writer(keys: Tensor, values: Tensor) -> Callable[[Tensor, Tensor], object]:
            def write(own_keys: Tensor, own_values: Tensor) -> None:
                keys.index_copy_(0, index, own_keys.reshape(-1, width).to(keys.dtype))
                values.index_copy_(0, index, own_values.reshape(-1, width).to(values.dtype))

            return write

        memories = [
            Memory(own_keys.transpose(1, 2), own_values, writer(all_keys, all_values))
            for own_keys, own_values, all_keys, all_values in zip(*seen, *flat, strict=True)
        ]
        masks = {window: self._mask(places, look, window) for window in self.windows}
        return self._through(self._embedded(tokens, places), Sight(cosine, sine, masks), memories, inner)

    # -- what is the same for all layers

    def _inner(self, rows: int) -> torch.dtype:
        """Of what linear maps take and give."""
        return torch.float32 if rows <= self.few else self.backbone.dtype

    def _embedded(self, tokens: Tensor, places: int | Tensor) -> Tensor:
        backbone = self.backbone
        x = F.embedding(tokens, backbone.embedding.weight).float()
        if backbone.config.embedding_scale != 1:
            x = x * backbone.config.embedding_scale
        if backbone.position_embedding is not None:
            x = x + backbone.position_embedding.weight[places].float()
        return x

    def _angles(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines [positions, R], the sines negative in their first half."""
        cosines, sines = self.backbone.cosines, self.backbone.sines
        found = self._tables.get(dtype)
        if found is None or len(found[0]) < len(cosines):
            found = torch.cat([cosines, cosines], dim=1).to(dtype), torch.cat([-sines, sines], dim=1).to(dtype)
            self._tables[dtype] = found
        return found

    def _edge_at(self, seen: int, look: int) -> Tensor:
        """0 for the first `seen` of `look` places, then -inf: a piece of one long row of zeros and infinities."""
        first = self.backbone.config.context - seen
        return self._edge[first : first + look]

    def _mask(self, places: Tensor, look: int, window: int) -> Tensor:
        index = torch.arange(look, device=places.device)
        hidden = index > places[:, None]
        if window:
            hidden |= index <= places[:, None] - window
        mask = torch.zeros(hidden.shape, device=places.device).masked_fill_(hidden, float("-inf"))
        return mask.repeat_interleave(self.groups, dim=0).unsqueeze(1)

    # -- layer by layer

    def _through(self, x: Tensor, sight: Sight, memories: list[Memory], inner: torch.dtype) -> Tensor:
        """Logits of embedded tokens [B, W]; the stream x is float32."""
        after = self.backbone.config.norm_place == "after"
        for layer, memory in zip(self.layers, memories, strict=True):
            if layer.feed_forward_norm is None:
                read = layer.attention_norm(x).to(inner)
                x = x.add_(self._attended(layer, read, sight, memory)).add_(layer.fall(layer.fed(layer.rise(read))))
            elif after:
                x = layer.attention_norm(x.add_(self._attended(layer, x.to(inner), sight, memory)))
                x = layer.feed_forward_norm(x.add_(layer.fall(layer.fed(layer.rise(x.to(inner))))))
            else:
                x = x.add_(self._attended(layer, layer.attention_norm(x).to(inner), sight, memory))
                x = x.add_(layer.fall(layer.fed(layer.rise(layer.feed_forward_norm(x).to(inner)))))
        return self.output(self.norm(x).to(inner))

    def _attended(self, layer: _Layer, x: Tensor, sight: Sight, memory: Memory) -> Tensor:
        """Attention's share [B, W] of the stream, for normalised vectors [B, W]."""
        rows = len(x)
        read = layer.read(x).view(rows, -1, self.width)
        both = read[:, : self.heads + self.groups]
        if layer.head_scale is not None:
            both = (F.rms_norm(both, (self.width,), eps=layer.head_epsilon) * layer.head_scale).to(both.dtype)
        if self.turned:
            both = self._rotated(both, sight)
        memory.write(both[:, self.heads :], read[:, self.heads + self.groups :])
        # Scores in float32: with a single query oneDNN's batched product in bfloat16 takes longer than the cast and
        # this. The sum of values is not as bad, and a cast of them costs more when there are many rows.
        queries = both[:, : self.heads].reshape(rows * self.groups, -1, self.width).float()
        scores = torch.baddbmm(sight.masks[layer.window], queries, memory.keys.float(), alpha=layer.scale)
        looked = torch.bmm(torch.softmax(scores, dim=-1).to(x.dtype), memory.values.to(x.dtype))
        return layer.write(looked.view(rows, -1))

    def _rotated(self, both: Tensor, sight: Sight) -> Tensor:
        """Queries and keys [B, H + G, D], turned: [a cos - b sin, b cos + a sin] for halves a, b of R channels."""
        if self.turned == self.width:
            return (both * sight.cosine).addcmul_(both.roll(self.turned // 2, -1), sight.sine)
        turning = both[..., : self.turned]
        turned = (turning * sight.cosine).addcmul_(turning.roll(self.turned // 2, -1), sight.sine)
        return torch.cat([turned, both[..., self.turned :]], dim=-1)


def _layer(block: Block, window: int) -> _Layer:
    attention, feed_forward = block.attention, block.feed_forward
    return _Layer(
        attention_norm=_norm(block.attention_norm),
        feed_forward_norm=None if block.feed_forward_norm is None else _norm(block.feed_forward_norm),
        read=_linear(attention.read),
        write=_linear(attention.write),
        rise=_linear(feed_forward.rise),
        fall=_linear(feed_forward.fall),
        fed=_fed(feed_forward),
        head_scale=_head_scale(attention),
        head_epsilon=0.0 if attention.query_norm is None else attention.query_norm.epsilon,
        scale=attention.head_width**-0.5 if attention.scale is None else attention.scale,
        window=window,
    )


def _linear(module: Map) -> Map:
    """What multiplies rows [B, K]: without a module's bookkeeping where the module offers it."""
    return cast(Map, getattr(module, "rows", module))


def _norm(module: nn.Module) -> Map:
    """The norm of float32 rows."""
    weight = cast(Tensor, module.weight).detach().float()
    if isinstance(module, LayerNorm):
        shape, bias, epsilon = module.normalized_shape, module.bias.detach().float(), module.eps
        return lambda x: F.layer_norm(x, shape, weight, bias, epsilon)
    assert isinstance(module, RMSNorm)
    own, size = module.epsilon, (len(weight),)
    return lambda x: F.rms_norm(x, size, weight, own)


def _head_scale(attention: Attention) -> Tensor | None:
    if attention.query_norm is None or attention.key_norm is None:
        return None
    queries = attention.query_norm.weight.detach().float().expand(attention.heads, -1)
    return torch.cat([queries, attention.key_norm.weight.detach().float().expand(attention.kv_heads, -1)])


def _fed(module: FeedForward) -> Map:
    """What stands between the two linear maps of a feed-forward layer."""
    if not module.gated:
        return module.active

    def gated(risen: Tensor) -> Tensor:
        gate, up = risen.chunk(2, dim=-1)
        return module.active(gate).mul_(up)

    return gated
