"""Copies: which documents are the same, or nearly.

In: texts in normal form (see cleaning.normal_form).  Out: a fingerprint each, and the pairs that share most words.

Exact copies have the same BLAKE2 digest. Near copies are found by a bottom-k sketch: of the hashes of all runs of five
words, the 64 smallest are kept; the share of the smallest 64 of two documents together that both have estimates the
share of runs in both (Jaccard similarity; standard error at most 0.06). Source: Broder 1997, "On the resemblance and
containment of documents". All of it is arithmetic on the text: the same texts give the same result on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["digest_of", "near_pairs", "sketch_of"]

Hashes = NDArray[np.uint64]

_SKETCH = 64  # hashes kept per document
_RUN = 5  # words
_CROWDED = 8  # a run of words found in more documents than this says little; it links neighbours only
_FACTOR = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64


def digest_of(normal: str) -> bytes:
    """16 bytes that are equal for equal texts only."""
    return hashlib.blake2b(normal.encode(), digest_size=16).digest()


def sketch_of(normal: str) -> Hashes:
    """The smallest hashes of all runs of five words, sorted; of the whole text if it has fewer words."""
    letters = np.frombuffer(b" " + normal.encode() + b" ", dtype=np.uint8)
    spaces = np.flatnonzero(letters == 0x20)
    run = min(_RUN, len(spaces) - 1)
    powers, inverses = _powers(len(letters))
    # Polynomial hashes of all runs at once: a difference of running sums, shifted back to the start of the text.
    sums = np.cumsum((letters.astype(np.uint64) + np.uint64(1)) * powers[: len(letters)], dtype=np.uint64)
    starts, ends = spaces[:-run], spaces[run:]
    hashes = _mixed((sums[ends] - sums[starts]) * inverses[starts])
    if len(hashes) > 4 * _SKETCH:  # mostly the smallest 128 hold 64 different ones, and need not sort the others
        smallest = np.unique(np.partition(hashes, 2 * _SKETCH)[: 2 * _SKETCH])
        if len(smallest) >= _SKETCH:
            return smallest[:_SKETCH]
    return np.unique(hashes)[:_SKETCH]


def near_pairs(sketches: Sequence[Hashes], *, at_least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs `(earlier, later, similarity)` of documents whose similarity is `at_least` that, in ascending order."""
    for earlier, later in _candidates(sketches, at_least):
        similarity = _similarity(sketches[earlier], sketches[later])
        if similarity >= at_least:
            yield earlier, later, similarity


def _similarity(one: Hashes, other: Hashes) -> float:
    together = np.union1d(one, other)[:_SKETCH]
    shared = np.intersect1d(np.intersect1d(one, other, assume_unique=True), together, assume_unique=True)
    return len(shared) / len(together)


def _candidates(sketches: Sequence[Hashes], at_least: float) -> Iterator[tuple[int, int]]:
    """Pairs that share enough hashes to be worth a comparison."""
    if len(sketches) < 2:
        return
    owners = np.repeat(np.arange(len(sketches), dtype=np.int64), [len(sketch) for sketch in sketches])
    hashes = np.concatenate(sketches)
    order = np.lexsort((owners, hashes))
    owners, hashes = owners[order], hashes[order]
    pairs: list[NDArray[np.int64]] = []
    for distance in range(1, _CROWDED):
        same = np.flatnonzero(hashes[distance:] == hashes[:-distance])
        pairs.append(owners[same] * len(sketches) + owners[same + distance])
    codes, counts = np.unique(np.concatenate(pairs), return_counts=True)
    sizes = np.asarray([len(sketch) for sketch in sketches])
    smaller = np.minimum(sizes[codes // len(sketches)], sizes[codes % len(sketches)])
    likely = codes[counts >= 0.5 * at_least * smaller]
    for code in likely.tolist():
        yield divmod(code, len(sketches))


def _mixed(hashes: Hashes) -> Hashes:
    """Spread hashes evenly (the finaliser of splitmix64), since the smallest must be a fair choice."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = hashes ^ (hashes >> np.uint64(31))
    return mixed


_TABLES: list[NDArray[Any]] = [np.ones(1, np.uint64), np.ones(1, np.uint64)]


def _powers(length: int) -> list[Hashes]:
    """Powers of the factor and of its inverse modulo 2**64, at least `length` of each; grown once and kept."""
    if len(_TABLES[0]) < length:
        for place, factor in enumerate((_FACTOR, pow(_FACTOR, -1, 1 << 64))):
            steps = np.full(max(length, 2 * len(_TABLES[0])), factor, dtype=np.uint64)
            steps[0] = 1
            _TABLES[place] = np.cumprod(steps, dtype=np.uint64)
    return _TABLES
