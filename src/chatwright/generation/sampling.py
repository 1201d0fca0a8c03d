"""How the next token is chosen: temperature, top-k, top-p, min-p, and a random number for every row and place.

The random number of a row's n-th token is a function of (the row's seed, n): which rows run beside it, and when,
cannot change what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chatwright.errors import InputError

__all__ = ["Choice", "Sampling", "choose", "pick", "seeds_of", "uniform"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Settings of one request. Penalties come first, then the bias, the temperature, and what narrows the choice."""

    temperature: float = 0.7
    """0 takes the likeliest token; 1 samples from the model's own distribution."""
    top_k: int = 0
    """Choose among the k likeliest tokens; 0 among all."""
    top_p: float = 1.0
    """Choose among the likeliest tokens that together have this probability."""
    min_p: float = 0.0
    """Choose among the tokens that have at least this share of the likeliest one's probability."""
    presence_penalty: float = 0.0
    """Taken off the logit of every token that the answer already holds."""
    frequency_penalty: float = 0.0
    """Taken off once for every time that the answer holds it."""
    repetition_penalty: float = 1.0
    """Logits of tokens in prompt or answer are divided by it where positive, else multiplied (Keskar et al. 2019)."""
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Added to the logits of these tokens."""
    max_tokens: int = 64
    """0 says nothing: a request may want its prompt's log-probabilities only."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise InputError(f"temperature is {self.temperature}; it must lie between 0 and 100")
        if self.top_k < 0:
            raise InputError(f"top_k is {self.top_k}; it must be 0 (all) or more")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p is {self.top_p}; it must lie in (0, 1]")
        if not 0 <= self.min_p <= 1:
            raise InputError(f"min_p is {self.min_p}; it must lie between 0 and 1")
        for name in ("presence_penalty", "frequency_penalty"):
            if not -100 <= getattr(self, name) <= 100:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie between -100 and 100")
        if not 0 < self.repetition_penalty <= 100:
            raise InputError(f"repetition_penalty is {self.repetition_penalty}; it must lie in (0, 100]")
        for token, bias in self.logit_bias:
            if token < 0 or not -1000 <= bias <= 1000:
                raise InputError(f"logit_bias gives token {token} {bias}; tokens start at 0, a bias is at most 1000")
        if self.max_tokens < 0:
            raise InputError(f"max_tokens is {self.max_tokens}; it must not be negative")

    @property
    def is_adjusted(self) -> bool:
        """Whether penalties or a bias change the logits."""
        return bool(self.presence_penalty or self.frequency_penalty or self.repetition_penalty != 1 or self.logit_bias)

    @property
    def is_narrowed(self) -> bool:
        """Whether some tokens are left out of the choice."""
        return bool(self.temperature and (self.top_k or self.top_p < 1 or self.min_p))


def seeds_of(seed: int, count: int, *, start: int = 0) -> list[int]:
    """Seeds of `count` rows, numbered from `start`: far apart for neighbouring numbers."""
    numbers = np.arange(count, dtype=np.uint64) + np.uint64(start % 2**64)
    own = _mixed(np.full(count, seed % 2**64, dtype=np.uint64))
    return [int(value) >> 1 for value in _mixed(own + numbers)]


def uniform(seeds: np.ndarray, places: np.ndarray) -> Tensor:
    """One number in [0, 1) for each (seed, place), float64 [B]; a counter-based generator (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = _mixed(_mixed(seeds.astype(np.uint64)) + places.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return torch.from_numpy((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def pick(logits: Tensor, sampling: Sampling | Sequence[Sampling], random: Tensor) -> tuple[Tensor, Tensor]:
    """Choose a token for every row of `logits` [B, V] with `random` [B] in [0, 1); settings for all rows, or for each.

    Returns tokens [B] and their log-probabilities float32 [B] under softmax(logits / temperature), before the choice
    is narrowed; at temperature 0 under softmax(logits).
    """
    rows = [sampling] * len(logits) if isinstance(sampling, Sampling) else sampling
    choice = choose(logits, rows, random)
    return choice.tokens, choice.logps(choice.tokens[:, None]).squeeze(1)


@dataclass(frozen=True)
class Choice:
    """Tokens [B], and what is needed for the log-probability of any token."""

    tokens: Tensor
    scaled: Tensor
    """Logits over temperature, float32 [B, V]."""
    total: Tensor
    """Their log-sum-exp, float32 [B, 1]."""

    def logps(self, tokens: Tensor) -> Tensor:
        """Log-probabilities float32 [B, N] of tokens [B, N]."""
        return self.scaled.gather(1, tokens) - self.total


def choose(logits: Tensor, rows: Sequence[Sampling], random: Tensor) -> Choice:
    """Like `pick`, but tells more. Passes over [B, V] are spared: with 50,000 tokens each costs a layer's time."""
    temperatures = [own.temperature for own in rows]
    scaled = logits.float()
    if any(own not in (0, 1) for own in temperatures):
        scaled = scaled / _column([own or 1.0 for own in temperatures], logits)
    # One fused pass gives all chances; the likeliest one, which is at least 1 / V, tells what they were divided by.
    chances = torch.softmax(scaled, dim=-1)
    if 0 in temperatures:
        best = _best(scaled)[:, None]
        total = scaled.gather(1, best) - chances.gather(1, best).log()
    else:
        best, total = None, scaled.amax(dim=-1, keepdim=True) - chances.amax(dim=-1, keepdim=True).log()
    if best is not None and not any(temperatures):
        return Choice(best.squeeze(1), scaled, total)
    narrowed = [place for place, own in enumerate(rows) if own.is_narrowed]
    if len(narrowed) == len(rows):
        chances = _narrowed(chances, rows)
    elif narrowed:
        index = torch.tensor(narrowed, device=logits.device)
        chances[index] = _narrowed(chances[index], [rows[place] for place in narrowed])
    tokens = _at(chances, random)
    if best is not None:
        greedy = torch.tensor([own == 0 for own in temperatures], device=logits.device)
        tokens = torch.where(greedy, best.squeeze(1), tokens)
    return Choice(tokens, scaled, total)


STRIP = 256
"""Tokens whose chances are summed before any is looked at singly: a cumulative sum in float64 over all is slow."""


def _at(chances: Tensor, random: Tensor) -> Tensor:
    """The token [B] at which the cumulative sum of `chances` [B, V] passes the share `random` [B] of their sum.

    Everything after the sums is a few hundred numbers a row: NumPy, because starting operations is what takes time.
    """
    count, size = chances.shape
    rows, whole = np.arange(count), size // STRIP * STRIP
    sums = [chances[:, :whole].view(count, -1, STRIP).sum(dim=-1)] if whole else []
    sums += [chances[:, whole:].sum(dim=-1, keepdim=True)] if whole < size else []
    edges = (sums[0] if len(sums) == 1 else torch.cat(sums, dim=1)).cpu().numpy().cumsum(axis=1, dtype=np.float64)
    total = edges[:, -1]
    aims = np.minimum(random.numpy() * total, np.nextafter(total, 0))[:, None]
    strip = (edges <= aims).sum(axis=1)
    before = np.where(strip > 0, edges[rows, strip - 1], 0.0)[:, None]
    places = strip[:, None] * STRIP + np.arange(STRIP)
    index = torch.from_numpy(places.clip(max=size - 1)).to(chances.device)
    inside = chances.gather(1, index).cpu().numpy() * (places < size)
    place = (before + inside.cumsum(axis=1, dtype=np.float64) <= aims).sum(axis=1)
    # Rounding may leave the aim just beyond its strip: then the last token there that can be.
    last = STRIP - 1 - (inside[:, ::-1] > 0).argmax(axis=1)
    return torch.from_numpy((strip * STRIP + np.minimum(place, last)).clip(max=size - 1)).to(chances.device)


def _best(scaled: Tensor) -> Tensor:
    """The likeliest token of each row of `scaled` [B, V], LongTensor [B]."""
    if scaled.device.type != "cpu":
        return scaled.argmax(dim=-1)
    return torch.from_numpy(scaled.numpy().argmax(axis=1))  # ten times as fast as PyTorch's


FEW = 256
"""Likeliest tokens among which the edge of a narrowed choice is looked for first: sorting a vocabulary is slow."""


def _narrowed(chances: Tensor, rows: Sequence[Sampling]) -> Tensor:
    """The same chances [B, V] with those outside top-k, top-p and min-p set to 0; the likeliest token always stays.

    Tokens exactly as likely as the last that stays do too.
    """
    size = chances.shape[1]
    few = max(own.top_k for own in rows) if all(own.top_k for own in rows) else FEW
    while True:
        few = size if 4 * few > size else few
        ordered = chances.sort(dim=-1, descending=True).values if few == size else chances.topk(few, dim=-1).values
        kept = _kept(ordered, chances, rows)
        if few == size or not any(own.top_k < 1 or own.top_k > few for own in rows) or not bool(kept[:, -1].any()):
            break
        few *= 16  # some row's edge may lie further on
    least = ordered.gather(1, kept.sum(dim=-1, keepdim=True) - 1)
    return chances.masked_fill(chances < least, 0)


def _kept(ordered: Tensor, chances: Tensor, rows: Sequence[Sampling]) -> Tensor:
    """Which of the greatest chances [B, N] may be chosen, bool; they are the first of every row."""
    size = chances.shape[1]
    counts = _column([min(own.top_k or size, size) for own in rows], chances)
    kept = torch.arange(ordered.shape[1], device=chances.device) < counts
    if any(own.top_p < 1 for own in rows):
        shares = _column([own.top_p for own in rows], chances)
        # Top-p is of what top-k has left; without it the whole counts, though only the greatest stand here.
        left = (ordered * kept).sum(dim=-1, keepdim=True)
        whole = torch.where(counts < size, left, chances.sum(dim=-1, keepdim=True))
        before = ordered.cumsum(dim=-1) - ordered
        kept &= (before < shares * whole) | (shares >= 1)
    if any(own.min_p for own in rows):
        kept &= ordered >= _column([own.min_p for own in rows], chances) * ordered[:, :1]
    kept[:, 0] = True
    return kept


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None]
