"""What has been read before and may be asked again: the next turn of a chat begins with the whole turn before.

In: tokens and the state after reading them.  Out: for new tokens, the state of the longest beginning that is known.

Key/value caches can be cut anywhere (`CacheState.cut`), so any common beginning helps; other memories, such as an
LSTM's, only where all of their tokens come again. The least recently used go when the bytes run out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chatwright.models.state import CacheState, State

__all__ = ["WORTH", "Prefixes", "bytes_of", "common"]

WORTH = 16
"""Fewest tokens for which copying a memory is less work than reading them again."""
MOST = 512
"""Entries at most: all are compared with every new prompt."""


@dataclass(frozen=True, eq=False)
class _Entry:
    tokens: np.ndarray
    salt: str
    state: State
    size: int


class Prefixes:
    """Remembered beginnings, at most `limit` bytes of them; those of one salt are never used for another."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size = limit, 0
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._next = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, tokens: Sequence[int], state: State, salt: str = "") -> None:
        """Remember the state [1 row] after `tokens`; what begins it is forgotten where a cut of it does the same."""
        size = bytes_of(state)
        if size > self.limit or not len(tokens):
            return
        own = np.asarray(tokens, dtype=np.int64)
        is_cuttable = isinstance(state, CacheState)
        for number, entry in list(self._entries.items()):
            if entry.salt != salt:
                continue
            shared = common(entry.tokens, own)
            if shared == len(own) and (is_cuttable or len(own) == len(entry.tokens)):
                self._entries.move_to_end(number)
                return
            if is_cuttable and shared == len(entry.tokens):
                self._forget(number)
        while self._entries and (self.size + size > self.limit or len(self._entries) >= MOST):
            self._forget(next(iter(self._entries)))
        self._entries[self._next] = _Entry(own, salt, state, size)
        self._next += 1
        self.size += size

    def find(self, tokens: Sequence[int], salt: str = "") -> tuple[State, int] | None:
        """A state of its own that has read the first N of `tokens`, and N: at least WORTH, and fewer than all."""
        own = np.asarray(tokens, dtype=np.int64)
        best, most = None, WORTH - 1
        for number, entry in self._entries.items():
            if entry.salt != salt:
                continue
            shared = min(common(entry.tokens, own), len(own) - 1)
            if shared > most and (shared == len(entry.tokens) or isinstance(entry.state, CacheState)):
                best, most = number, shared
        if best is None:
            return None
        self._entries.move_to_end(best)
        state = self._entries[best].state
        if isinstance(state, CacheState):
            return state.cut(0, most), most
        return state.take(torch.zeros(1, dtype=torch.long, device=state.lengths.device)), most

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.size = 0

    def _forget(self, number: int) -> None:
        self.size -= self._entries.pop(number).size


def common(one: np.ndarray, other: np.ndarray) -> int:
    """How many tokens two sequences have in common at their beginning."""
    length = min(len(one), len(other))
    differing = np.flatnonzero(one[:length] != other[:length])
    return int(differing[0]) if len(differing) else length


def bytes_of(state: State) -> int:
    """Bytes of all tensors of a state."""
    parts = list(vars(state).values())
    size = 0
    while parts:
        part = parts.pop()
        if isinstance(part, Tensor):
            size += part.nbytes
        elif isinstance(part, list | tuple):
            parts += part
    return size
