from __future__ import annotations

from math import nan

import numpy as np
import pytest

from chatwright.errors import InputError
from chatwright.evaluation.intervals import (
    Figure,
    at_chance,
    bootstrap_mean,
    bootstrap_ratio,
    proportion,
    wilson,
)


def test_wilson_gives_the_values_of_the_textbook():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(29, 29) == pytest.approx((0.8830, 1.0), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_answers_that_repeat_within_clusters_count_once_in_the_interval():
    outcomes = [bool(index % 3) for index in range(60)]
    clusters = list(range(60))
    alone, doubled = proportion(outcomes, clusters), proportion(outcomes * 4, clusters * 4)
    assert doubled.value == alone.value and doubled.n == 240
    assert doubled.high - doubled.low == pytest.approx(alone.high - alone.low, rel=0.02)
    naive = proportion(outcomes * 4)
    assert naive.high - naive.low < 0.6 * (doubled.high - doubled.low)


def test_clusters_without_common_fate_leave_the_interval_nearly_as_it_is():
    rng = np.random.default_rng(3)
    outcomes = (rng.random(3000) < 0.4).tolist()
    clustered, plain = proportion(outcomes, [index // 3 for index in range(3000)]), proportion(outcomes)
    assert clustered.high - clustered.low == pytest.approx(plain.high - plain.low, rel=0.1)


def test_a_perfect_share_still_has_an_interval_and_counts_clusters_once():
    assert proportion([True] * 40, ["one fact"] * 40).low < 0.25
    assert proportion([True] * 40).low > 0.9
    assert proportion([True] * 40).high == 1.0


def test_bootstrap_intervals_cover_the_truth_about_nineteen_times_of_twenty():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(100):
        effects = rng.normal(size=50)
        values = (effects[:, None] + 0.3 * rng.normal(size=(50, 4))).ravel()
        figure = bootstrap_mean(values, [index // 4 for index in range(200)], seed=trial)
        covered += figure.low <= 0 <= figure.high
    assert 86 <= covered <= 100


def test_bootstrap_is_the_same_every_time_and_depends_on_its_seed():
    values = np.random.default_rng(2).normal(size=80)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_bootstrap_of_ratios_keeps_top_and_bottom_together():
    assert bootstrap_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]) == (2.0, 2.0)


def test_values_that_are_not_numbers_are_refused_and_nothing_is_no_figure():
    with pytest.raises(InputError, match="not finite"):
        bootstrap_mean([1.0, nan])
    with pytest.raises(InputError, match="clusters"):
        proportion([True, False], ["one"])
    assert proportion([]).value is None and proportion([]).reason


def test_figures_say_whether_they_are_at_chance():
    figure = Figure(0.6, 0.45, 0.75, 30)
    assert at_chance(figure, 0.5) and not at_chance(figure, 0.4)
    assert figure.against(0.5).as_dict() == {
        "value": 0.6, "low": 0.45, "high": 0.75, "n": 30, "baseline": 0.5, "at_chance": True,
    }  # fmt: skip
    assert Figure.absent("no judge").as_dict() == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
        "reason": "no judge",
    }
    assert at_chance({"value": None, "low": None, "high": None}, 0.5)
