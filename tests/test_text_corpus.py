"""Copies, relatives, parts and order of a corpus."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from chatwright.errors import ConfigError, InputError
from chatwright.text.cleaning import normal_form
from chatwright.text.corpus import Corpus
from chatwright.text.documents import Source
from chatwright.text.duplicates import near_pairs, sketch_of
from chatwright.text.token_files import PARTS

WORDS = [
    f"{first}{second}" for first in ("ba", "fo", "ki", "lu", "me", "so") for second in ("x", "na", "ri", "to", "ppel")
]


def tale(seed, words=200):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words)) + "."


def edited(text, every, seed="edit"):
    rng = random.Random(seed)
    return " ".join("EDIT" if rng.random() < 1 / every else word for word in text.split(" "))


def runs_of(text):
    words = normal_form(text).split()
    return {tuple(words[place : place + 5]) for place in range(max(1, len(words) - 4))}


def write(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return Source(path=str(path))


def corpus_of(tmp_path, *sources, near=0.8, validation=0.1, test=0.1, seed=1, **reading):
    corpus = Corpus(tmp_path, **reading)
    with corpus:
        for source in sources:
            corpus.read(source)
        corpus.drop_copies(near)
        corpus.deal(validation=validation, test=test, seed=seed)
        return corpus, {part: list(corpus.texts(corpus.order(part, seed=seed))) for part in PARTS}


@given(some.lists(some.sampled_from("ab ü\n"), max_size=300).map("".join), some.integers(2, 30))
@settings(deadline=None)
def test_sketches_of_short_texts_are_the_same_for_equal_and_estimate_exactly_for_small_ones(text, every):
    normal = normal_form(text)
    assert np.array_equal(sketch_of(normal), sketch_of(normal))
    assert len(sketch_of(normal)) == min(64, len(runs_of(text) or {()}))


@pytest.mark.parametrize("every", [3, 10, 20, 40, 100, 400])
def test_estimated_similarity_is_near_the_exact_share_of_runs(every):
    errors = []
    for seed in range(12):
        text = tale(seed, 600)
        other = edited(text, every, seed)
        one, two = runs_of(text), runs_of(other)
        exact = len(one & two) / len(one | two)
        found = list(near_pairs([sketch_of(normal_form(t)) for t in (text, tale("other", 600), other)], at_least=0.01))
        errors.append((found[0][2] if found else 0.0) - exact)
        assert all(pair[:2] == (0, 2) for pair in found)
    assert abs(sum(errors) / len(errors)) < 0.06
    assert max(map(abs, errors)) < 0.25


def test_copies_and_near_copies_are_dropped_and_the_first_is_kept(tmp_path):
    tales = [tale(n) for n in range(30)]
    copies = [tales[3].upper().replace(" ", "\n"), tales[4]]
    near = edited(tales[5], 100)
    apart = edited(tales[6], 4)
    corpus, parts = corpus_of(tmp_path, write(tmp_path / "a.jsonl", [*tales, *copies, near, apart]))
    kept = [text for texts in parts.values() for text in texts]
    assert sorted(kept) == sorted([*tales, apart])
    assert corpus.dropped == {"too_short": 0, "copies": 2, "near_copies": 1}
    _, parts = corpus_of(tmp_path, write(tmp_path / "a.jsonl", [*tales, *copies, near]), near=2)
    assert near in [text for texts in parts.values() for text in texts]


def test_short_documents_are_dropped_and_counted(tmp_path):
    texts = [tale(n) for n in range(9)]
    corpus, parts = corpus_of(tmp_path, write(tmp_path / "a.jsonl", ["short", *texts]), minimum=10)
    assert corpus.dropped["too_short"] == 1
    assert sorted(text for texts in parts.values() for text in texts) == sorted(texts)
    with pytest.raises(InputError, match="lower `minimum`"):
        corpus_of(tmp_path, write(tmp_path / "a.jsonl", ["short"]), minimum=10)


@pytest.mark.parametrize("seed", range(5))
def test_no_text_nor_relative_is_in_two_parts_wherever_it_stands(tmp_path, seed):
    tales = [tale(n) for n in range(60)]
    relatives = {n: edited(tales[n], 15) for n in range(0, 60, 3)}  # share more than half of their runs
    everything = [*tales, *relatives.values(), *tales[:10]]
    _, parts = corpus_of(tmp_path, write(tmp_path / "a.jsonl", everything), near=0.9, seed=seed)
    part_of = {text: part for part, texts in parts.items() for text in texts}
    assert sum(map(len, parts.values())) == len(part_of)  # nothing twice
    assert all(part_of[tales[n]] == part_of[other] for n, other in relatives.items() if other in part_of)
    assert sum(other in part_of for other in relatives.values()) > 10
    random.Random(seed).shuffle(everything)
    _, shuffled = corpus_of(tmp_path, write(tmp_path / "b.jsonl", everything), near=2, seed=seed)
    _, straight = corpus_of(tmp_path, write(tmp_path / "b.jsonl", sorted(everything)), near=2, seed=seed)
    assert {part: sorted(texts) for part, texts in shuffled.items()} == {p: sorted(t) for p, t in straight.items()}


def test_parts_have_about_the_share_asked_and_other_seeds_deal_otherwise(tmp_path):
    source = write(tmp_path / "a.jsonl", [tale(n, 20) for n in range(1000)])
    _, parts = corpus_of(tmp_path, source, validation=0.1, test=0.2)
    assert 70 < len(parts["validation"]) < 130
    assert 160 < len(parts["test"]) < 240
    _, again = corpus_of(tmp_path, source, validation=0.1, test=0.2)
    _, other = corpus_of(tmp_path, source, validation=0.1, test=0.2, seed=2)
    assert parts == again
    assert set(parts["test"]) != set(other["test"])


def test_small_corpora_still_get_every_part_and_too_small_ones_are_refused(tmp_path):
    source = write(tmp_path / "a.jsonl", [tale(n) for n in range(3)])
    _, parts = corpus_of(tmp_path, source, validation=0.01, test=0.01)
    assert [len(parts[part]) for part in PARTS] == [1, 1, 1]
    one = write(tmp_path / "b.jsonl", [tale(1)])
    with pytest.raises(InputError, match="give more text, a smaller section, or validation = 0 and test = 0"):
        corpus_of(tmp_path, one)
    _, parts = corpus_of(tmp_path, one, validation=0, test=0)
    assert [len(parts[part]) for part in PARTS] == [1, 0, 0]
    with pytest.raises(ConfigError, match="together less than 1"):
        corpus_of(tmp_path, one, validation=0.5, test=0.5)


def test_one_huge_document_never_becomes_the_test_part(tmp_path):
    for seed in range(20):
        texts = [tale("huge", 3000), *(tale(n, 20) for n in range(30))]
        _, parts = corpus_of(tmp_path, write(tmp_path / "a.jsonl", texts), seed=seed)
        assert texts[0] in parts["train"]


def book(seed):
    return "\n\n\n\n".join(f"Chapter {n} of {seed}\n\n{tale(f'{seed}-{n}', 100)}" for n in range(6))


def test_sections_of_a_book_stay_together_where_there_are_books_enough(tmp_path):
    for count, together in ((25, True), (5, False)):
        folder = tmp_path / str(count)
        folder.mkdir()
        for n in range(count):
            (folder / f"{n}.txt").write_text(book(n))
        corpus, parts = corpus_of(tmp_path, Source(path=str(folder)), section=1000, validation=0.2, test=0.2)
        books = {part: {text.split("\n")[0].rpartition(" ")[2] for text in texts} for part, texts in parts.items()}
        shared = (books["train"] & books["test"]) | (books["train"] & books["validation"])
        assert (not shared) == together
        assert sum(map(len, parts.values())) == 6 * count


def test_weights_repeat_training_documents_only(tmp_path):
    thrice, half = ([tale(f"{name}{n}", 20) for n in range(count)] for name, count in (("a", 100), ("b", 400)))
    one, two = write(tmp_path / "a.jsonl", thrice), write(tmp_path / "b.jsonl", half)
    sources = (Source(path=one.path, weight=3), Source(path=two.path, weight=0.5))
    _, parts = corpus_of(tmp_path, *sources)
    _, plain = corpus_of(tmp_path, one, two)
    assert parts["test"] == plain["test"]
    assert parts["validation"] == plain["validation"]
    counts = [parts["train"].count(text) for text in plain["train"]]
    assert all(count == 3 for text, count in zip(plain["train"], counts, strict=True) if text in thrice)
    halves = [count for text, count in zip(plain["train"], counts, strict=True) if text in half]
    assert set(halves) == {0, 1}
    assert 0.4 < sum(halves) / len(halves) < 0.6


def test_train_is_shuffled_and_every_stretch_is_a_sample_of_the_mixture(tmp_path):
    one, two = ([tale(f"{name}{n}", 20) for n in range(200)] for name in "ab")
    _, parts = corpus_of(tmp_path, write(tmp_path / "a.jsonl", one), write(tmp_path / "b.jsonl", two))
    beginning = parts["train"][: len(parts["train"]) // 4]
    assert 0.35 < sum(text in one for text in beginning) / len(beginning) < 0.65
    _, other = corpus_of(tmp_path, write(tmp_path / "a.jsonl", one), write(tmp_path / "b.jsonl", two), seed=2)
    assert [t for t in other["train"] if t in parts["train"]] != [t for t in parts["train"] if t in other["train"]]


def test_texts_are_cleaned_before_they_are_compared(tmp_path):
    tales = [tale(n) for n in range(12)]
    (tmp_path / "a.txt").write_bytes(
        "<|endoftext|>".join([*tales, "\ufeff" + tales[0].replace(" ", " \r\n", 3)]).encode()
    )
    corpus, parts = corpus_of(tmp_path, Source(path=str(tmp_path / "a.txt")))
    assert corpus.dropped["copies"] == 1
    assert not any("\r" in text or "\ufeff" in text for texts in parts.values() for text in texts)


def test_limits_and_batches_give_the_same_texts(tmp_path):
    with Corpus(tmp_path) as corpus:
        corpus.read(write(tmp_path / "a.jsonl", [tale(n, 20) for n in range(50)]))
        corpus.drop_copies()
        corpus.deal(validation=0, test=0, seed=1)
        order = corpus.order("train", seed=1)
        assert [text for _, texts in corpus.batches(order) for text in texts] == list(corpus.texts(order))
        assert 1 < len(list(corpus.texts(order, limit=500))) < 10
