"""Agreement: do people who judge the same answers judge them alike? Without that, no reward model can be right.

In: judgements, several per item.  Out: the share of pairs put in the same order (InstructGPT reports 72.6% and 77.3%
among its labelers), Kendall's tau-b, Krippendorff's alpha; over all, per labeler, and against known answers.
Pure functions: nothing here reads the store.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import isfinite, sqrt
from statistics import mean, median
from typing import Literal

from chatwright.errors import InputError

__all__ = [
    "Agreement",
    "Judgement",
    "LabelerAgreement",
    "Outlier",
    "agreement_of",
    "kendall_tau_b",
    "krippendorff_alpha",
    "much_more",
    "one_sided",
    "outliers",
    "same_order",
]

Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What one person said of one item: a rank per answer (1 is best), or a single number such as a rating."""

    item: Hashable
    labeler: str
    values: tuple[float, ...]
    seconds: float | None = None
    first_shown: int | None = None
    """Place in `values` of the answer that stood first on the page."""
    simulated: bool = False

    def __post_init__(self) -> None:
        if not self.values or not all(isfinite(value) for value in self.values):
            raise InputError(f"a judgement of {self.item} has no numbers, or one that is not finite")


@dataclass(frozen=True, kw_only=True)
class LabelerAgreement:
    """One person against all others who judged the same, and against known answers. None: nothing to compare."""

    labeler: str
    judgements: int
    pairwise: float | None
    pairs: int
    tau: float | None
    gold_pairwise: float | None
    gold_pairs: int
    seconds: float | None
    """Median time on task."""
    first_is_best: float | None
    """Share of rankings in which the answer that was shown first is (among) the best."""
    simulated: bool = False
    """No person judged any of it."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of everybody with everybody."""

    judgements: int
    shared_items: int
    """Items that at least two people judged; only they tell anything."""
    pairwise: float | None
    """Share of pairs of answers that two people put in the same order, among pairs that neither left tied."""
    pairs: int
    tau: float | None
    """Mean of Kendall's tau-b over every two people on every item."""
    alpha: float | None
    """Krippendorff's alpha, ordinal. 1: perfect; 0: as by chance; below about 0.67 conclusions are doubtful."""
    labelers: tuple[LabelerAgreement, ...] = ()


@dataclass(frozen=True)
class Outlier:
    """Somebody whose rows are worth a look before they are trained on, and why."""

    labeler: str
    judgements: int
    reasons: tuple[str, ...] = field(default_factory=tuple)


# -- measures ------------------------------------------------------------------------------------------------------


def same_order(one: Sequence[float], other: Sequence[float]) -> tuple[int, int]:
    """Pairs that two people put in the same order, and pairs that neither of them left tied."""
    same = decided = 0
    for first, second in combinations(range(len(one)), 2):
        product = (one[first] - one[second]) * (other[first] - other[second])
        same += product > 0
        decided += product != 0
    return same, decided


def kendall_tau_b(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Kendall's rank correlation with ties (Kendall 1945), -1 to 1; None if one of the two has all tied."""
    if len(one) != len(other):
        raise InputError(f"rankings of {len(one)} and {len(other)} answers cannot be compared")
    same, decided = same_order(one, other)
    untied = [sum(first != second for first, second in combinations(values, 2)) for values in (one, other)]
    return (2 * same - decided) / sqrt(untied[0] * untied[1]) if all(untied) else None


def krippendorff_alpha(units: Iterable[Sequence[float]], level: Level = "ordinal") -> float | None:
    """Krippendorff's alpha of units, each with the values that people gave it; missing ones are left out.

    1 minus observed by expected disagreement (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"). Units
    with fewer than two values tell nothing. None if no unit is left, or if everybody always gave the same value.
    """
    coincidences: defaultdict[tuple[float, float], float] = defaultdict(float)
    for values in units:
        counts = Counter(values)
        others = len(values) - 1
        if others < 1:
            continue
        for one, many in counts.items():
            for other, more in counts.items():
                coincidences[one, other] += many * (more - (one == other)) / others
    totals: defaultdict[float, float] = defaultdict(float)
    for (one, _), weight in coincidences.items():
        totals[one] += weight
    n = sum(totals.values())
    if n <= 1 or len(totals) < 2:
        return None
    difference = _difference(level, totals)
    observed = sum(weight * difference(one, other) for (one, other), weight in coincidences.items())
    expected = sum(totals[one] * totals[other] * difference(one, other) for one in totals for other in totals)
    return 1 - (n - 1) * observed / expected


def _difference(level: Level, totals: Mapping[float, float]) -> Callable[[float, float], float]:
    """How far apart two values are, squared; ordinal: by how many values lie between them, each end counting half."""
    if level == "nominal":
        return lambda one, other: float(one != other)
    if level == "interval":
        return lambda one, other: (one - other) ** 2
    if level != "ordinal":
        raise InputError(f"the level of measurement is {level!r}; it must be nominal, ordinal or interval")
    middles, below = {}, 0.0
    for value in sorted(totals):
        middles[value] = below + totals[value] / 2
        below += totals[value]
    return lambda one, other: (middles[one] - middles[other]) ** 2


# -- reports -------------------------------------------------------------------------------------------------------


class _Sum:
    """Pairs and taus that are gathered for one person, or for all."""

    def __init__(self) -> None:
        self.same = self.decided = 0
        self.taus: list[float] = []

    def add(self, one: Sequence[float], other: Sequence[float]) -> None:
        same, decided = same_order(one, other)
        self.same += same
        self.decided += decided
        if (tau := kendall_tau_b(one, other)) is not None:
            self.taus.append(tau)

    @property
    def pairwise(self) -> float | None:
        return self.same / self.decided if self.decided else None

    @property
    def tau(self) -> float | None:
        return mean(self.taus) if self.taus else None


def agreement_of(judgements: Sequence[Judgement], gold: Mapping[Hashable, Sequence[float]] | None = None) -> Agreement:
    """Compare everybody with everybody else on the items they share, and with the known answers in `gold`.

    Of several judgements of one person on one item the last counts. Raises InputError if two judgements of one item
    are about different numbers of answers.
    """
    by_item: defaultdict[Hashable, dict[str, Judgement]] = defaultdict(dict)
    for judgement in judgements:
        by_item[judgement.item][judgement.labeler] = judgement
    everybody = _Sum()
    people: defaultdict[str, _Sum] = defaultdict(_Sum)
    golden: defaultdict[str, _Sum] = defaultdict(_Sum)
    units, shared = [], 0
    for item, said in by_item.items():
        if len({len(judgement.values) for judgement in said.values()}) > 1:
            raise InputError(f"item {item} was judged with different numbers of answers")
        shared += len(said) > 1
        units += [list(values) for values in zip(*(judgement.values for judgement in said.values()), strict=True)]
        for one, other in combinations(said.values(), 2):
            for gathered in (everybody, people[one.labeler], people[other.labeler]):
                gathered.add(one.values, other.values)
        for judgement in said.values():
            if gold and item in gold:
                golden[judgement.labeler].add(judgement.values, gold[item])
    own: defaultdict[str, list[Judgement]] = defaultdict(list)
    for said in by_item.values():
        for judgement in said.values():
            own[judgement.labeler].append(judgement)
    return Agreement(
        judgements=sum(map(len, own.values())),
        shared_items=shared,
        pairwise=everybody.pairwise,
        pairs=everybody.decided,
        tau=everybody.tau,
        alpha=krippendorff_alpha(units),
        labelers=tuple(_labeler(name, own[name], people[name], golden[name]) for name in sorted(own)),
    )


def _labeler(name: str, own: Sequence[Judgement], others: _Sum, gold: _Sum) -> LabelerAgreement:
    times = [judgement.seconds for judgement in own if judgement.seconds is not None]
    firsts = [
        judgement.values[judgement.first_shown] == min(judgement.values)
        for judgement in own
        if judgement.first_shown is not None and len(set(judgement.values)) > 1
    ]
    return LabelerAgreement(
        labeler=name,
        judgements=len(own),
        pairwise=others.pairwise,
        pairs=others.decided,
        tau=others.tau,
        gold_pairwise=gold.pairwise,
        gold_pairs=gold.decided,
        seconds=median(times) if times else None,
        first_is_best=mean(firsts) if firsts else None,
        simulated=all(judgement.simulated for judgement in own),
    )


ENOUGH_PAIRS, ENOUGH_JUDGEMENTS = 20, 10
CHANCE, LEAST_GOLD, MUCH_FASTER, MOST_FIRST = 0.5, 0.6, 0.25, 0.8
MANY_ROWS, MUCH_MORE = 50, 5.0
ENOUGH_THUMBS, MUCH_OTHER = 20, 0.5


def outliers(agreement: Agreement) -> list[Outlier]:
    """People whose judgements stand out. They may be right: this says whom to ask, not whom to throw out.

    Reasons: worse than chance against others, little better against known answers, a quarter of the usual time, or
    nearly always the first answer; each only once there is enough to tell.
    """
    times = [labeler.seconds for labeler in agreement.labelers if labeler.seconds is not None]
    usual = median(times) if len(times) >= 3 else None
    found = [Outlier(each.labeler, each.judgements, tuple(_reasons(each, usual))) for each in agreement.labelers]
    return [outlier for outlier in found if outlier.reasons]


def _reasons(labeler: LabelerAgreement, usual: float | None) -> Iterator[str]:
    if labeler.pairwise is not None and labeler.pairs >= ENOUGH_PAIRS and labeler.pairwise < CHANCE:
        yield f"agrees with others on {labeler.pairwise:.0%} of {labeler.pairs} pairs"
    known = labeler.gold_pairwise
    if known is not None and labeler.gold_pairs >= ENOUGH_PAIRS and known < LEAST_GOLD:
        yield f"agrees with known answers on {known:.0%} of {labeler.gold_pairs} pairs"
    if labeler.judgements < ENOUGH_JUDGEMENTS:
        return
    if usual and labeler.seconds is not None and labeler.seconds < MUCH_FASTER * usual:
        yield f"takes {labeler.seconds:.0f} seconds where {usual:.0f} are usual"
    if labeler.first_is_best is not None and labeler.first_is_best > MOST_FIRST:
        yield f"finds the answer shown first best in {labeler.first_is_best:.0%} of rankings"


def much_more(given: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Whoever gave five times as many rows as the others usually did, and why that stands out.

    `given`: rows by person. With fewer than three people nothing is usual.
    """
    for labeler, count in given.items():
        others = [other for name, other in given.items() if name != labeler]
        if len(others) >= 2 and count >= MANY_ROWS and count > MUCH_MORE * median(others):
            yield labeler, f"gave {count} of {sum(given.values())} rows, where {median(others):.0f} are usual"


def one_sided(thumbs: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """Whoever's thumbs point elsewhere than those of the others; `thumbs`: up, and all, by labeler."""
    all_ups, everything = (sum(numbers) for numbers in zip(*thumbs.values(), strict=True)) if thumbs else (0, 0)
    for labeler, (ups, count) in thumbs.items():
        others = everything - count
        if count < ENOUGH_THUMBS or others < ENOUGH_THUMBS:
            continue
        share, usual = ups / count, (all_ups - ups) / others
        if abs(share - usual) > MUCH_OTHER:
            yield labeler, f"gives thumbs up in {share:.0%} of {count}, where others do in {usual:.0%}"
