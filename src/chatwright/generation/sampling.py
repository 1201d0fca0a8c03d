"""How the next token is chosen: temperature, top-k, top-p, and a random number of its own for every row and place.

The random number of a row's n-th token is a function of (the row's seed, n): which rows run beside it, and when,
cannot change what it says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chatwright.errors import InputError

__all__ = ["Sampling", "pick", "seeds_of", "uniform"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Settings of one request."""

    temperature: float = 0.7
    """0 takes the likeliest token; 1 samples from the model's own distribution."""
    top_k: int = 0
    """Choose among the k likeliest tokens; 0 among all."""
    top_p: float = 1.0
    """Choose among the likeliest tokens that together have this probability."""
    max_tokens: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise InputError(f"temperature is {self.temperature}; it must lie between 0 and 100")
        if self.top_k < 0:
            raise InputError(f"top_k is {self.top_k}; it must be 0 (all) or more")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p is {self.top_p}; it must lie in (0, 1]")
        if self.max_tokens < 1:
            raise InputError(f"max_tokens is {self.max_tokens}; it must be at least 1")


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


def pick(logits: Tensor, sampling: Sampling, random: Tensor) -> tuple[Tensor, Tensor]:
    """Choose a token for every row of `logits` [B, V] with `random` [B] in [0, 1).

    Returns tokens [B] and their log-probabilities float32 [B] under softmax(logits / temperature), before top-k and
    top-p; at temperature 0 under softmax(logits).
    """
    if sampling.temperature == 0:
        logps = torch.log_softmax(logits.float(), dim=-1)
        best = logits.argmax(dim=-1)
        return best, logps.gather(1, best[:, None]).squeeze(1)
    logps = torch.log_softmax(logits.float() / sampling.temperature, dim=-1)
    chances = logps.exp()
    if sampling.top_k or sampling.top_p < 1:
        chances = _narrowed(chances, sampling)
    edges = chances.double().cumsum(dim=-1)
    aims = random.to(edges.device)[:, None] * edges[:, -1:]
    tokens = torch.searchsorted(edges, aims, right=True).squeeze(1).clamp_(max=logits.shape[-1] - 1)
    return tokens, logps.gather(1, tokens[:, None]).squeeze(1)


def _narrowed(chances: Tensor, sampling: Sampling) -> Tensor:
    """The same chances with those outside top-k and top-p set to 0; the likeliest token always stays."""
    ordered, places = chances.sort(dim=-1, descending=True, stable=True)
    if sampling.top_k:
        ordered[:, sampling.top_k :] = 0
    if sampling.top_p < 1:
        before = ordered.cumsum(dim=-1) - ordered
        ordered = ordered.masked_fill(before >= sampling.top_p * ordered.sum(dim=-1, keepdim=True), 0)
    return torch.zeros_like(chances).scatter_(1, places, ordered)
