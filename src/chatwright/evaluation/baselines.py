"""How good a reward model is, and what simpler methods reach on the same pairs.

In: pairs of answers to one prompt, the preferred one first, with the scores of a reward model.
Out: accuracies with intervals over prompts, calibration, and accuracies of length and of a bag of words.
A pair in which scores are equal counts half; a NaN score is invalid and counted apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, log1p
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chatwright.errors import InputError
from chatwright.evaluation.intervals import Figure, bootstrap_mean, proportion
from chatwright.evaluation.preference import EVEN, outcomes_of

Floats = NDArray[np.float64]

LENGTH_EDGES = (-10, -3, 0, 3, 10)  # differences in words between the preferred and the other answer


class Pair(NamedTuple):
    """Two answers to one prompt, of which `better` was preferred; text baselines need no scores."""

    prompt_id: str
    better: str
    worse: str
    score_better: float = 0.0
    score_worse: float = 0.0


def accuracy(pairs: Sequence[Pair], *, seed: int = 0) -> Figure:
    """Share of pairs whose preferred answer scores higher, with a bootstrap interval over prompts."""
    return _accuracy_of(pairs, [pair.score_better for pair in pairs], [pair.score_worse for pair in pairs], seed)


def invalid_count(pairs: Iterable[Pair]) -> int:
    """Pairs that `accuracy` leaves out because a score is NaN."""
    return sum(isnan(pair.score_better) or isnan(pair.score_worse) for pair in pairs)


def _accuracy_of(pairs: Sequence[Pair], better: Sequence[float], worse: Sequence[float], seed: int = 0) -> Figure:
    outcomes = outcomes_of(better, worse)
    valid = [(outcome, pair.prompt_id) for outcome, pair in zip(outcomes, pairs, strict=True) if not isnan(outcome)]
    if not valid:
        return Figure.absent("no pairs with valid scores")
    figure = bootstrap_mean([outcome for outcome, _ in valid], [prompt for _, prompt in valid], seed=seed)
    if figure.low == figure.high:  # all pairs alike: resampling cannot show any doubt, so take Wilson's interval
        figure = proportion([outcome for outcome, _ in valid], [prompt for _, prompt in valid])
    return figure.against(EVEN)


def words_in(text: str) -> int:
    return len(text.split())


def longer_wins(pairs: Sequence[Pair]) -> Figure:
    """Accuracy of always preferring the answer with more characters."""
    return _accuracy_of(pairs, [len(pair.better) for pair in pairs], [len(pair.worse) for pair in pairs])


def shorter_wins(pairs: Sequence[Pair]) -> Figure:
    """Accuracy of always preferring the answer with fewer characters."""
    return _accuracy_of(pairs, [-len(pair.better) for pair in pairs], [-len(pair.worse) for pair in pairs])


def features_of(text: str) -> dict[str, float]:
    """log(1 + count) of the words and marks of a text in lower case, and of its length in words."""
    found = {word: log1p(count) for word, count in Counter(re.findall(r"\w+|[^\w\s]", text.lower())).items()}
    return found | {"<length>": log1p(words_in(text))}


class BagOfWords:
    """Bradley-Terry on words: P(a preferred to b) = sigmoid(w . (features(a) - features(b))), with an L2 penalty.

    Minimises mean loss + l2 / 2 |w|^2 by Nesterov's accelerated gradient; deterministic. It knows no prompt and no
    order of words: what it reaches can be had without reading.
    """

    def __init__(self, *, l2: float = 1e-3, steps: int = 400, rarest: int = 2):
        self.l2, self.steps, self.rarest = l2, steps, rarest
        self.weights: dict[str, float] = {}

    def fit(self, pairs: Sequence[Pair]) -> BagOfWords:
        """Learn from the order of the answers; words seen in fewer than `rarest` pairs are left out."""
        if not pairs:
            raise InputError("the bag-of-words baseline needs at least one pair to learn from")
        differences = [_difference(pair) for pair in pairs]
        seen = Counter(word for difference in differences for word in difference)
        columns = {word: place for place, word in enumerate(sorted(w for w, n in seen.items() if n >= self.rarest))}
        if not columns:
            return self
        matrix = _Sparse(differences, columns)
        # The loss bends at most by its largest curvature: a quarter of the top eigenvalue of the features' square.
        pace = 1 / (matrix.largest_eigenvalue() / 4 + self.l2)
        weights = ahead = np.zeros(len(columns))
        for step in range(self.steps):
            gradient = self.l2 * ahead - matrix.back(_sigmoid(-matrix.times(ahead))) / len(pairs)
            following = ahead - pace * gradient
            ahead = following + step / (step + 3) * (following - weights)
            weights = following
        self.weights = {word: float(weights[place]) for word, place in columns.items()}
        return self

    def score(self, text: str) -> float:
        return sum(self.weights.get(word, 0.0) * value for word, value in features_of(text).items())

    def accuracy(self, pairs: Sequence[Pair]) -> Figure:
        """Share of pairs that it orders as their labels do."""
        better, worse = [self.score(pair.better) for pair in pairs], [self.score(pair.worse) for pair in pairs]
        return _accuracy_of(pairs, better, worse)


class _Sparse:
    """Rows of {word: value} as three arrays; enough linear algebra for logistic regression."""

    def __init__(self, rows: Sequence[Mapping[str, float]], columns: Mapping[str, int]):
        cells = [
            (r, columns[word], value) for r, row in enumerate(rows) for word, value in row.items() if word in columns
        ]
        self.rows = np.array([row for row, _, _ in cells], dtype=np.int64)
        self.columns = np.array([column for _, column, _ in cells], dtype=np.int64)
        self.values = np.array([value for _, _, value in cells])
        self.height, self.width = len(rows), len(columns)

    def times(self, weights: Floats) -> Floats:
        cells = self.values * weights[self.columns]
        return np.bincount(self.rows, weights=cells, minlength=self.height).astype(np.float64)

    def back(self, errors: Floats) -> Floats:
        cells = self.values * errors[self.rows]
        return np.bincount(self.columns, weights=cells, minlength=self.width).astype(np.float64)

    def largest_eigenvalue(self) -> float:
        """Of its square over its height, by power iteration and with a margin, so that steps never overshoot."""
        vector = np.ones(self.width)
        size = 0.0
        for _ in range(50):
            vector = self.back(self.times(vector)) / self.height
            size = float(np.linalg.norm(vector))
            if size == 0:
                return 0.0
            vector = vector / size
        return 1.1 * size


def _difference(pair: Pair) -> dict[str, float]:
    better, worse = features_of(pair.better), features_of(pair.worse)
    words = sorted(better.keys() | worse.keys())
    found = {word: better.get(word, 0.0) - worse.get(word, 0.0) for word in words}
    return {word: value for word, value in found.items() if value}


def _sigmoid(values: Floats) -> Floats:
    calm = np.exp(-np.abs(values))  # never overflows
    found: Floats = np.where(values >= 0, 1 / (1 + calm), calm / (1 + calm))
    return found


@dataclass(frozen=True)
class Calibration:
    """How sure the model is of its preferences against how often it is right, in bins of equal width from 0.5 to 1.

    Each bin holds the mean predicted probability, the observed share and n; `error` is their mean gap (ECE).
    """

    bins: list[dict[str, float | int]]
    error: float | None
    n: int

    def as_dict(self) -> dict[str, Any]:
        return {"bins": self.bins, "expected_calibration_error": self.error, "n": self.n}


def calibration(pairs: Sequence[Pair], *, bins: int = 10) -> Calibration:
    """Compare sigmoid(|difference of scores|) with the share of pairs ordered rightly, as Bradley-Terry promises."""
    differences = np.array([pair.score_better - pair.score_worse for pair in pairs], dtype=np.float64)
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        return Calibration([], None, 0)
    sure = _sigmoid(np.abs(differences))
    right = np.where(differences == 0, EVEN, differences > 0)
    place = np.minimum(((sure - 0.5) * 2 * bins).astype(np.int64), bins - 1)
    found: list[dict[str, float | int]] = []
    for number in range(bins):
        inside = place == number
        if inside.any():
            predicted, observed = float(sure[inside].mean()), float(right[inside].mean())
            found.append({"predicted": predicted, "observed": observed, "n": int(inside.sum())})
    gaps = sum(abs(entry["predicted"] - entry["observed"]) * entry["n"] for entry in found)
    return Calibration(found, float(gaps / len(differences)), len(differences))


def by_length_difference(pairs: Sequence[Pair], *, edges: Sequence[int] = LENGTH_EDGES) -> list[dict[str, Any]]:
    """Accuracy where the preferred answer is shorter or longer, by difference in words: "from" <= d < "to".

    A model that only counts words is right at one end and wrong at the other.
    """
    limits: list[int | None] = [None, *edges, None]
    found = []
    for low, high in zip(limits, limits[1:], strict=False):
        inside = [
            pair
            for pair in pairs
            if (low is None or words_in(pair.better) - words_in(pair.worse) >= low)
            and (high is None or words_in(pair.better) - words_in(pair.worse) < high)
        ]
        found.append({"from": low, "to": high, **accuracy(inside).as_dict()})
    return found


def noise_ceiling(pairs: Sequence[Pair], gold_better: Sequence[float], gold_worse: Sequence[float]) -> Figure:
    """Accuracy that the true scores reach on the labels, gold ties left out: more is luck or a leak."""
    kept = [triple for triple in zip(pairs, gold_better, gold_worse, strict=True) if triple[1] != triple[2]]
    return _accuracy_of([pair for pair, _, _ in kept], [a for _, a, _ in kept], [b for _, _, b in kept])


def reward_report(
    held_out: Sequence[Pair], training: Sequence[Pair], *, gold: Sequence[tuple[float, float]] | None = None
) -> dict[str, Any]:
    """Everything that is told about a reward model: accuracy, its baselines on the same pairs, calibration, lengths.

    `gold`, one (better, worse) for each held-out pair as labelled, adds accuracy against the true order (gold ties
    left out) and the noise ceiling. `baselines.best` is what the reward model has to beat to have learned to read.
    """
    longer, shorter = longer_wins(held_out), shorter_wins(held_out)
    words = BagOfWords().fit(training).accuracy(held_out) if training else Figure.absent("no training pairs")
    reached = [figure.value for figure in (longer, shorter, words) if figure.value is not None]
    best = max([EVEN, *reached])
    report: dict[str, Any] = {
        "accuracy": accuracy(held_out).against(EVEN).as_dict(),
        "pairs": len(held_out),
        "prompts": len({pair.prompt_id for pair in held_out}),
        "invalid": invalid_count(held_out),
        "baselines": {
            "longer_wins": longer.as_dict(),
            "shorter_wins": shorter.as_dict(),
            "bag_of_words": words.as_dict(),
            "best": best,
        },
        "calibration": calibration(held_out).as_dict(),
        "by_length_difference": by_length_difference(held_out),
    }
    if gold is not None:
        report["gold_accuracy"] = _gold_accuracy(held_out, gold).as_dict()
        report["noise_ceiling"] = noise_ceiling(held_out, [a for a, _ in gold], [b for _, b in gold]).as_dict()
    return report


def _gold_accuracy(pairs: Sequence[Pair], gold: Sequence[tuple[float, float]]) -> Figure:
    """Share of pairs that the model orders as the true scores do, whatever the labels say."""
    turned = [
        pair if better > worse else Pair(pair.prompt_id, pair.worse, pair.better, pair.score_worse, pair.score_better)
        for pair, (better, worse) in zip(pairs, gold, strict=True)
        if better != worse
    ]
    return accuracy(turned)
