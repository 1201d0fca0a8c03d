from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatwright.errors import InputError
from chatwright.feedback.agreement import (
    Judgement,
    agreement_of,
    kendall_tau_b,
    krippendorff_alpha,
    outliers,
    same_order,
)

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, missing values.
OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
UNITS = [[float(row[place]) for row in OBSERVERS if row[place] != "."] for place in range(12)]


@pytest.mark.parametrize("level, published", [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_what_krippendorff_published(level, published):
    assert krippendorff_alpha(UNITS, level) == pytest.approx(published, abs=0.0005)


def test_alpha_of_two_observers_without_gaps_is_what_krippendorff_published():
    # The same paper, examples A (two values) and B (five names).
    meg, owen = "0100000000", "1110010100"
    binary = [(float(one), float(other)) for one, other in zip(meg, owen, strict=True)]
    assert krippendorff_alpha(binary, "nominal") == pytest.approx(0.095, abs=0.0005)
    ben, gerry = "aabbdcccedda", "babbbccceddd"
    names = [("abcde".index(one), "abcde".index(other)) for one, other in zip(ben, gerry, strict=True)]
    assert krippendorff_alpha(names, "nominal") == pytest.approx(0.692, abs=0.0005)


def test_alpha_is_one_when_all_agree_and_nothing_when_there_is_nothing_to_compare():
    assert krippendorff_alpha([(1, 1), (2, 2, 2), (3,)]) == 1
    assert krippendorff_alpha([(1, 1), (1, 1)]) is None
    assert krippendorff_alpha([(1,), (2,), ()]) is None
    assert krippendorff_alpha([(1, 2), (2, 1)]) < 0
    with pytest.raises(InputError, match="nominal, ordinal or interval"):
        krippendorff_alpha([(1, 2)], "ratio")


@pytest.mark.parametrize(
    "one, other, expected",  # as scipy.stats.kendalltau (variant "b") has them
    [
        ((1, 2, 3, 4), (1, 2, 3, 4), 1.0),
        ((1, 2, 3, 4), (4, 3, 2, 1), -1.0),
        ((12, 2, 1, 12, 2), (1, 4, 7, 1, 0), -0.4714045207910316),
        ((1, 1, 2, 3), (1, 2, 2, 4), 0.8),
        ((1, 2, 3, 4, 5), (3, 1, 2, 5, 4), 0.4),
        ((2, 2, 2), (1, 2, 3), None),
    ],
)
def test_tau_is_what_others_compute(one, other, expected):
    assert kendall_tau_b(one, other) == (None if expected is None else pytest.approx(expected))


@given(some.lists(some.tuples(some.integers(1, 5), some.integers(1, 5)), min_size=2, max_size=9))
def test_tau_is_the_same_both_ways_and_turns_with_the_order(values):
    one, other = zip(*values, strict=True)
    tau = kendall_tau_b(one, other)
    assert kendall_tau_b(other, one) == tau
    turned = kendall_tau_b([-value for value in one], other)
    assert turned is None if tau is None else turned == pytest.approx(-tau) and -1 <= tau <= 1 + 1e-12


def test_pairs_that_somebody_left_tied_do_not_count():
    assert same_order((1, 2, 3), (1, 2, 3)) == (3, 3)
    assert same_order((1, 2, 3), (3, 2, 1)) == (0, 3)
    assert same_order((1, 1, 2), (1, 2, 3)) == (2, 2)
    with pytest.raises(InputError):
        kendall_tau_b((1, 2), (1, 2, 3))


def test_agreement_over_all_per_labeler_and_against_gold():
    said = {"ada": (1, 2, 3, 4), "bob": (1, 2, 4, 3), "cem": (4, 3, 2, 1)}
    judgements = [
        Judgement(item="t1", labeler=name, values=values, seconds=seconds, first_shown=0)
        for (name, values), seconds in zip(said.items(), (30, 40, 2), strict=True)
    ]
    judgements.append(Judgement(item="t2", labeler="ada", values=(1, 2)))
    found = agreement_of(judgements, {"t1": (1, 2, 3, 4)})
    assert (found.judgements, found.shared_items, found.pairs) == (4, 1, 18)
    assert found.pairwise == pytest.approx((5 + 0 + 1) / 18)
    assert found.tau == pytest.approx(((5 - 1) / 6 - 1 + (1 - 5) / 6) / 3)
    ada, bob, cem = found.labelers
    assert (ada.pairwise, bob.pairwise, cem.pairwise) == pytest.approx((5 / 12, 6 / 12, 1 / 12))
    assert (ada.gold_pairwise, bob.gold_pairwise, cem.gold_pairwise) == pytest.approx((1, 5 / 6, 0))
    assert (ada.judgements, ada.first_is_best, cem.first_is_best, cem.seconds) == (2, 1.0, 0.0, 2)


def test_the_last_judgement_of_a_person_on_an_item_counts():
    told = [("ada", (1, 2)), ("bob", (2, 1)), ("ada", (2, 1))]
    judgements = [Judgement(item=1, labeler=name, values=values) for name, values in told]
    found = agreement_of(judgements)
    assert (found.judgements, found.pairwise, found.pairs) == (2, 1.0, 1)
    assert agreement_of([]).pairwise is None
    with pytest.raises(InputError, match="different numbers of answers"):
        agreement_of([*judgements, Judgement(item=1, labeler="cem", values=(1, 2, 3))])


def test_who_guesses_hurries_or_takes_the_first_stands_out_and_others_do_not():
    judgements = []
    for item in range(12):
        right = (1, 2, 3, 4)
        for name in ("ada", "bob", "cem"):
            judgements.append(Judgement(item=item, labeler=name, values=right, seconds=40, first_shown=item % 4))
        judgements.append(Judgement(item=item, labeler="eve", values=right[::-1], seconds=3, first_shown=3))
    (eve,) = outliers(agreement_of(judgements, {item: (1, 2, 3, 4) for item in range(12)}))
    assert (eve.labeler, eve.judgements, len(eve.reasons)) == ("eve", 12, 4)
    assert eve.reasons[0] == "agrees with others on 0% of 216 pairs"
    assert outliers(agreement_of(judgements[:4])) == [], "too little to tell"
