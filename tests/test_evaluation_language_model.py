from __future__ import annotations

from math import log2

import numpy as np
import pytest
import torch
from torch import nn

from chatwright.errors import InputError, TrainingError
from chatwright.evaluation.language_model import bits_of_documents, bits_per_byte, windows_of


class Bigram(nn.Module):
    """Predicts from the last token only, so that windows cannot change its bits."""

    def __init__(self, vocabulary: int = 9):
        super().__init__()
        torch.manual_seed(1)
        self.table = nn.Parameter(torch.randn(vocabulary, vocabulary))

    def forward(self, tokens, state=None, *, documents=None):
        return self.table[tokens], state


class Counting(nn.Module):
    """Sure of token 1 once it has seen `needed` tokens, else undecided between two."""

    def __init__(self, needed: int):
        super().__init__()
        self.needed, self.weight = needed, nn.Parameter(torch.zeros(1))

    def forward(self, tokens, state=None, *, documents=None):
        logits = torch.full((*tokens.shape, 2), 0.0)
        logits[:, self.needed - 1 :, 1] = 100.0
        return logits, state


class Tokenizer:
    byte_lengths = [0, 1, 2, 3, 1, 1, 1, 1, 1]


def stream(*lengths: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.integers(1, 9, size=sum(lengths)).astype(np.uint16), np.cumsum([0, *lengths])


@pytest.mark.parametrize("context", [1, 2, 3, 4, 5, 8, 100])
@pytest.mark.parametrize("lengths", [(1,), (2,), (0, 7, 1), (5, 9, 23)])
def test_windows_predict_every_token_but_the_first_of_a_document_exactly_once(context, lengths):
    bounds = np.cumsum([0, *lengths])
    predicted = []
    for document, start, length, scored in windows_of(bounds, context):
        assert bounds[document] <= start and start + length < bounds[document + 1] and 1 <= scored <= length <= context
        assert start == bounds[document] or length - scored >= (context - 1) // 2 or scored == 1
        predicted += range(start + length - scored + 1, start + length + 1)
    first = set(bounds[:-1].tolist())
    assert sorted(predicted) == [place for place in range(bounds[-1]) if place not in first]


@pytest.mark.parametrize("context", [1, 3, 4, 64])
@pytest.mark.parametrize("batch", [1, 5])
def test_bits_are_those_of_the_tokens_one_by_one_whatever_the_windows(context, batch):
    model, (tokens, bounds) = Bigram(), stream(5, 1, 12, 0, 3)
    logps = model.table.log_softmax(-1).detach().numpy()
    expected = [
        -sum(logps[tokens[place - 1], tokens[place]] for place in range(first + 1, end)) / np.log(2)
        for first, end in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    found = bits_of_documents(model, tokens, bounds, context=context, batch=batch)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_later_windows_keep_half_of_the_context_before_what_they_predict():
    tokens, bounds = np.ones(41, dtype=np.uint16), [0, 41]
    bits = bits_of_documents(Counting(needed=5), tokens, bounds, context=8)
    assert bits[0] == pytest.approx(4), "only the first four tokens of the document have fewer than five before them"


def test_the_figure_divides_by_the_bytes_of_the_predicted_tokens_and_brings_an_interval():
    model, (tokens, bounds) = Bigram(), stream(*[10] * 30)
    figure = bits_per_byte(model, Tokenizer(), tokens, bounds, context=16)
    bits = bits_of_documents(model, tokens, bounds, context=16).sum()
    held = np.delete(tokens, bounds[:-1])
    assert figure["bytes"] == sum(Tokenizer.byte_lengths[token] for token in held)
    assert figure["value"] == pytest.approx(bits / figure["bytes"])
    assert figure["low"] < figure["value"] < figure["high"]
    assert (figure["tokens"], figure["n"]) == (270, 30)


def test_a_uniform_model_costs_the_logarithm_of_its_vocabulary():
    model = Bigram()
    nn.init.zeros_(model.table)
    tokens, bounds = stream(20, 20)
    assert bits_of_documents(model, tokens, bounds, context=8).sum() == pytest.approx(38 * log2(9), rel=1e-6)


def test_a_damaged_model_and_empty_text_are_refused_and_the_mode_is_kept():
    model = Bigram().train()
    bits_of_documents(model, *stream(5), context=4)
    assert model.training
    with pytest.raises(InputError, match="no held-out text"):
        bits_per_byte(model, Tokenizer(), np.array([1]), [0, 1], context=4)
    with torch.no_grad():
        model.table[3, 3] = float("nan")
    with pytest.raises(TrainingError, match="not finite"):
        bits_of_documents(model, np.array([1, 3, 3]), [0, 3], context=4)
