from __future__ import annotations

from math import nan

import pytest

from chatwright.errors import InputError
from chatwright.evaluation.preference import outcomes_of, win_rate, win_rate_of


def test_ties_count_half_and_untied_pairs_are_told_apart():
    rate = win_rate([3, 2, 1, 1], [1, 1, 1, 2], "abcd")
    assert (rate.value, rate.n, rate.ties, rate.untied) == (0.625, 4, 1, 3)
    assert rate.untied_value == pytest.approx(2 / 3)


def test_a_broken_score_is_counted_apart_and_never_as_a_tie_or_a_loss():
    rate = win_rate([1.0, nan, 2.0], [0.0, 0.0, nan], ["a", "b", "c"])
    assert (rate.value, rate.n, rate.invalid, rate.ties, rate.untied) == (1.0, 1, 2, 0, 1)
    nothing = win_rate([nan], [nan], ["a"])
    assert nothing.value is None and nothing.invalid == 1 and nothing.as_dict()["reason"]


def test_swapping_the_models_mirrors_the_win_rate():
    a, b = [1, 5, 2, 2, 7, 1, 0], [2, 1, 2, 3, 1, 0, 0]
    there, back = win_rate(a, b, range(7)), win_rate(b, a, range(7))
    assert there.value == pytest.approx(1 - back.value)
    assert there.untied_value == pytest.approx(1 - back.untied_value)
    assert there.low == pytest.approx(1 - back.high)


def test_many_answers_about_one_fact_widen_the_interval():
    won = [1.0, 0.0] * 50
    apart = win_rate_of(won, range(100))
    together = win_rate_of(sorted(won), [index // 10 for index in range(100)])
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert together.clusters == 10


def test_equal_models_are_at_chance_and_better_ones_are_not():
    assert win_rate_of([1.0, 0.0] * 50, range(100)).as_dict()["at_chance"] is True
    assert win_rate_of([1.0] * 90 + [0.0] * 10, range(100)).as_dict()["at_chance"] is False


def test_scores_within_the_tolerance_are_ties_and_infinite_scores_compare():
    assert outcomes_of([1.0, 1.0, float("inf")], [1.0 + 1e-12, 1.1, float("inf")]) == [0.5, 0.0, 0.5]


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(InputError, match="cannot be compared"):
        win_rate([1.0], [1.0, 2.0], ["a"])
    with pytest.raises(InputError, match="clusters"):
        win_rate_of([1.0], [])
