"""Looking inside: the slow, plain path must be the model itself, and what it shows must add up."""

from __future__ import annotations

import math

import pytest
import torch

from chatwright.errors import InputError
from chatwright.explaining import embeddings, reading
from chatwright.explaining.tracing import LONGEST, trace
from chatwright.models.heads import LanguageModel
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.models.transformer import Transformer
from tiny import config_of, language_model, random_tokens

SHAPES = {
    "llama": {},
    "grouped heads, QK norm": {"kv_heads": 2, "norm_queries": True},
    "gpt-2": {
        "norm": "layer", "positions": "learned", "gated": False, "activation": "gelu_tanh",
        "read_bias": True, "write_bias": True, "feed_forward_bias": True,
    },
    "gpt-1, normalised after": {
        "norm": "layer", "norm_place": "after", "final_norm": False, "positions": "learned", "gated": False,
        "activation": "gelu", "read_bias": True,
    },
    "gpt-neo, windows without scale": {"positions": "learned", "windows": (0, 5), "attention_scale": 1.0},
    "gpt-j, parallel": {"parallel": True, "rotary_width": 4, "tied": False, "head_bias": True, "norm": "layer"},
    "no positions, scaled embedding": {"positions": "none", "embedding_scale": 5.0, "head_width": 6},
}  # fmt: skip
TOKENS = random_tokens(24).tolist()


def model_of(name: str) -> LanguageModel:
    model = language_model(**SHAPES[name])
    with torch.no_grad():  # biases and norms that are not at their first values hide nothing
        for number, weight in enumerate(model.parameters()):
            weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(number))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("name", SHAPES)
def test_the_plain_path_gives_the_models_logits(name: str) -> None:
    model = model_of(name)
    expected, _ = model(torch.tensor([TOKENS]))
    seen = trace(model, TOKENS)
    assert torch.allclose(seen.logits(), expected[0], atol=1e-4)
    last = [likely[0].token for likely in reading.lens(seen)[-1]]
    assert last == expected[0].argmax(-1).tolist()


@pytest.mark.parametrize("name", SHAPES)
def test_attention_is_causal_and_sums_to_one(name: str) -> None:
    seen = trace(model_of(name), TOKENS)
    for layer in range(seen.config.layers):
        weights = seen.look(layer).weights[0]
        assert weights.shape == (4, 24, 24)
        assert torch.allclose(weights.sum(-1), torch.ones(4, 24), atol=1e-5)
        assert (weights.triu(1) == 0).all()
        window = seen.config.window(layer)
        assert not window or (weights.tril(-window) == 0).all()
        sent = torch.frombuffer(bytearray(reading.attention_bytes(seen, layer)), dtype=torch.uint8)
        assert torch.equal(sent.view(4, 24, 24), (weights * 255).round().to(torch.uint8))


def test_one_tokens_arithmetic_adds_up() -> None:
    seen = trace(model_of("gpt-neo, windows without scale"), TOKENS)
    look = reading.position_look(seen, 1, 2, 20)
    assert look.masked == [place < 16 or place > 20 for place in range(24)]
    dot = [sum(q * k for q, k in zip(look.query, key, strict=True)) for key in look.keys]
    assert dot == pytest.approx(look.dot, abs=1e-4)
    assert look.scaled == pytest.approx([look.scale * value for value in look.dot])
    powers = [0.0 if hidden else math.exp(value) for hidden, value in zip(look.masked, look.scaled, strict=True)]
    assert look.weights == pytest.approx([power / sum(powers) for power in powers], abs=1e-5)
    for place in ((2, 0, 0), (0, 4, 0), (0, 0, 24), (-1, 0, 0)):
        with pytest.raises(InputError):
            reading.position_look(seen, *place)


@pytest.mark.parametrize("name", SHAPES)
def test_without_heads_off_ablation_is_the_model_and_a_head_off_is_a_zeroed_row(name: str) -> None:
    model = model_of(name)
    seen = trace(model, TOKENS)
    same = reading.ablation(seen, {0: []})
    assert same.kl == 0 and same.on == same.off
    assert reading.ablation(seen, {0: [1, 2]}).kl > 0
    # A head is off if the columns that write what it says are zero.
    attention = model.backbone.blocks[1].attention
    width = attention.head_width
    with torch.no_grad():
        attention.write.weight[:, width : 2 * width] = 0
    expected, _ = model(torch.tensor([TOKENS]))
    assert torch.allclose(trace(model_of(name), TOKENS).logits({1: [1]}), expected[0], atol=1e-4)
    with pytest.raises(InputError, match="no head 4"):
        seen.logits({0: [4]})


def test_the_lens_begins_at_the_embedding_and_ends_at_the_output() -> None:
    model = model_of("llama")
    seen = trace(model, TOKENS)
    layers = reading.lens(seen, top=3)
    assert len(layers) == seen.config.layers + 1 and len(layers[0]) == 24 and len(layers[0][0]) == 3
    embedded = model.logits(model.backbone.norm(model.backbone.embedding(torch.tensor(TOKENS))))
    assert layers[0][7][0].token == int(embedded[7].argmax())
    assert layers[0][7][0].probability == pytest.approx(float(embedded[7].softmax(-1).max()), abs=1e-5)


def test_next_tokens_are_the_softmax_and_temperature_flattens_them() -> None:
    model = model_of("llama")
    expected = model(torch.tensor([TOKENS]))[0][0, -1].softmax(-1)
    found = reading.next_tokens(trace(model, TOKENS), top=40)
    assert found.top[0].probability == pytest.approx(float(expected.max()), abs=1e-5)
    assert found.rest == pytest.approx(0, abs=1e-5)
    assert found.entropy == pytest.approx(float(-(expected * expected.log2()).sum()), abs=1e-3)
    hot = reading.next_tokens(trace(model, TOKENS), top=40, temperature=5.0)
    assert hot.entropy > found.entropy


@pytest.mark.parametrize("method", ["occlusion", "gradient"])
def test_attribution_finds_the_only_token_that_matters(method: reading.Method) -> None:
    model = model_of("no positions, scaled embedding")
    with torch.no_grad():  # nobody listens to anybody: only the last token itself counts
        for block in model.backbone.blocks:
            block.attention.write.weight.zero_()
    target, logp, scores = reading.attribution(trace(model, TOKENS), method, position=10)
    expected = model(torch.tensor([TOKENS]))[0][0, 10].log_softmax(-1)
    assert target == int(expected.argmax()) and logp == pytest.approx(float(expected.max()), abs=1e-4)
    assert len(scores) == 24
    assert all(abs(score) < 1e-5 for place, score in enumerate(scores) if place != 10)
    assert abs(scores[10]) > 1e-2


def test_the_gradient_is_the_slope_and_occlusion_the_fall() -> None:
    model = model_of("gpt-2")
    seen = trace(model, TOKENS)
    target, logp, scores = reading.attribution(seen, "occlusion", target=5)
    rows = reading._rows(seen)
    rows[3] = model.backbone.embedding.weight.mean(0)
    without = seen.read_out(reading._through(seen, rows[None])[0, -1]).log_softmax(-1)[5]
    assert target == 5 and scores[3] == pytest.approx(logp - float(without), abs=1e-5)
    slopes = reading.attribution(seen, "gradient", target=5)[2]
    nudged = reading._rows(seen)
    nudged[3] *= 1.001
    after = seen.read_out(reading._through(seen, nudged[None])[0, -1]).log_softmax(-1)[5]
    assert slopes[3] == pytest.approx((float(after) - logp) / 0.001, abs=0.02)


def test_long_occlusion_blanks_neighbours_together(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = trace(model_of("llama"), TOKENS)
    weights = sum(weight.numel() for weight in seen.backbone.blocks.parameters())
    monkeypatch.setattr(reading, "OCCLUSION_FLOPS", 2.0 * weights * 24 * 24 / 4)
    scores = reading.attribution(seen, "occlusion")[2]
    assert scores[0] == scores[3] != scores[4] == scores[7]


def test_what_cannot_be_shown_is_refused() -> None:
    recurrent = LanguageModel(Recurrent(RecurrentConfig(vocabulary=40, width=16, layers=1, context=64)))
    with pytest.raises(InputError, match="recurrent"):
        trace(recurrent, [1, 2])
    long = LanguageModel(Transformer(config_of(context=1000)))
    for tokens in ([], [1] * (LONGEST + 1), [40]):
        with pytest.raises(InputError):
            trace(long, tokens)


def test_neighbours_point_the_same_way() -> None:
    model = model_of("llama")
    with torch.no_grad():
        model.backbone.embedding.weight[7] = 3 * model.backbone.embedding.weight[4]
    found = embeddings.neighbours(model, 4, top=3)
    assert found[0] == (7, pytest.approx(1.0, abs=1e-5)) and len(found) == 3
    assert 4 not in [token for token, _ in found]


def test_the_map_is_the_plane_of_greatest_variance() -> None:
    model = model_of("llama")
    generator = torch.Generator().manual_seed(0)
    plane = torch.randn(40, 2, generator=generator) * torch.tensor([9.0, 3.0])
    with torch.no_grad():
        model.backbone.embedding.weight.copy_(plane @ torch.linalg.qr(torch.randn(32, 32, generator=generator))[0][:2])
    found = embeddings.embedding_map(model)
    points = torch.frombuffer(bytearray(found.points), dtype=torch.float32).view(40, 2)
    assert found.size == 40 and sum(found.explained) == pytest.approx(1, abs=1e-4)
    assert found.explained[0] > found.explained[1]
    table = model.backbone.embedding.weight
    assert torch.allclose(torch.pdist(points), torch.pdist(table), atol=1e-3)  # a plane loses no distance


@pytest.mark.parametrize("name", ["llama", "gpt-2"])
def test_positions_are_like_themselves(name: str) -> None:
    found = embeddings.positions(model_of(name))
    assert found.kind == ("rotary" if name == "llama" else "learned") and found.length == 64
    assert found.by_distance[0] == pytest.approx(1, abs=1e-5) and found.by_distance[5] < 0.99
    assert found.similarity[3][9] == pytest.approx(found.similarity[9][3])
    assert embeddings.positions(model_of("no positions, scaled embedding")).kind == "none"
