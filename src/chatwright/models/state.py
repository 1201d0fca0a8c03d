"""What a backbone remembers between two calls: it lives outside the module, and rows can be taken, joined, repeated.

Shapes: B rows, T new tokens, G key/value heads, S capacity in tokens, D head width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

__all__ = ["CacheState", "KeyValues", "State"]


class State(Protocol):
    """What a backbone has read so far, per row."""

    @property
    def lengths(self) -> Tensor:
        """Tokens read, LongTensor [B]."""
        ...

    def take(self, index: Tensor) -> Self:
        """The rows at `index` (LongTensor [N]), in that order; rows may repeat or be left out."""
        ...

    def join(self, other: Self) -> Self:
        """The rows of both, these first."""
        ...

    def repeat(self, copies: int) -> Self:
        """Every row `copies` times in a row."""
        ...

    def detach(self) -> Self:
        """The same memory without a gradient."""
        ...


class KeyValues:
    """Keys and values of one layer while a piece is read: writes the new ones, hands out all of them."""

    def __init__(self, keys: Tensor, values: Tensor, rows: Tensor, places: Tensor, reach: int) -> None:
        self.keys, self.values = keys, values  # [B, S, G, D]
        self.rows, self.places, self.reach = rows, places, reach  # [B, 1], [B, T], tokens to look at

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values [B, T, G, D]; return those of every token up to now [B, reach, G, D]."""
        self.keys[self.rows, self.places] = keys
        self.values[self.rows, self.places] = values
        return self.keys[:, : self.reach], self.values[:, : self.reach]


@dataclass
class CacheState:
    """The key/value cache of a Transformer: two tensors [layers, B, S, G, D] and the tokens read per row [B]."""

    keys: Tensor
    values: Tensor
    lengths: Tensor
    longest: int = 0
    """The greatest of `lengths`, or more: known without asking the device."""

    @property
    def capacity(self) -> int:
        return self.keys.shape[2]

    def reserve(self, tokens: int) -> None:
        """Make room for `tokens` tokens a row, at least doubling, so that growing costs little."""
        if tokens <= self.capacity:
            return
        room = max(tokens, 2 * self.capacity, 32)
        self.keys, self.values = _widened(self.keys, room), _widened(self.values, room)

    def take(self, index: Tensor) -> CacheState:
        lengths = self.lengths[index]
        longest = int(lengths.max()) if len(index) else 0
        return CacheState(self.keys[:, index], self.values[:, index], lengths, longest)

    def join(self, other: CacheState) -> CacheState:
        room = max(self.capacity, other.capacity)
        return CacheState(
            torch.cat([_widened(self.keys, room), _widened(other.keys, room)], dim=1),
            torch.cat([_widened(self.values, room), _widened(other.values, room)], dim=1),
            torch.cat([self.lengths, other.lengths]),
            max(self.longest, other.longest),
        )

    def repeat(self, copies: int) -> CacheState:
        rows = torch.arange(len(self.lengths), device=self.lengths.device)
        return self.take(rows.repeat_interleave(copies))

    def detach(self) -> CacheState:
        return CacheState(self.keys.detach(), self.values.detach(), self.lengths.detach(), self.longest)


def _widened(cache: Tensor, room: int) -> Tensor:
    """The same cache [layers, B, S, G, D] with room for `room` tokens; the new places hold zeros."""
    layers, batch, tokens, heads, width = cache.shape
    if tokens == room:
        return cache
    wide = cache.new_zeros(layers, batch, room, heads, width)
    wide[:, :, :tokens] = cache
    return wide
