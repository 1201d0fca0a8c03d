"""Interpolated modified Kneser-Ney n-grams over tokens: the baseline that a neural language model has to beat.

In: one stream of token ids and the bounds of its documents.  Out: bits that other documents cost under the model.

    P_k(w | h) = (c(hw) - D(c(hw))) / c(h) + g(h) P_{k-1}(w | h without its oldest token),   P_0 = 1 / vocabulary

c counts occurrences at the highest order and distinct left neighbours below it; D is one of three discounts per order
(Chen & Goodman 1999, "An empirical study of smoothing techniques for language modeling", equations 26 to 28).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chatwright.errors import ConfigError, InputError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LARGEST_VOCABULARY = 2**20
_NEVER = -1  # the id of an n-gram that training has not seen


@dataclass(frozen=True)
class _Level:
    """All n-grams of one length. The key of an n-gram is (id of its first n - 1 tokens) * (vocabulary + 1) + last.

    Ids are dense ranks, so keys stay exact in 64 bits: nothing is hashed and nothing can collide.
    """

    keys: Ints  # sorted, one per distinct n-gram; the rank is the n-gram's id
    share: Floats  # discounted probability of the last token, 0 where it never was predicted
    left_over: Floats  # per id of the context: what the discounts leave for the next shorter context; 1 if never seen


class KneserNey:
    """An n-gram model of `order` 1 to 5. The first token of every document is given and never predicted.

    `vocabulary` is the number of ids that share the probability; by default the largest id of the training text + 1.
    """

    def __init__(self, order: int = 5, vocabulary: int | None = None):
        if not 1 <= order <= 5:
            raise ConfigError(f"an n-gram of order {order} is not supported; choose 1 to 5")
        if vocabulary is not None and not 1 <= vocabulary <= LARGEST_VOCABULARY:
            raise ConfigError(f"a vocabulary of {vocabulary} ids is not supported; choose 1 to {LARGEST_VOCABULARY}")
        self.order = order
        self.vocabulary = vocabulary or 0
        self._levels: list[_Level] = []

    def fit(self, tokens: NDArray[Any], bounds: Sequence[int] | NDArray[Any]) -> KneserNey:
        """Count the n-grams of documents tokens[bounds[i]:bounds[i + 1]]; raises InputError if nothing is predicted."""
        if not self.vocabulary:
            self.vocabulary = int(tokens.max()) + 1 if len(tokens) else 1
        stream, predicted = self._padded(tokens, bounds)
        if not len(predicted):
            raise InputError("the n-gram baseline needs at least one document of two tokens to count")
        every_key: list[Ints] = []
        every_id: list[Ints] = []
        prefix = np.zeros(len(stream), dtype=np.int64)  # id of the n - 1 tokens before each position
        for _ in range(self.order):
            keys, ids = np.unique(prefix * (self.vocabulary + 1) + stream, return_inverse=True)
            every_key.append(keys)
            every_id.append(ids)
            prefix = np.concatenate([np.zeros(1, dtype=np.int64), ids[:-1]])
        self._levels = []
        for length in range(1, self.order + 1):
            keys, ids = every_key[length - 1], every_id[length - 1]
            if length == self.order:
                counts = np.bincount(ids[predicted], minlength=len(keys))
            else:
                longer = np.full(len(every_key[length]), _NEVER, dtype=np.int64)
                longer[every_id[length][predicted]] = predicted  # one place where each longer n-gram is predicted
                counts = np.bincount(ids[longer[longer != _NEVER]], minlength=len(keys))
            contexts = 1 if length == 1 else len(every_key[length - 2])
            self._levels.append(_level(keys, counts, keys // (self.vocabulary + 1), contexts))
        return self

    def probabilities(self, tokens: NDArray[Any], bounds: Sequence[int] | NDArray[Any]) -> Floats:
        """Probability of every predicted token, in order: all but the first of each document."""
        if not self._levels:
            raise ConfigError("the n-gram baseline has counted nothing yet; call fit first")
        stream, predicted = self._padded(tokens, bounds)
        chance = np.full(len(predicted), 1.0 / self.vocabulary)
        prefix = np.zeros(len(stream), dtype=np.int64)
        for level in self._levels:
            wanted = prefix * (self.vocabulary + 1) + stream
            ids = np.searchsorted(level.keys, wanted)
            ids[ids == len(level.keys)] = 0
            ids[(level.keys[ids] != wanted) | (prefix == _NEVER)] = _NEVER
            here, context = ids[predicted], prefix[predicted]
            share = np.where(here == _NEVER, 0.0, level.share[here])
            chance = share + np.where(context == _NEVER, 1.0, level.left_over[context]) * chance
            prefix = np.concatenate([np.zeros(1, dtype=np.int64), ids[:-1]])
        return chance

    def bits(self, tokens: NDArray[Any], bounds: Sequence[int] | NDArray[Any]) -> float:
        """Bits that all documents cost together."""
        return float(-np.log2(self.probabilities(tokens, bounds)).sum())

    def bits_of_documents(self, tokens: NDArray[Any], bounds: Sequence[int] | NDArray[Any]) -> Floats:
        """Bits that each document costs; 0 for documents of fewer than two tokens."""
        costs = -np.log2(self.probabilities(tokens, bounds))
        predicted = np.maximum(np.diff(np.asarray(bounds, dtype=np.int64)) - 1, 0)
        document = np.repeat(np.arange(len(predicted)), predicted)
        return np.bincount(document, weights=costs, minlength=len(predicted)).astype(np.float64)

    def _padded(self, tokens: NDArray[Any], bounds: Sequence[int] | NDArray[Any]) -> tuple[Ints, Ints]:
        """The stream with room before each document, so that no context crosses a bound; and what is predicted."""
        edges = np.asarray(bounds, dtype=np.int64)
        if edges.ndim != 1 or not len(edges) or (np.diff(edges) < 0).any() or edges[0] < 0 or edges[-1] > len(tokens):
            raise InputError("document bounds must rise from 0 to the number of tokens")
        used = np.asarray(tokens[edges[0] : edges[-1]], dtype=np.int64)
        if len(used) and (used.min() < 0 or used.max() >= self.vocabulary):
            worst = int(used.max() if used.max() >= self.vocabulary else used.min())
            raise InputError(f"token id {worst} lies outside the n-gram's vocabulary of {self.vocabulary} ids")
        room = max(self.order - 2, 1)
        lengths = np.diff(edges)
        document = np.repeat(np.arange(len(lengths)), lengths)
        places = np.arange(len(used)) + (document + 1) * room
        stream = np.full(len(used) + len(lengths) * room, self.vocabulary, dtype=np.int64)
        stream[places] = used
        first = edges[:-1][lengths > 0] - edges[0]
        return stream, np.delete(places, first)


def _level(keys: Ints, counts: Ints, context: Ints, contexts: int) -> _Level:
    discounts = _discounts(counts)
    total = np.bincount(context, weights=counts, minlength=contexts)
    discounted = discounts[np.minimum(counts, 3)]
    spared = np.bincount(context, weights=discounted, minlength=contexts)
    seen = total > 0
    share = (counts - discounted) / np.where(seen, total, 1.0)[context]
    left_over = np.where(seen, spared / np.where(seen, total, 1.0), 1.0)
    return _Level(keys, share, left_over)


def _discounts(counts: Ints) -> Floats:
    """What is taken off counts of 0, 1, 2, and 3 or more."""
    once, twice, thrice, fourfold = (int((counts == number).sum()) for number in (1, 2, 3, 4))
    fallback = np.array([0.0, 0.5, 1.0, 1.5])  # as KenLM: where the text is too small to estimate
    if not (once and twice and thrice):
        return fallback
    ratio = once / (once + 2 * twice)
    found = np.array(
        [0.0, 1 - 2 * ratio * twice / once, 2 - 3 * ratio * thrice / twice, 3 - 4 * ratio * fourfold / thrice]
    )
    return found if (found[1:] > 0).all() and (found[1:] <= np.array([1.0, 2.0, 3.0])).all() else fallback


def ngram_bits_per_byte(
    training: tuple[NDArray[Any], NDArray[Any]],
    held_out: tuple[NDArray[Any], NDArray[Any]],
    byte_lengths: Sequence[int],
    *,
    order: int = 5,
) -> float:
    """Bits per byte on held-out documents of an n-gram counted on the training documents; both are (tokens, bounds).

    `byte_lengths` tells the bytes of each id; bytes of the first token of each document do not count, as in
    `language_model.bits_per_byte`, so that both figures are about the same text.
    """
    model = KneserNey(order, vocabulary=len(byte_lengths)).fit(*training)
    tokens, bounds = held_out
    return model.bits(tokens, bounds) / int(bytes_predicted(tokens, bounds, byte_lengths).sum())


def bytes_predicted(
    tokens: NDArray[Any], bounds: Sequence[int] | NDArray[Any], byte_lengths: Sequence[int]
) -> NDArray[np.int64]:
    """Bytes of each document that a model has to predict: all but those of its first token."""
    edges = np.asarray(bounds, dtype=np.int64)
    lengths = np.asarray(byte_lengths, dtype=np.int64)[np.asarray(tokens, dtype=np.int64)]
    before: Ints = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    counted: Ints = before[edges[1:]] - before[np.minimum(edges[:-1] + 1, edges[1:])]
    return counted
