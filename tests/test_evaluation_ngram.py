from __future__ import annotations

import random
from collections import Counter, defaultdict
from math import log2

import numpy as np
import pytest

from chatwright.errors import ConfigError, InputError
from chatwright.evaluation.ngram import KneserNey, bytes_predicted, ngram_bits_per_byte

PAD = -1


def documents_of(seed: int, vocabulary: int, count: int) -> list[list[int]]:
    """Documents from a small chain, so that n-grams repeat; some are empty or hold one token."""
    rng = random.Random(f"{seed}-documents")
    documents = []
    for _ in range(count):
        document = [0] if rng.random() < 0.9 else []
        for _ in range(rng.randrange(12)):
            step = rng.choice([1, 1, 1, 2, 5]) if document else 0
            document.append(((document[-1] if document else 0) + step) % vocabulary)
        documents.append(document)
    return documents


def packed(documents: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    tokens = np.array([token for document in documents for token in document], dtype=np.uint16)
    return tokens, np.cumsum([0, *map(len, documents)])


class SlowKneserNey:
    """The same model from dictionaries, one n-gram at a time, straight from the formulas of Chen & Goodman."""

    def __init__(self, documents: list[list[int]], order: int, vocabulary: int):
        self.order, self.vocabulary = order, vocabulary
        raw = Counter()
        for document in documents:
            padded = [PAD] * order + document
            for place in range(order + 1, len(padded)):
                raw[tuple(padded[place - order + 1 : place + 1])] += 1
        self.counts = {order: raw}
        for length in range(order - 1, 0, -1):
            neighbours = defaultdict(set)
            for gram in self.counts[length + 1]:
                neighbours[gram[1:]].add(gram[0])
            self.counts[length] = Counter({gram: len(left) for gram, left in neighbours.items()})
        self.discounts = {length: self.discounts_of(counts) for length, counts in self.counts.items()}

    @staticmethod
    def discounts_of(counts: Counter) -> list[float]:
        number = [sum(1 for count in counts.values() if count == wanted) for wanted in range(5)]
        if not (number[1] and number[2] and number[3]):
            return [0, 0.5, 1.0, 1.5]
        y = number[1] / (number[1] + 2 * number[2])
        found = [0.0] + [k - (k + 1) * y * number[k + 1] / number[k] for k in (1, 2, 3)]
        return found if all(0 < found[k] <= k for k in (1, 2, 3)) else [0, 0.5, 1.0, 1.5]

    def probability(self, context: tuple[int, ...], token: int) -> float:
        length = len(context) + 1
        shorter = 1 / self.vocabulary if length == 1 else self.probability(context[1:], token)
        following = {gram: count for gram, count in self.counts[length].items() if gram[:-1] == context}
        total = sum(following.values())
        if not total:
            return shorter
        discount = self.discounts[length]
        count = following.get((*context, token), 0)
        spared = sum(discount[min(number, 3)] for number in following.values())
        return (count - discount[min(count, 3)]) / total + spared / total * shorter


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("vocabulary", [7, 23])
def test_the_fast_counts_give_the_probabilities_of_the_slow_formula(order, vocabulary):
    training, held_out = documents_of(1, vocabulary, 60), documents_of(2, vocabulary, 20)
    fast = KneserNey(order, vocabulary).fit(*packed(training))
    slow = SlowKneserNey(training, order, vocabulary)
    expected = []
    for document in held_out:
        padded = [PAD] * order + document
        for place in range(order + 1, len(padded)):
            expected.append(slow.probability(tuple(padded[place - order + 1 : place]), padded[place]))
    np.testing.assert_allclose(fast.probabilities(*packed(held_out)), expected, rtol=1e-9)
    assert fast.bits(*packed(held_out)) == pytest.approx(-sum(map(log2, expected)), rel=1e-9)


@pytest.mark.parametrize("order", [1, 3, 5])
@pytest.mark.parametrize("beginning", [[0], [0, 1], [0, 1, 2, 3, 4, 5], [6, 6, 6, 6, 6]])
def test_probabilities_of_all_next_tokens_sum_to_one_after_known_and_unknown_contexts(order, beginning):
    model = KneserNey(order, 9).fit(*packed(documents_of(3, 7, 80)))
    last = np.array([model.probabilities(*packed([[*beginning, token]]))[-1] for token in range(9)])
    assert last.sum() == pytest.approx(1, abs=1e-12)
    assert (last > 0).all(), "tokens that training never saw keep some probability"


def test_contexts_do_not_cross_documents():
    model = KneserNey(3, 5).fit(*packed([[0, 1, 2], [0, 3, 4]] * 5))
    apart = model.bits(*packed([[0, 1, 2], [0, 3, 4]]))
    alone = model.bits(*packed([[0, 1, 2]])) + model.bits(*packed([[0, 3, 4]]))
    assert apart == pytest.approx(alone, rel=1e-12)
    assert KneserNey(2, 5).fit(*packed([[0, 1], [2, 3]])).bits(*packed([[1, 2]])) == pytest.approx(
        KneserNey(2, 5).fit(*packed([[0, 1], [2, 3]])).bits(*packed([[4, 2]]))
    ), "1 and 2 stand side by side in the stream, but in different documents"


def test_large_ids_neither_collide_nor_overflow():
    rng = np.random.default_rng(1)
    small = rng.integers(0, 50, size=3000)
    bounds = np.arange(0, 3001, 30)
    spread = np.arange(50) * 1300 + 35  # up to 63,735
    near, far = KneserNey(5, 65_000).fit(small, bounds), KneserNey(5, 65_000).fit(spread[small], bounds)
    np.testing.assert_array_equal(near.probabilities(small, bounds), far.probabilities(spread[small], bounds))


def test_bits_of_documents_add_up_and_bytes_leave_out_the_first_token():
    training, held_out = packed(documents_of(4, 11, 50)), packed([[0, 1, 2], [], [3], [4, 5]])
    model = KneserNey(4, 11).fit(*training)
    each = model.bits_of_documents(*held_out)
    assert each.shape == (4,) and each[1] == each[2] == 0
    assert each.sum() == pytest.approx(model.bits(*held_out))
    byte_lengths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert bytes_predicted(*held_out, byte_lengths).tolist() == [3, 0, 0, 5]
    assert ngram_bits_per_byte(training, held_out, byte_lengths, order=4) == pytest.approx(each.sum() / 8)


def test_a_longer_order_helps_on_text_with_structure_and_beats_the_uniform_guess():
    training, held_out = packed(documents_of(5, 23, 400)), packed(documents_of(6, 23, 50))
    one, three = (KneserNey(order, 23).fit(*training).bits(*held_out) for order in (1, 3))
    uniform = len(KneserNey(1, 23).fit(*training).probabilities(*held_out)) * log2(23)
    assert three < one < uniform


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ConfigError, match="order 6"):
        KneserNey(6)
    with pytest.raises(ConfigError, match="call fit first"):
        KneserNey(2, 5).bits(np.array([0, 1]), [0, 2])
    with pytest.raises(InputError, match="at least one document of two tokens"):
        KneserNey(2).fit(np.array([], dtype=np.uint16), [0])
    with pytest.raises(InputError, match="token id 9"):
        KneserNey(2, 5).fit(np.array([0, 1, 2]), [0, 3]).bits(np.array([0, 9]), [0, 2])
    with pytest.raises(InputError, match="bounds"):
        KneserNey(2, 5).fit(np.array([0, 1, 2]), [0, 4])
