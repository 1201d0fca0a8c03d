"""Bits per byte: how well a language model predicts text that it has not read, whatever its tokenizer.

In: a model, its tokenizer, and documents as tokens with bounds.  Out: a figure with an interval over documents.
Each token but the first of a document (the begin token, which costs nothing) is predicted exactly once.

    document   0 1 2 3 4 5 6 7 8 9      context 4: windows of 4 tokens that advance by 2
    window 1   0 1 2 3          -> predicts 1 2 3 4
    window 2       2 3 4 5      -> predicts         5 6   (after at least 2 tokens)
    window 3           4 5 6 7  -> predicts             7 8
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from chatwright.errors import InputError, TrainingError
from chatwright.evaluation.intervals import bootstrap_ratio
from chatwright.evaluation.ngram import bytes_predicted
from chatwright.world import World

Bounds = Sequence[int] | NDArray[Any]


class Bytes(Protocol):
    """What counting bytes needs of a tokenizer: the bytes of each id, 0 for control tokens."""

    @property
    def byte_lengths(self) -> list[int]: ...


class Window(NamedTuple):
    """Tokens start .. start + length of the stream; the last `scored` of their successors are predicted."""

    document: int
    start: int
    length: int
    scored: int


def windows_of(bounds: Bounds, context: int) -> Iterator[Window]:
    """Windows of at most `context` tokens that advance by half of it, so that little is predicted without a past."""
    advance = (context + 1) // 2
    for document, (first, end) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        start, predicted = int(first), int(first) + 1  # `predicted`: the next token to score
        while predicted < end:
            length = min(context, int(end) - 1 - start)
            scored = start + length + 1 - predicted
            yield Window(document, start, length, scored)
            predicted += scored
            start += advance


def bits_of_documents(
    model: nn.Module,
    tokens: NDArray[Any],
    bounds: Bounds,
    *,
    context: int,
    batch: int = 64,
    pad: int = 0,
    world: World | None = None,
) -> NDArray[np.float64]:
    """Bits that each document costs under the model; `batch` windows of up to `context` tokens run at a time.

    With a `world`, batches are divided among its threads; the sums do not depend on how many there are.

    Windows are padded on the right, which a causal model cannot see. Raises TrainingError if a loss is not finite.
    """
    device = next(model.parameters()).device
    bits = np.zeros(len(bounds) - 1)
    windows = sorted(windows_of(bounds, context), key=lambda window: (window.length, window.start))
    was_training = model.training
    model.eval()

    def costs_of(group: Sequence[Window]) -> NDArray[np.float64]:
        inputs, targets = _rows(group, tokens, pad)
        logits, _ = model(inputs.to(device))
        flat = targets.to(device).flatten()
        losses = F.cross_entropy(logits.float().flatten(0, 1), flat, ignore_index=-1, reduction="none")
        costs: NDArray[np.float64] = losses.view(targets.shape).double().sum(1).cpu().numpy() / log(2)
        return costs

    groups = [windows[first : first + batch] for first in range(0, len(windows), batch)]
    with torch.no_grad():
        costs = world.map(costs_of, groups) if world else [costs_of(group) for group in groups]
    for group, found in zip(groups, costs, strict=True):
        np.add.at(bits, [window.document for window in group], found)
    model.train(was_training)
    if not np.isfinite(bits).all():
        raise TrainingError("the model's loss on held-out text is not finite; its weights are damaged, train it again")
    return bits


def _rows(group: Sequence[Window], tokens: NDArray[Any], pad: int) -> tuple[Tensor, Tensor]:
    """Inputs, padded on the right, and targets, -1 where nothing is scored; both [windows, longest]."""
    longest = max(window.length for window in group)
    inputs = torch.full((len(group), longest), pad, dtype=torch.long)
    targets = torch.full((len(group), longest), -1, dtype=torch.long)
    for row, (_, start, length, scored) in enumerate(group):
        piece = torch.from_numpy(np.asarray(tokens[start : start + length + 1], dtype=np.int64))
        inputs[row, :length] = piece[:-1]
        targets[row, length - scored : length] = piece[length - scored + 1 :]
    return inputs, targets


def bits_per_byte(
    model: nn.Module,
    tokenizer: Bytes,
    tokens: NDArray[Any],
    bounds: Bounds,
    *,
    context: int,
    batch: int = 64,
    pad: int = 0,
    seed: int = 0,
    world: World | None = None,
) -> dict[str, Any]:
    """Bits per byte of documents tokens[bounds[i]:bounds[i + 1]].

    Returns {value, low, high, n (documents), bytes, tokens (predicted)}; the interval resamples documents.
    Raises InputError if there is nothing to predict.
    """
    counted = bytes_predicted(tokens, bounds, tokenizer.byte_lengths)
    if not counted.sum():
        raise InputError("there is no held-out text to predict; give documents of at least two tokens")
    bits = bits_of_documents(model, tokens, bounds, context=context, batch=batch, pad=pad, world=world)
    low, high = bootstrap_ratio(bits, counted, seed=seed)
    predicted = np.maximum(np.diff(np.asarray(bounds, dtype=np.int64)) - 1, 0)
    return {
        "value": float(bits.sum() / counted.sum()),
        "low": low,
        "high": high,
        "n": int((predicted > 0).sum()),
        "bytes": int(counted.sum()),
        "tokens": int(predicted.sum()),
    }
