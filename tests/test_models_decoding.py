"""Models made ready to decode: the same numbers with less work, and what rounding to 8 bits costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling
from chatwright.models.decoding import PackedLinear, Threads, decoder_of, kernel_threads, next_logits, threads_for
from chatwright.models.quantized import Int8Linear, has_int8, rounded_to_int8
from chatwright.world import World
from tiny import language_model, tokenizer, world_of

packs = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN, which packs weights"
)
rounds = pytest.mark.skipif(not has_int8(), reason="this PyTorch has no 8-bit kernels")


def lowered_model(**changes):
    model = language_model(tokenizer().size, 96, width=64, hidden=96, **changes).requires_grad_(False)
    model.backbone.dtype = torch.bfloat16
    return model


def test_in_float32_the_models_own_weights_decode():
    model, tokens = language_model(), torch.tensor([[5, 6, 7]])
    decoder = decoder_of(model)
    assert decoder.backbone is model.backbone
    with torch.no_grad():
        _, state = decoder.backbone(tokens[:, :2], decoder.backbone.start(1))
        logits, _ = next_logits(decoder, tokens[:, 2], state)
        vectors, _ = model.backbone(tokens)
        torch.testing.assert_close(logits, model.logits(vectors[:, -1]), rtol=1e-4, atol=1e-4)


@packs
@pytest.mark.parametrize("rows", [1, 4, 5, 40])
@pytest.mark.parametrize("is_biased", [False, True])
def test_packed_weights_multiply_like_plain_ones(rows, is_biased):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(48, 96, generator=generator).bfloat16()
    bias = torch.randn(48, generator=generator).bfloat16() if is_biased else None
    x = torch.randn(2, rows, 96, generator=generator).bfloat16()[:1]
    exact = torch.nn.functional.linear(x.double(), weight.double(), None if bias is None else bias.double())
    found = PackedLinear(weight, bias)(x)
    assert found.dtype == torch.bfloat16 and found.shape == (1, rows, 48)
    torch.testing.assert_close(found.double(), exact, rtol=2**-7, atol=2**-6)


@packs
def test_weights_that_float16_cannot_hold_are_not_put_into_it():
    weight = torch.eye(8) * 1e20
    assert torch.isfinite(PackedLinear(weight)(torch.ones(1, 8).bfloat16())).all()


@packs
@pytest.mark.parametrize("tied", [True, False])
def test_a_lowered_model_decodes_what_it_computes_in_training_and_keeps_its_own_weights(tied):
    model = lowered_model(tied=tied)
    before = {name: (weight.dtype, weight.data_ptr()) for name, weight in model.named_parameters()}
    decoder = decoder_of(model)
    tokens = torch.randint(6, 280, (3, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = model(tokens)[0].float().log_softmax(-1)
        state = decoder.backbone.start(3)
        pieces = [decoder.backbone(piece, state)[0] for piece in tokens.split([30, *[1] * 10], dim=1)]
        found = decoder.logits(torch.cat(pieces, dim=1)).float().log_softmax(-1)
    assert float((found - wanted).abs().mean()) < 0.02  # bfloat16 keeps 8 bits
    assert {name: (weight.dtype, weight.data_ptr()) for name, weight in model.named_parameters()} == before


def test_decoding_with_plain_weights_freezes_nothing_of_a_model_that_learns(monkeypatch):
    monkeypatch.setattr("chatwright.models.decoding._kind", lambda precision, device: None)  # as on CUDA
    model = lowered_model(tied=False, head_bias=True).requires_grad_(True)
    decoder = decoder_of(model)
    assert not any(weight.requires_grad for weight in decoder.parameters())
    assert all(weight.requires_grad for weight in model.parameters())


@packs
def test_agreement_of_batched_and_alone_is_measured_in_bfloat16(capsys):
    """Kernels differ with the number of rows, so equality cannot be promised; most answers agree, and it is printed."""
    model = lowered_model()
    engine = Engine(model, tokenizer(), World(torch.device("cpu"), torch.bfloat16, 1))
    rng = np.random.default_rng(0)
    prompts = [rng.integers(6, 280, size=int(rng.integers(4, 40))).tolist() for _ in range(24)]
    sampling = Sampling(temperature=1.0, max_tokens=12)
    batched = engine.sample(prompts, sampling, seeds=range(24))
    alone = [engine.sample([prompt], sampling, seeds=[seed])[0] for seed, prompt in enumerate(prompts)]
    tokens = [
        one == other
        for own, single in zip(batched, alone, strict=True)
        for one, other in zip(own.tokens, single.tokens, strict=False)
    ]
    strays = [
        abs(own.logps[0] - single.logps[0])
        for own, single in zip(batched, alone, strict=True)
        if own.tokens[:1] == single.tokens[:1]
    ]
    with capsys.disabled():
        print(f" [bf16: {np.mean(tokens):.0%} of tokens agree, first logp strays by {np.mean(strays):.4f}] ", end="")
    assert np.mean(tokens) > 0.5 and np.mean(strays) < 0.05


def test_rounding_to_8_bits_moves_no_weight_by_more_than_half_a_step():
    weight = torch.randn(20, 50, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 20)[:, None]
    weight[3] = 0
    integers, scales = rounded_to_int8(weight)
    assert integers.dtype == torch.int8 and int(integers.abs().max()) == 127
    assert ((integers * scales[:, None] - weight).abs() <= scales[:, None] * 0.5001).all()


@rounds
def test_8_bit_rows_do_not_depend_on_their_neighbours_and_are_close():
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(64, 96, generator=generator), torch.randn(64, generator=generator)
    x = torch.randn(9, 96, generator=generator) * torch.logspace(-2, 2, 9)[:, None]
    linear = Int8Linear(weight, bias)
    together = linear(x)  # 9 rows: oneDNN; 2: FBGEMM with a range for each row; 1: FBGEMM with the row's own range
    pairs = torch.cat([linear(x[place : place + 2]) for place in range(0, 8, 2)])
    for place in range(7):
        assert torch.equal(linear(x[place : place + 3])[1], linear(x[place + 1 : place + 3])[0])
    alone = torch.cat([linear(x[place : place + 1]) for place in range(9)])
    exact = x @ weight.t() + bias
    for found in (together, pairs, alone):
        wanted = exact[: len(found)]
        assert float(((found - wanted).norm(dim=1) / (wanted - bias).norm(dim=1)).max()) < 0.03
    torch.testing.assert_close(pairs, together[:8], rtol=1e-5, atol=1e-4)  # the same integers, nearly always
    assert torch.equal(linear(torch.zeros(3, 96)), bias.expand(3, -1))


@rounds
def test_an_8_bit_model_says_nearly_what_the_model_says():
    model = lowered_model()
    decoder = decoder_of(model, "int8")
    tokens = torch.randint(6, 280, (4, 60), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = model(tokens)[0].float().log_softmax(-1)
        vectors, _ = decoder.backbone(tokens)
        found = decoder.logits(vectors).float().log_softmax(-1)
    divergence = (wanted.exp() * (wanted - found)).sum(-1)
    assert 0 < float(divergence.mean()) < 0.02


def test_rows_are_shared_among_threads_for_small_models_and_operations_for_large_ones(monkeypatch):
    model = language_model()
    assert threads_for(model, world_of(2), 8) == Threads(2, 0)
    assert threads_for(model, world_of(2), 1) == Threads(1, 0)
    monkeypatch.setattr("chatwright.models.decoding.LARGE", 100)
    assert threads_for(model, world_of(2), 8) == Threads(1, 2)
    before = torch.get_num_threads()
    with kernel_threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before
