"""Shapes are counted as published models and our own networks are."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from chatwright.artefacts import save_model
from chatwright.errors import ArtefactError, ConfigError
from chatwright.models.heads import LanguageModel, ScalarModel, count_parameters, training_flops_per_token
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.scaling.history import PUBLISHED
from chatwright.scaling.memory import activation_bytes
from chatwright.scaling.shapes import Shape, read_shape, shape_of
from test_scaling_planner import LLAMA_3_8B
from tiny import config_of, language_model, random_tokens, tokenizer

# Counted from the classes and files of the released models (transformers; model cards for NeoX and Llama 3).
RELEASED = {
    "GPT-1": 116_534_784,
    "GPT-2 small": 124_439_808,
    "GPT-2 medium": 354_823_168,
    "GPT-2 large": 774_030_080,
    "GPT-2 XL": 1_557_611_200,
    "GPT-Neo 125M": 125_198_592,
    "GPT-Neo 1.3B": 1_315_575_808,
    "GPT-Neo 2.7B": 2_651_307_520,
    "GPT-J 6B": 6_050_882_784,
    "GPT-NeoX 20B": 20_554_567_680,
}
LLAMA_2_7B = Shape(vocabulary=32_000, width=4096, layers=32, heads=32, kv_heads=32, hidden=11_008, tied=False)
TINY_LLAMA = Shape(vocabulary=32_000, width=2048, layers=22, heads=32, kv_heads=4, hidden=5632, tied=False)


@pytest.mark.parametrize("name", RELEASED)
def test_the_shape_of_a_released_model_has_exactly_its_parameters(name):
    (model,) = [model for model in PUBLISHED if model.name == name]
    assert model.shape.parameters == RELEASED[name]


def test_llama_shapes_have_exactly_their_parameters():
    assert LLAMA_2_7B.parameters == 6_738_415_616
    assert TINY_LLAMA.parameters == 1_100_048_384
    assert LLAMA_3_8B.parameters == 8_030_261_248


NETWORKS = {
    "plain": {},
    "grouped heads, query norm, untied": {"kv_heads": 2, "norm_queries": True, "tied": False},
    "like GPT-2": {
        "norm": "layer",
        "gated": False,
        "activation": "gelu_tanh",
        "positions": "learned",
        "read_bias": True,
        "write_bias": True,
        "feed_forward_bias": True,
    },
    "like GPT-J": {
        "norm": "layer",
        "gated": False,
        "parallel": True,
        "feed_forward_bias": True,
        "tied": False,
        "head_bias": True,
    },
    "wide heads, gated with biases, no final norm": {
        "head_width": 12,
        "feed_forward_bias": True,
        "final_norm": False,
    },
}


@pytest.mark.parametrize("changes", NETWORKS.values(), ids=NETWORKS.keys())
def test_networks_built_here_are_counted_exactly_by_their_model_json(changes):
    known = TransformerConfig.__dataclass_fields__
    if missing := changes.keys() - known.keys():
        pytest.skip(f"this version's Transformer has no {sorted(missing)[0]}")
    with torch.device("meta"):
        for head in (LanguageModel, ScalarModel):
            model = head(Transformer(config_of(**changes)))
            described = {
                "head": "language" if head is LanguageModel else "scalar",
                "backbone": {"kind": "transformer", **asdict(model.backbone.config)},
            }
            assert shape_of(described).parameters == count_parameters(model)


@pytest.mark.parametrize("tied", [True, False])
def test_an_lstm_is_counted_exactly_and_remembers_as_much_however_long_the_text(tied, tmp_path: Path):
    config = RecurrentConfig(vocabulary=tokenizer().size, width=24, layers=3, context=64, tied=tied)
    model = LanguageModel(Recurrent(config))
    save_model(tmp_path / "model", model, tokenizer())
    shape = read_shape(tmp_path / "model")
    assert shape.parameters == count_parameters(model)
    assert shape.training_flops(64) == training_flops_per_token(model, 64)
    assert shape.cache_bytes(10) == shape.cache_bytes(10_000) == 3 * 2 * 24 * 4


@pytest.mark.parametrize("changes", [{}, {"kv_heads": 2}, {"tied": False}, {"windows": (0, 16)}, {"windows": (99, 8)}])
def test_operations_are_those_that_receipts_count(changes):
    model = LanguageModel(Transformer(config_of(**changes)))
    described = {"head": "language", "backbone": {"kind": "transformer", **asdict(model.backbone.config)}}
    assert shape_of(described).training_flops(48) == training_flops_per_token(model, 48)


def test_attention_grows_with_the_context_and_stops_at_a_window():
    whole = Shape(vocabulary=100, width=64, layers=4, heads=4, kv_heads=4, hidden=256)
    assert whole.attention_flops(512) == 6 * 4 * 64 * 512
    assert whole.attention_flops(512, causal=False) == 2 * whole.attention_flops(512)
    windowed = replace(whole, windows=(0, 128))
    assert windowed.attention_flops(512) == 12 * 64 * (2 * 256 + 2 * (128 - 16))  # the first tokens see fewer than 128
    assert windowed.attention_flops(512, causal=False) == 12 * 64 * (2 * 512 + 2 * 128)
    assert windowed.attention_flops(64) == whole.attention_flops(64)


@pytest.mark.parametrize("parameters", [1e5, 1e6, 1e7, 124e6, 1e9, 7e9, 13e9, 70e9, 175e9, 530e9])
def test_a_shape_is_found_for_any_number_of_parameters(parameters):
    shape = Shape.of_parameters(parameters)
    assert shape.parameters == pytest.approx(parameters, rel=0.02)
    assert shape.width % shape.heads == 0 and shape.heads % shape.kv_heads == 0


def test_the_shape_of_seven_billion_parameters_is_close_to_llamas():
    shape = Shape.of_parameters(6_738_415_616)
    assert (shape.width, shape.heads) == (4096, 32) and abs(shape.layers - 32) <= 2


@pytest.mark.parametrize(
    "described",
    [
        {},
        {"backbone": {"kind": "transformer"}},
        {"backbone": {"kind": "mamba", "vocabulary": 1, "width": 1, "layers": 1, "context": 1}},
        {"backbone": {"kind": "transformer", "vocabulary": 0, "width": 1, "layers": 1, "context": 1}},
        {"backbone": 7},
    ],
)
def test_a_model_json_that_describes_nothing_is_one_sentence(described, tmp_path: Path):
    (tmp_path / "model.json").write_text(json.dumps(described))
    with pytest.raises(ArtefactError, match=r"model.json does not describe a model that can be counted"):
        read_shape(tmp_path)


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        Shape(vocabulary=10, width=0, layers=1)


@pytest.mark.parametrize(
    ("tokens", "kv_heads", "recompute"), [(128, 4, "none"), (512, 4, "none"), (512, 2, "selective")]
)
def test_what_the_backward_pass_keeps_is_as_much_as_the_formula_says_or_up_to_a_third_more(tokens, kv_heads, recompute):
    """Here rotated queries and keys and the norms' statistics are kept beside what the formula counts."""
    model = language_model(64, context=512, width=256, layers=3, heads=4, kv_heads=kv_heads, hidden=704)
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def note(saved: torch.Tensor) -> torch.Tensor:
        place = saved.untyped_storage().data_ptr()
        if place not in own:
            kept[place] = saved  # holding it keeps its place from being used again
        return saved

    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        vectors, _ = model.backbone(random_tokens(2, tokens, vocabulary=64))
    measured = sum(saved.untyped_storage().nbytes() for saved in kept.values())
    described = {"head": "language", "backbone": {"kind": "transformer", **asdict(model.backbone.config)}}
    formula = activation_bytes(shape_of(described), tokens=tokens, rows=2, recompute=recompute, bytes_per_value=4)
    assert vectors.requires_grad
    assert 1.0 <= measured / formula <= 1.34
