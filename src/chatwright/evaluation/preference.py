"""Win rates: how often answers of one model are preferred to those of another.

In: scores of both answers to the same prompts.  Out: a WinRate.
Ties count half. A score that is NaN is a broken measurement: such comparisons are counted apart, never as ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, log, nan
from typing import Any

from chatwright.errors import InputError
from chatwright.evaluation.intervals import Figure, at_chance, bootstrap_mean

EVEN = 0.5  # the win rate of two equal models


@dataclass(frozen=True)
class WinRate:
    """`value` counts ties half; `untied_value` is the share won among the comparisons that are not ties."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    untied: int
    untied_value: float | None
    untied_low: float | None
    untied_high: float | None
    ties: int
    invalid: int
    clusters: int

    def as_dict(self) -> dict[str, Any]:
        described: dict[str, Any] = dict(self.__dict__)
        if self.value is not None:
            overall = Figure(self.value, self.low, self.high, self.n)
            described |= {"baseline": EVEN, "at_chance": at_chance(overall, EVEN)}
        else:
            described["reason"] = "no valid comparison"
        return described


def win_rate(
    scores_a: Sequence[float],
    scores_b: Sequence[float],
    clusters: Sequence[object],
    *,
    tolerance: float = 1e-9,
    seed: int = 0,
) -> WinRate:
    """How often a scores above b; each score belongs to one answer alone, so no side can be favoured by order.

    Scores closer than `tolerance` are ties. Intervals resample the clusters.
    """
    return win_rate_of(outcomes_of(scores_a, scores_b, tolerance=tolerance), clusters, seed=seed)


def outcomes_of(scores_a: Sequence[float], scores_b: Sequence[float], *, tolerance: float = 1e-9) -> list[float]:
    """1 where a is better, 0 where b is, 0.5 for ties, NaN where a score is NaN."""
    if len(scores_a) != len(scores_b):
        raise InputError(f"{len(scores_a)} scores cannot be compared with {len(scores_b)}; give two for each prompt")
    return [_outcome(a, b, tolerance) for a, b in zip(scores_a, scores_b, strict=True)]


def _outcome(a: float, b: float, tolerance: float) -> float:
    if isnan(a) or isnan(b):
        return nan
    return 0.5 if a == b or abs(a - b) <= tolerance else float(a > b)


def win_rate_of(outcomes: Sequence[float], clusters: Sequence[object], *, seed: int = 0) -> WinRate:
    """Win rate of outcomes 1 (won), 0 (lost), 0.5 (tie) and NaN (invalid); one cluster for each outcome."""
    if len(outcomes) != len(clusters):
        raise InputError(f"{len(outcomes)} comparisons came with {len(clusters)} clusters; give one for each")
    valid = [(outcome, cluster) for outcome, cluster in zip(outcomes, clusters, strict=True) if not isnan(outcome)]
    untied = [(outcome, cluster) for outcome, cluster in valid if outcome != EVEN]
    overall = bootstrap_mean([outcome for outcome, _ in valid], [cluster for _, cluster in valid], seed=seed)
    decided = bootstrap_mean([outcome for outcome, _ in untied], [cluster for _, cluster in untied], seed=seed)
    return WinRate(
        value=overall.value,
        low=overall.low,
        high=overall.high,
        n=len(valid),
        untied=len(untied),
        untied_value=decided.value,
        untied_low=decided.low,
        untied_high=decided.high,
        ties=len(valid) - len(untied),
        invalid=len(outcomes) - len(valid),
        clusters=len({cluster for _, cluster in valid}),
    )


def best_of_n_at(kl: float, *, most: int = 64) -> int:
    """The n >= 2 for which choosing the best of n answers moves as far as `kl`: log n - (n - 1) / n is nearest to it.

    Nats per answer; exact for continuous rewards, else an upper bound (Beirami et al. 2024, arXiv 2401.01879).
    """
    return min(range(2, max(2, most) + 1), key=lambda n: (abs(log(n) - (n - 1) / n - kl), n))
