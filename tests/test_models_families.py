"""Published shapes: their parameter counts are the published ones."""

from __future__ import annotations

from math import prod

import pytest

from chatwright.errors import ConfigError
from chatwright.models.families import shape_of, shapes
from chatwright.models.huggingface import family_for, parameter_shapes

COUNTS = {
    "gpt1": 116_534_784,
    "distilgpt2": 81_912_576,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt-neo-125m": 125_198_592,
    "gpt-neo-1.3b": 1_315_575_808,
    "gpt-neo-2.7b": 2_651_307_520,
    "gpt-j-6b": 6_050_882_784,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "tinyllama-1.1b": 1_100_048_384,
    "mistral-7b": 7_241_732_096,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
}
GPT3 = {
    "125m": 125e6,
    "350m": 350e6,
    "760m": 760e6,
    "1.3b": 1.3e9,
    "2.7b": 2.7e9,
    "6.7b": 6.7e9,
    "13b": 13e9,
    "175b": 175e9,
}


def count(name: str) -> int:
    return sum(prod(size) for size in parameter_shapes(shape_of(name)).values())


@pytest.mark.parametrize("name", COUNTS)
def test_a_published_shape_has_the_published_number_of_parameters(name):
    assert count(name) == COUNTS[name]


@pytest.mark.parametrize("name", GPT3)
def test_gpt3_shapes_have_the_sizes_of_their_names(name):
    assert count(f"gpt3-{name}") == pytest.approx(GPT3[name], rel=0.02)
    dense, local = shape_of(f"gpt3-{name}"), shape_of(f"gpt3-{name}-local")
    assert [dense.window(layer) for layer in range(4)] == [0, 0, 0, 0]
    assert [local.window(layer) for layer in range(4)] == [0, 256, 0, 256]


def test_every_shape_with_published_weights_has_a_family():
    for name, shape in shapes().items():
        if not name.startswith("gpt3"):
            assert family_for(shape).holds(shape), name


def test_a_name_that_is_nearly_right_is_corrected_and_sizes_can_be_changed():
    with pytest.raises(ConfigError, match="did you mean gpt2-medium"):
        shape_of("gpt2-medum")
    with pytest.raises(ConfigError, match="known are gpt1"):
        shape_of("???")
    shape = shape_of("gpt2", vocabulary=1000, context=128)
    assert (shape.vocabulary, shape.context, shape.width) == (1000, 128, 768)
