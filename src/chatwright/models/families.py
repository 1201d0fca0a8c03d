"""Published shapes by name: GPT-1, GPT-2, GPT-3, GPT-Neo, GPT-J, Llama, Mistral, Qwen, SmolLM.

In: a name such as "gpt2" or "qwen2.5-0.5b".  Out: its `TransformerConfig`, to train from nothing, to count, to plan.
Sizes stand as published (config.json of each release; for GPT-3 table 2.1 of Brown et al. 2020, which has no weights).
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

from chatwright.errors import ConfigError
from chatwright.models.layers import RotaryScaling
from chatwright.models.transformer import TransformerConfig

__all__ = ["shape_of", "shapes"]

GPT3_WINDOW = 256
"""Of the layers of GPT-3 that are not dense; the paper does not print it, this is GPT-Neo's."""
_LAYER = {"norm": "layer", "gated": False, "feed_forward_bias": True}
_GPT2 = {**_LAYER, "activation": "gelu_tanh", "positions": "learned", "read_bias": True, "write_bias": True}
_GPT1 = {**_GPT2, "norm_place": "after", "final_norm": False}
_NEO = {**_GPT2, "read_bias": False, "attention_scale": 1.0, "windows": (0, 256)}
_GPTJ = {
    **_LAYER,
    "activation": "gelu_tanh",
    "rotary_width": 64,
    "parallel": True,
    "tied": False,
    "head_bias": True,
}


def _gpt(layers: int, heads: int, width: int, vocabulary: int, context: int, **settings: Any) -> TransformerConfig:
    return TransformerConfig(
        vocabulary=vocabulary,
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        hidden=4 * width,
        context=context,
        **settings,
    )


def _gpt3(layers: int, heads: int, width: int, per_head: int) -> TransformerConfig:
    head_width = None if heads * per_head == width else per_head
    return _gpt(layers, heads, width, 50257, 2048, **{**_GPT2, "head_width": head_width})


def _llama(
    layers: int, heads: int, kv_heads: int, width: int, hidden: int, vocabulary: int, context: int, **settings: Any
) -> TransformerConfig:
    return TransformerConfig(
        vocabulary=vocabulary,
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        hidden=hidden,
        context=context,
        **{"tied": False, **settings},
    )


def _llama3_scaling(factor: float) -> RotaryScaling:
    return RotaryScaling(kind="llama3", factor=factor, original_context=8192, low=1.0, high=4.0)


_LLAMA3 = {"rotary_base": 500_000.0}
_QWEN2 = {"read_bias": True, "epsilon": 1e-6, "rotary_base": 1e6}
_QWEN3 = {"norm_queries": True, "head_width": 128, "epsilon": 1e-6, "rotary_base": 1e6}
_TIED = {"tied": True}

_SHAPES: dict[str, TransformerConfig] = {
    "gpt1": _gpt(12, 12, 768, 40478, 512, **_GPT1),
    "distilgpt2": _gpt(6, 12, 768, 50257, 1024, **_GPT2),
    "gpt2": _gpt(12, 12, 768, 50257, 1024, **_GPT2),
    "gpt2-medium": _gpt(24, 16, 1024, 50257, 1024, **_GPT2),
    "gpt2-large": _gpt(36, 20, 1280, 50257, 1024, **_GPT2),
    "gpt2-xl": _gpt(48, 25, 1600, 50257, 1024, **_GPT2),
    "gpt3-125m": _gpt3(12, 12, 768, 64),
    "gpt3-350m": _gpt3(24, 16, 1024, 64),
    "gpt3-760m": _gpt3(24, 16, 1536, 96),
    # Table 2.1 prints 24 heads of 128 here, which would be 1.5 billion weights; 16 of them give the 1.3 of its name.
    "gpt3-1.3b": _gpt3(24, 16, 2048, 128),
    "gpt3-2.7b": _gpt3(32, 32, 2560, 80),
    "gpt3-6.7b": _gpt3(32, 32, 4096, 128),
    "gpt3-13b": _gpt3(40, 40, 5140, 128),  # 5140 as printed; the heads together are 5120 wide
    "gpt3-175b": _gpt3(96, 96, 12288, 128),
    "gpt-neo-125m": _gpt(12, 12, 768, 50257, 2048, **_NEO),
    "gpt-neo-1.3b": _gpt(24, 16, 2048, 50257, 2048, **_NEO),
    "gpt-neo-2.7b": _gpt(32, 20, 2560, 50257, 2048, **_NEO),
    "gpt-j-6b": _gpt(28, 16, 4096, 50400, 2048, **_GPTJ),
    "llama-2-7b": _llama(32, 32, 32, 4096, 11008, 32000, 4096),
    "llama-2-13b": _llama(40, 40, 40, 5120, 13824, 32000, 4096),
    "llama-2-70b": _llama(80, 64, 8, 8192, 28672, 32000, 4096),
    "llama-3-8b": _llama(32, 32, 8, 4096, 14336, 128256, 8192, **_LLAMA3),
    "llama-3-70b": _llama(80, 64, 8, 8192, 28672, 128256, 8192, **_LLAMA3),
    "llama-3.1-8b": _llama(32, 32, 8, 4096, 14336, 128256, 131072, **_LLAMA3, rotary_scaling=_llama3_scaling(8.0)),
    "llama-3.2-1b": _llama(
        16, 32, 8, 2048, 8192, 128256, 131072, **_LLAMA3, **_TIED, rotary_scaling=_llama3_scaling(32.0)
    ),
    "llama-3.2-3b": _llama(
        28, 24, 8, 3072, 8192, 128256, 131072, **_LLAMA3, **_TIED, rotary_scaling=_llama3_scaling(32.0)
    ),
    "tinyllama-1.1b": _llama(22, 32, 4, 2048, 5632, 32000, 2048),
    "mistral-7b": _llama(32, 32, 8, 4096, 14336, 32000, 32768, windows=(4096,)),
    "qwen2-0.5b": _llama(24, 14, 2, 896, 4864, 151936, 131072, **_QWEN2, **_TIED),
    "qwen2-1.5b": _llama(28, 12, 2, 1536, 8960, 151936, 131072, **_QWEN2, **_TIED),
    "qwen2-7b": _llama(28, 28, 4, 3584, 18944, 152064, 131072, **_QWEN2),
    "qwen2.5-0.5b": _llama(24, 14, 2, 896, 4864, 151936, 32768, **_QWEN2, **_TIED),
    "qwen2.5-1.5b": _llama(28, 12, 2, 1536, 8960, 151936, 131072, **_QWEN2, **_TIED),
    "qwen2.5-3b": _llama(36, 16, 2, 2048, 11008, 151936, 32768, **_QWEN2, **_TIED),
    "qwen2.5-7b": _llama(28, 28, 4, 3584, 18944, 152064, 131072, **_QWEN2),
    "qwen3-0.6b": _llama(28, 16, 8, 1024, 3072, 151936, 40960, **_QWEN3, **_TIED),
    "qwen3-1.7b": _llama(28, 16, 8, 2048, 6144, 151936, 40960, **_QWEN3, **_TIED),
    "qwen3-4b": _llama(36, 32, 8, 2560, 9728, 151936, 40960, **_QWEN3, **_TIED),
    "qwen3-8b": _llama(36, 32, 8, 4096, 12288, 151936, 40960, **_QWEN3),
    "smollm-135m": _llama(30, 9, 3, 576, 1536, 49152, 2048, **_TIED),
    "smollm-360m": _llama(32, 15, 5, 960, 2560, 49152, 2048, **_TIED),
    "smollm-1.7b": _llama(24, 32, 32, 2048, 8192, 49152, 2048, **_TIED),
    "smollm2-135m": _llama(30, 9, 3, 576, 1536, 49152, 8192, **_TIED, rotary_base=1e5),
    "smollm2-360m": _llama(32, 15, 5, 960, 2560, 49152, 8192, **_TIED, rotary_base=1e5),
    "smollm2-1.7b": _llama(24, 32, 32, 2048, 8192, 49152, 8192, **_TIED, rotary_base=130_000.0),
}


def shapes() -> dict[str, TransformerConfig]:
    """All published shapes by name; GPT-3 also as `gpt3-...-local`, with every second layer local as in the paper."""
    local = {
        f"{name}-local": replace(shape, windows=(0, GPT3_WINDOW))
        for name, shape in _SHAPES.items()
        if name.startswith("gpt3")
    }
    return {**_SHAPES, **local}


def shape_of(name: str, *, vocabulary: int | None = None, context: int | None = None) -> TransformerConfig:
    """The published shape of this name, with another vocabulary or context where given; ConfigError if unknown."""
    known = shapes()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
        told = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
        raise ConfigError(f"there is no published shape {name!r}; {told}")
    shape = known[name]
    return replace(shape, vocabulary=vocabulary or shape.vocabulary, context=context or shape.context)
