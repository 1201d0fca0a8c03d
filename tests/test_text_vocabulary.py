"""What is in a tokenizer: types, scores, merges, and how a token came to be."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from chatwright.text.published import read_tokenizer
from chatwright.text.tokenizer import Tokenizer
from chatwright.text.vocabulary import describe, merge_path
from published_tokenizers import STYLES, TEXTS, folder_of
from tiny import tokenizer as own_tokenizer


@cache
def of_style(style: str) -> Tokenizer:
    return read_tokenizer(folder_of(style))


@pytest.mark.parametrize(
    ("style", "kind", "cut", "space", "opened"),
    [
        ("chatml", "byte-level bpe", "gpt-2", False, False),
        ("llama3", "byte-level bpe", "llama-bpe", False, False),
        ("llama2", "sentencepiece bpe", "default", True, True),
        ("mistral", "sentencepiece bpe", "default", True, True),
    ],
)
def test_the_facts_of_each_style(style, kind, cut, space, opened):
    facts = describe(of_style(style))
    assert (facts.kind, facts.pre_tokenizer, facts.adds_space, facts.adds_begin) == (kind, cut, space, opened)
    assert len(facts.tokens) == len(facts.types) == len(facts.scores) == of_style(style).size
    controls = {facts.tokens[number] for number, found in enumerate(facts.types) if found == "control"}
    assert controls == set(STYLES[style][1])


def test_bytes_unknown_and_thoughts_have_their_types():
    facts, tokenizer = describe(of_style("llama2")), of_style("llama2")
    assert facts.types.count("byte") == 256 and facts.types[tokenizer.controls.unknown] == "unknown"
    assert facts.types.count("unknown") == 1
    thinking = of_style("thinking")
    assert describe(thinking).types[thinking.control("</think>")] == "user"


def test_our_own_facts():
    facts = describe(own_tokenizer())
    assert (facts.kind, facts.pre_tokenizer, facts.adds_begin, facts.adds_space) == (
        "byte-level bpe",
        None,
        True,
        False,
    )
    assert facts.types[:6] == ("control",) * 6 and set(facts.types[6:]) == {"normal"}


@pytest.mark.parametrize("style", ["chatml", "llama2"])
def test_scores_fall_in_the_order_of_merges(style):
    facts = describe(of_style(style))
    number_of = {token: number for number, token in enumerate(facts.tokens)}
    made = [facts.scores[number_of[left + right]] for left, right in facts.merges]
    assert made == sorted(made, reverse=True) and max(made) < 0
    assert {facts.scores[number] for number, found in enumerate(facts.types) if found == "control"} == {0.0}


@pytest.mark.parametrize("style", ["chatml", "llama2", "own"])
def test_the_merges_of_a_token_build_it_from_single_letters(style):
    tokenizer = own_tokenizer() if style == "own" else of_style(style)
    paths = {number: merge_path(tokenizer, number) for number in range(tokenizer.size)}
    for number, path in paths.items():
        if path:
            assert b"".join(path[-1]) == tokenizer.pieces[number]
            known = set()
            for left, right in path:
                for part in (left, right):
                    assert part in known or len(part.decode("utf-8", "replace")) == 1
                known.add(left + right)
    made = {token for token, (left, right) in _made(tokenizer)}
    assert {number for number, path in paths.items() if path} == made
    assert all(not paths[number] for number in tokenizer.control_ids)


def _made(tokenizer):
    number_of = {token: number for number, token in enumerate(tokenizer.tokens)}
    for left, right in describe(tokenizer).merges:
        yield number_of[left + right], (left, right)


@pytest.mark.parametrize("style", ["chatml", "llama2", "llama2-first", "own"])
@given(text=some.sampled_from(TEXTS[:3]) | some.text(max_size=12))
@settings(deadline=None, max_examples=40)
def test_spans_are_the_tokens_with_their_places(style, text):
    tokenizer = own_tokenizer() if style == "own" else of_style(style)
    spans = tokenizer.spans(text)
    assert [span.id for span in spans] == tokenizer.encode(text)
    assert tokenizer.joined([span.id for span in spans]) == b"".join(span.bytes for span in spans)
    assert all(0 <= span.start <= span.end <= len(text) for span in spans)
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert covered >= {place for place, letter in enumerate(text) if not letter.isspace()}
