from __future__ import annotations

import random
from math import exp, nan

import numpy as np
import pytest

from chatwright.errors import InputError
from chatwright.evaluation.baselines import (
    BagOfWords,
    Pair,
    accuracy,
    by_length_difference,
    calibration,
    longer_wins,
    noise_ceiling,
    reward_report,
    shorter_wins,
)


def pairs_about(seed: int, count: int) -> list[Pair]:
    """Polite answers are preferred to rude ones; names and lengths say nothing."""
    rng = random.Random(f"{seed}-pairs")
    pairs = []
    for number in range(count):
        name, tail = rng.choice(["Ida", "Linus", "Greta"]), " and so on" * rng.randrange(4)
        other = " and so on" * rng.randrange(4)
        better, worse = f"Gladly, {name} lives here{tail}.", f"Go away, {name} lives here{other}."
        score = rng.gauss(1, 1)
        pairs.append(Pair(f"prompt {number // 4}", better, worse, score, 0.0))
    return pairs


def test_accuracy_counts_ties_half_and_leaves_out_broken_scores():
    pairs = [Pair("a", "", "", 1, 0), Pair("b", "", "", 0, 0), Pair("c", "", "", 0, 1), Pair("d", "", "", nan, 0)]
    figure = accuracy(pairs)
    assert (figure.value, figure.n, figure.baseline) == (0.5, 3, 0.5)
    assert accuracy([]).value is None


def test_a_perfect_accuracy_on_few_prompts_keeps_an_interval():
    figure = accuracy([Pair(f"prompt {number % 5}", "", "", 1, 0) for number in range(50)])
    assert figure.value == 1 and figure.low < 0.6


def test_length_baselines_mirror_each_other():
    pairs = [Pair("a", "long one", "ab"), Pair("b", "xyz", "a"), Pair("c", "a", "abcde"), Pair("d", "ab", "cd")]
    assert longer_wins(pairs).value == 0.625 and shorter_wins(pairs).value == 0.375


def test_a_bag_of_words_learns_polite_words_and_nothing_from_shuffled_labels():
    held_out = pairs_about(2, 200)
    assert BagOfWords().fit(pairs_about(1, 200)).accuracy(held_out).low > 0.9
    rng = random.Random("shuffle")
    shuffled = [pair if rng.random() < 0.5 else Pair(pair[0], pair[2], pair[1]) for pair in pairs_about(1, 800)]
    noise = [pair if rng.random() < 0.5 else Pair(pair[0], pair[2], pair[1]) for pair in held_out]
    assert abs(BagOfWords().fit(shuffled).accuracy(noise).value - 0.5) < 0.12


def test_a_bag_of_words_reaches_the_minimum_of_its_loss():
    pairs = pairs_about(3, 40) + [Pair(p[0], p[2], p[1]) for p in pairs_about(4, 12)]
    model = BagOfWords(l2=0.05, steps=2000).fit(pairs)
    words = sorted(model.weights)

    def loss(weights: dict[str, float]) -> float:
        other = BagOfWords()
        other.weights = weights
        gaps = np.array([other.score(pair.better) - other.score(pair.worse) for pair in pairs])
        return float(np.log1p(np.exp(-gaps)).mean() + 0.025 * sum(weight**2 for weight in weights.values()))

    best = loss(model.weights)
    for word in words:
        for step in (-0.01, 0.01):
            assert loss({**model.weights, word: model.weights[word] + step}) > best


def test_a_bag_of_words_needs_pairs_and_gives_half_where_it_knows_no_word():
    with pytest.raises(InputError, match="at least one pair"):
        BagOfWords().fit([])
    strange = [Pair("a", "x", "y"), Pair("b", "z", "q")]
    assert BagOfWords().fit([Pair("c", "one", "two")]).accuracy(strange).value == 0.5


def test_a_calibrated_model_has_a_small_error_and_an_overconfident_one_a_large_one():
    rng = random.Random("calibration")
    honest, loud = [], []
    for number in range(4000):
        gap = rng.uniform(0, 3)
        right = rng.random() < 1 / (1 + exp(-gap))
        honest.append(Pair(str(number), "", "", gap if right else -gap))
        loud.append(Pair(str(number), "", "", 5 * (gap if right else -gap)))
    assert calibration(honest).error < 0.03 < 0.1 < calibration(loud).error
    described = calibration(honest).as_dict()
    assert sum(entry["n"] for entry in described["bins"]) == described["n"] == 4000
    assert calibration([]).error is None


def test_buckets_of_length_hold_every_pair_once_and_unmask_a_counter_of_words():
    pairs = [Pair(str(n), "w " * (1 + n % 30), "w " * (1 + (n * 7) % 30)) for n in range(300)]
    scored = [pair._replace(score_better=len(pair.better), score_worse=len(pair.worse)) for pair in pairs]
    buckets = by_length_difference(scored)
    assert sum(bucket["n"] for bucket in buckets) == 300
    assert buckets[0]["value"] == 0 and buckets[0]["from"] is None
    assert buckets[-1]["value"] == 1 and buckets[-1]["to"] is None


def test_the_noise_ceiling_is_the_share_of_labels_that_tell_the_truth():
    pairs = [Pair(str(number), "", "") for number in range(10)]
    figure = noise_ceiling(pairs, [1.0] * 8 + [0.0, 1.0], [0.0] * 8 + [1.0, 1.0])
    assert figure.value == pytest.approx(8 / 9) and figure.n == 9


def test_the_report_of_a_reward_model_sets_it_beside_what_needs_no_model():
    held_out = [pair._replace(score_better=1.0) for pair in pairs_about(5, 40)]
    gold = [(1.0, 0.0)] * 30 + [(0.0, 1.0)] * 10
    report = reward_report(held_out, pairs_about(6, 200), gold=gold)
    assert report["accuracy"]["value"] == 1 and report["accuracy"]["at_chance"] is False
    assert report["gold_accuracy"]["value"] == 0.75 == report["noise_ceiling"]["value"]
    assert report["baselines"]["best"] >= report["baselines"]["bag_of_words"]["value"] > 0.9
    assert report["prompts"] == 10 and report["pairs"] == 40 and report["invalid"] == 0
