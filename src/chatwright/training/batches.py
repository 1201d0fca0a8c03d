"""From token files and conversations to batches, addressed by number: what batch 7 holds depends on the seed alone.

The order is a permutation of (seed, epoch), so a run that broke off at step k goes on with batch k and nothing else
needs to be remembered.

Shapes: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from chatwright.errors import InputError
from chatwright.text.conversation import Conversation, Encoder, Rendered, fit, render

__all__ = ["Batch", "PackedRows", "TokenWindows", "Trainable", "pack", "pad", "permutation", "prepare_conversations"]


class Trainable(Protocol):
    """What the loop needs of a batch: rows that can be divided, and how much they weigh."""

    def __len__(self) -> int: ...

    @property
    def read(self) -> int:
        """Tokens that are read, padding included."""
        ...

    @property
    def weight(self) -> float:
        """What the summed loss is divided by: supervised tokens, or prompts."""
        ...

    def rows(self, part: slice) -> Self: ...

    def split(self, parts: int) -> Sequence[Self]: ...

    def to(self, device: torch.device) -> Self: ...


@dataclass(frozen=True)
class Batch:
    """Rows to learn from: inputs, what follows each, and how much each counts."""

    tokens: Tensor
    """LongTensor [B, T]."""
    targets: Tensor
    """LongTensor [B, T]: the token after each."""
    weights: Tensor | None = None
    """float32 [B, T]; None: every token counts 1."""
    documents: Tensor | None = None
    """LongTensor [B, T]: see `Transformer.forward`; None: one document a row."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def read(self) -> int:
        return self.tokens.numel()

    @property
    def weight(self) -> float:
        return float(self.targets.numel()) if self.weights is None else float(self.weights.sum())

    def rows(self, part: slice) -> Batch:
        return Batch(
            self.tokens[part],
            self.targets[part],
            None if self.weights is None else self.weights[part],
            None if self.documents is None else self.documents[part],
        )

    def split(self, parts: int) -> list[Batch]:
        """At most `parts` batches of nearly equal numbers of rows, in order."""
        edges = np.linspace(0, len(self), min(parts, len(self)) + 1).round().astype(int)
        return [self.rows(slice(int(start), int(end))) for start, end in zip(edges, edges[1:], strict=False)]

    def to(self, device: torch.device) -> Batch:
        if device.type == "cpu":
            return self
        return Batch(
            self.tokens.to(device),
            self.targets.to(device),
            None if self.weights is None else self.weights.to(device),
            None if self.documents is None else self.documents.to(device),
        )


def permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of `count` items in an epoch: a function of (seed, epoch) and nothing else."""
    return np.random.Generator(np.random.Philox(key=[seed % 2**64, epoch])).permutation(count)


class TokenWindows:
    """Windows of `context` tokens from a stream of tokens, each position learned from once an epoch.

    Every epoch cuts the stream at another offset, so that windows start at other places.
    """

    def __init__(self, tokens: np.ndarray, *, context: int, batch: int, seed: int) -> None:
        if len(tokens) < 2 * context + 2:
            raise InputError(
                f"the training text has {len(tokens)} tokens, too few for a context of {context}: "
                f"bring more text or choose a smaller context"
            )
        self.tokens, self.context, self.batch_rows, self.seed = tokens, context, batch, seed
        self.per_epoch = (len(tokens) - 1 - context) // context
        self._order = (-1, np.empty(0, dtype=np.int64))

    def __call__(self, step: int) -> Batch:
        """Batch number `step`: tokens and targets [batch, context]."""
        windows = np.stack([self._window(step * self.batch_rows + row) for row in range(self.batch_rows)])
        rows = torch.from_numpy(windows.astype(np.int64))
        return Batch(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())

    def _window(self, index: int) -> np.ndarray:
        epoch, place = divmod(index, self.per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, permutation(self.seed, epoch, self.per_epoch))
        offset = int(
            np.random.Generator(np.random.Philox(key=[self.seed % 2**64, 2**32 + epoch])).integers(self.context)
        )
        start = offset + int(self._order[1][place]) * self.context
        return self.tokens[start : start + self.context + 1]

    def epochs(self, steps: int) -> float:
        return steps * self.batch_rows / self.per_epoch


def prepare_conversations(
    conversations: Sequence[Conversation], tokenizer: Encoder, *, context: int, where: str
) -> tuple[list[Rendered], int]:
    """Render conversations to learn from, cut by whole turns to `context` tokens; and how many had to be left out.

    Left out are those whose last exchange does not fit and those without an assistant message. Raises InputError
    when nothing is left: no batch may be without supervised tokens.
    """
    kept = []
    for conversation in conversations:
        cut = fit(conversation, tokenizer, context + 1)  # a row of T inputs holds T + 1 tokens
        rendered = render(cut, tokenizer) if cut is not None else None
        if rendered is not None and any(rendered.trainable[1:]):
            kept.append(rendered)
    if not kept:
        raise InputError(
            f"{where}: none of the {len(conversations)} conversations has an assistant message that fits in "
            f"{context} tokens; bring shorter ones or choose a larger context"
        )
    return kept, len(conversations) - len(kept)


def pack(lengths: Sequence[int], order: Sequence[int], room: int, *, open_rows: int = 64) -> list[list[int]]:
    """Put items of the given lengths into rows of `room` tokens: first fit, in `order`, into the last open rows."""
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (row, room left), oldest first
    for item in order:
        for place, (row, left) in enumerate(free):
            if lengths[item] <= left:
                rows[row].append(item)
                free[place] = (row, left - lengths[item])
                break
        else:
            rows.append([item])
            free.append((len(rows) - 1, room - lengths[item]))
            del free[:-open_rows]
    return rows


class PackedRows:
    """Rendered conversations packed into rows without cross-talk, in another order and packing each epoch."""

    def __init__(self, items: Sequence[Rendered], *, context: int, batch: int, seed: int, epochs: float) -> None:
        self.items, self.context, self.batch_rows = items, context, batch
        lengths = [len(item) - 1 for item in items]
        self.rows: list[list[int]] = []
        for epoch in range(int(np.ceil(epochs))):
            order = permutation(seed, epoch, len(items))
            if epoch + 1 > epochs:
                order = order[: max(1, round(len(items) * (epochs - epoch)))]
            self.rows += pack(lengths, [int(index) for index in order], context)
        self.steps = -(-len(self.rows) // batch)

    def __call__(self, step: int) -> Batch:
        rows = self.rows[step * self.batch_rows : (step + 1) * self.batch_rows]
        return pad([[self.items[index] for index in row] for row in rows], multiple=8, most=self.context)


def pad(rows: Sequence[Sequence[Rendered]], *, multiple: int = 1, most: int | None = None) -> Batch:
    """Rows of rendered conversations one after another, padded at the right to the longest row.

    The width is rounded up to a multiple of `multiple`, but never beyond `most`, what the model can read.
    """
    longest = max(sum(len(item) - 1 for item in row) for row in rows)
    width = -(-longest // multiple) * multiple
    if most is not None:
        width = max(longest, min(width, most))
    tokens, targets = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(2))
    weights = torch.zeros(len(rows), width)
    documents = torch.full((len(rows), width), -1)
    for number, row in enumerate(rows):
        place = 0
        for document, item in enumerate(row):
            span = slice(place, place + len(item) - 1)
            tokens[number, span] = torch.tensor(item.tokens[:-1])
            targets[number, span] = torch.tensor(item.tokens[1:])
            weights[number, span] = torch.tensor(item.trainable[1:], dtype=torch.float32)
            documents[number, span] = document
            place = span.stop
    return Batch(tokens, targets, weights, documents)
