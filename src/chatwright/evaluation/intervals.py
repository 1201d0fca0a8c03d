"""Figures with intervals: no quality is reported without its n, its 95% interval and the baseline it has to beat.

In: one number per answer, and the cluster (person, fact, prompt) each belongs to.  Out: a Figure.
Answers about one fact stand or fall together, so clusters are resampled, never single answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chatwright.errors import InputError

Z95 = 1.959963984540054  # 97.5% quantile of the normal distribution
RESAMPLES = 2000
_MOST_DRAWS = 4_000_000  # indices held in memory at a time


@dataclass(frozen=True)
class Figure:
    """A value with its 95% interval and the number of observations; or no value, and the reason why.

    `baseline` is what guessing, a simpler method or the earlier stage reaches.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    baseline: float | None = None
    reason: str = ""

    @classmethod
    def absent(cls, reason: str) -> Figure:
        return cls(None, None, None, 0, reason=reason)

    def against(self, baseline: float | None) -> Figure:
        return replace(self, baseline=baseline)

    def as_dict(self) -> dict[str, Any]:
        """JSON for receipts: with `at_chance` where a baseline is known, with `reason` where there is no value."""
        described: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high, "n": self.n}
        if self.baseline is not None:
            described |= {"baseline": self.baseline, "at_chance": at_chance(self, self.baseline)}
        if self.reason:
            described["reason"] = self.reason
        return described


def at_chance(figure: Figure | Mapping[str, Any], baseline: float) -> bool:
    """Whether the interval holds the baseline. A figure without a value shows nothing, so it is at chance."""
    low, high = (figure.low, figure.high) if isinstance(figure, Figure) else (figure.get("low"), figure.get("high"))
    return low is None or high is None or low <= baseline <= high


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson's 95% interval of a proportion (Wilson 1927): inside 0 to 1 and not empty at 0 or 1.

    Both may be fractions, as effective sample sizes are; n = 0 tells nothing: (0, 1).
    """
    if n <= 0:
        return 0.0, 1.0
    share = successes / n
    middle = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def proportion(successes: Sequence[bool | float], clusters: Sequence[object] | None = None) -> Figure:
    """Share of successes with Wilson's interval; with clusters, n in the interval is the effective sample size.

    The effective size is n over the design effect: how much larger the variance of the share is than that of n
    independent answers (Kish 1965); it is never taken larger than n. Where all answers agree, clusters count once each.
    """
    values = _finite(successes)
    if not len(values):
        return Figure.absent("no observations")
    share, size = float(values.mean()), float(len(values))
    if clusters is not None:
        sums, counts = _by_cluster(values, clusters)
        groups = len(sums)
        if 0 < share < 1 and groups > 1:
            variance = float(((sums - share * counts) ** 2).sum()) * groups / (groups - 1) / len(values) ** 2
            size = min(size, share * (1 - share) / variance) if variance > 0 else size
        else:
            size = float(groups)
    low, high = wilson(share * size, size)
    return Figure(share, low, high, len(values))


def bootstrap_mean(values: Sequence[float], clusters: Sequence[object] | None = None, *, seed: int = 0) -> Figure:
    """Mean with the percentile interval of 2000 resamples of the clusters (Efron 1979); deterministic.

    Raises InputError for values that are not finite: a broken score is not a low score.
    """
    numbers = _finite(values)
    if not len(numbers):
        return Figure.absent("no observations")
    sums, counts = _by_cluster(numbers, clusters) if clusters is not None else (numbers, np.ones(len(numbers)))
    low, high = bootstrap_ratio(sums, counts, seed=seed)
    return Figure(float(numbers.mean()), low, high, len(numbers))


def bootstrap_ratio(
    above: Sequence[float] | NDArray[Any], below: Sequence[float] | NDArray[Any], *, seed: int = 0
) -> tuple[float, float]:
    """95% percentile interval of sum(above) / sum(below), both given per cluster, when clusters are resampled."""
    top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    rng = np.random.default_rng(seed)
    size = max(1, _MOST_DRAWS // max(1, len(top)))
    found = []
    for start in range(0, RESAMPLES, size):
        drawn = rng.integers(0, len(top), size=(min(size, RESAMPLES - start), len(top)))
        weights = bottom[drawn].sum(axis=1)
        found.append(top[drawn].sum(axis=1) / np.where(weights > 0, weights, np.nan))
    resampled = np.concatenate(found)
    resampled = resampled[np.isfinite(resampled)]
    if not len(resampled):
        return float("nan"), float("nan")
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def _finite(values: Sequence[bool | float]) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        wrong = int((~np.isfinite(numbers)).sum())
        raise InputError(f"{wrong} of {len(numbers)} values to average are not finite; count invalid scores apart")
    return numbers


def _by_cluster(
    values: NDArray[np.float64], clusters: Sequence[object]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the values of each cluster, in order of first appearance."""
    if len(clusters) != len(values):
        raise InputError(f"{len(values)} values came with {len(clusters)} clusters; give one cluster for each value")
    ranks: dict[object, int] = {}
    ids = [ranks.setdefault(cluster, len(ranks)) for cluster in clusters]
    return np.bincount(ids, weights=values).astype(np.float64), np.bincount(ids).astype(np.float64)


def is_number(value: object) -> bool:
    """Whether a value from a JSON file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
