"""What a backbone remembers between two calls: it lives outside the module, and rows can be taken, joined, repeated.

Shapes: B rows, T new tokens, G key/value heads, S capacity in tokens, R room for rows, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

__all__ = ["CacheState", "KeyValues", "State"]

CLEANED = 64
"""Tokens for which a cache is filled with zeros at a time, ahead of what is written."""


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

    def __init__(
        self, keys: Tensor, values: Tensor, rows: Tensor, places: Tensor, reach: int, *, is_even: bool = False
    ) -> None:
        self.keys, self.values = keys[: len(rows)], values[: len(rows)]  # [B, G, S, D]
        self.rows, self.places, self.reach = rows, places, reach  # [B, 1], [B, T], tokens to look at
        self.is_even = is_even  # all rows write at the same places: a copy instead of a scatter

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values [B, G, T, D]; return those of every token up to now [B, G, reach, D]."""
        if self.is_even:
            first = self.reach - keys.shape[2]
            self.keys[:, :, first : self.reach] = keys
            self.values[:, :, first : self.reach] = values
        else:
            self.keys[self.rows, :, self.places] = keys.transpose(1, 2)
            self.values[self.rows, :, self.places] = values.transpose(1, 2)
        return self.keys[:, :, : self.reach], self.values[:, :, : self.reach]


@dataclass
class CacheState:
    """The key/value cache of a Transformer: two tensors [layers, R, G, S, D] and the tokens read per row [B].

    There may be room for more rows and tokens than are used (R >= B, S >= longest). Memory is asked for as a whole and
    touched only as far as it is needed: what nobody has written yet within `clean` tokens of a row holds zeros, because
    attention multiplies it by zero, and zero times anything but a finite number is none.
    """

    keys: Tensor
    values: Tensor
    lengths: Tensor
    longest: int = 0
    """The greatest of `lengths`, or more: known without asking the device."""
    is_even: bool = True
    """Whether every row has read `longest` tokens."""
    clean: int = 0
    """Tokens per row that hold finite numbers."""

    @property
    def capacity(self) -> int:
        """S."""
        return self.keys.shape[3]

    @property
    def room(self) -> int:
        """R."""
        return self.keys.shape[1]

    @property
    def token_bytes(self) -> int:
        """Bytes that one token of one row takes."""
        layers, _, heads, _, width = self.keys.shape
        return 2 * layers * heads * width * self.keys.element_size()

    def reserve(self, tokens: int, rows: int = 0) -> None:
        """Make room for `tokens` tokens a row, at least doubling, so that growing costs little, and for `rows` rows."""
        if tokens > self.capacity:
            self._resize(max(tokens, 2 * self.capacity, 32), max(rows, self.room))
        elif rows > self.room:
            self._resize(self.capacity, rows)
        self._clean_to(tokens)

    def resize(self, tokens: int, rows: int) -> None:
        """Exactly this much room, no less than what is used."""
        self._resize(max(tokens, self.longest), max(rows, len(self.lengths)))

    def _resize(self, tokens: int, rows: int) -> None:
        layers, _, heads, _, width = self.keys.shape
        self.clean = min(self.clean, tokens)
        used = (slice(None), slice(0, len(self.lengths)), slice(None), slice(0, self.clean))
        for name in ("keys", "values"):
            old = getattr(self, name)
            wide = old.new_empty(layers, rows, heads, tokens, width)
            wide[used] = old[used]
            setattr(self, name, wide)

    def _clean_to(self, tokens: int) -> None:
        if tokens > self.clean:
            reach = min(self.capacity, -(-tokens // CLEANED) * CLEANED)
            fresh = (slice(None), slice(0, len(self.lengths)), slice(None), slice(self.clean, reach))
            self.keys[fresh] = 0
            self.values[fresh] = 0
            self.clean = reach

    def absorb(self, other: CacheState, index: Sequence[int]) -> None:
        """Rows `index` of another cache become the last rows of this one, in place where there is room."""
        count, first = len(index), len(self.lengths)
        if first + count > self.room:
            self._resize(self.capacity, max(first + count, 2 * self.room))
        self.reserve(other.longest)
        rows = torch.tensor(index, device=self.lengths.device)
        for own, new in ((self.keys, other.keys), (self.values, other.values)):
            for place, row in enumerate(index, first):
                own[:, place, :, : other.longest] = new[:, row, :, : other.longest]
            own[:, first : first + count, :, other.longest : self.clean] = 0
        self.lengths = torch.cat([self.lengths, other.lengths[rows]])
        self._measure()

    def keep(self, index: Sequence[int]) -> None:
        """Only the rows at `index` go on, in place; no row may move to a later place, so only those that move cost."""
        for place, row in enumerate(index):
            if row != place:
                self.keys[:, place, :, : self.longest] = self.keys[:, row, :, : self.longest]
                self.values[:, place, :, : self.longest] = self.values[:, row, :, : self.longest]
        self.lengths = self.lengths[torch.tensor(index, dtype=torch.long, device=self.lengths.device)]
        self._measure()

    def _measure(self) -> None:
        lengths = self.lengths.tolist()
        self.longest = max(lengths, default=0)
        self.is_even = min(lengths, default=0) == self.longest

    def cut(self, row: int, tokens: int) -> CacheState:
        """A copy of what one row remembers of its first `tokens` tokens: this memory can be cut anywhere."""
        keys, values = (part[:, row : row + 1, :, :tokens].clone() for part in (self.keys, self.values))
        lengths = torch.full((1,), tokens, dtype=torch.long, device=self.lengths.device)
        return CacheState(keys, values, lengths, tokens, True, tokens)

    def take(self, index: Tensor) -> CacheState:
        used = slice(0, self.clean)
        taken = CacheState(
            self.keys[:, :, :, used][:, index],
            self.values[:, :, :, used][:, index],
            self.lengths[index],
            clean=self.clean,
        )
        taken._measure()
        return taken

    def join(self, other: CacheState) -> CacheState:
        reach = max(self.clean, other.clean)
        joined = CacheState(
            torch.cat([_filled(self.keys, self, reach), _filled(other.keys, other, reach)], dim=1),
            torch.cat([_filled(self.values, self, reach), _filled(other.values, other, reach)], dim=1),
            torch.cat([self.lengths, other.lengths]),
            clean=reach,
        )
        joined._measure()
        return joined

    def repeat(self, copies: int) -> CacheState:
        rows = torch.arange(len(self.lengths), device=self.lengths.device)
        return self.take(rows.repeat_interleave(copies))

    def detach(self) -> CacheState:
        return CacheState(
            self.keys.detach(), self.values.detach(), self.lengths.detach(), self.longest, self.is_even, self.clean
        )


def _filled(cache: Tensor, state: CacheState, tokens: int) -> Tensor:
    """The used rows of a cache with `tokens` tokens each, zeros after what is clean."""
    used = cache[:, : len(state.lengths), :, : state.clean]
    return torch.nn.functional.pad(used, (0, 0, 0, tokens - state.clean))
