"""config.json of published models: what it says as a `TransformerConfig`, and back.

In: the JSON object of a Hugging Face folder.  Out: a shape; ArtefactError, naming the key, where the object asks for
something that this package's block does not do. Nothing is guessed: an unknown activation or scaling is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chatwright.errors import ArtefactError, ConfigError
from chatwright.models.layers import RotaryScaling
from chatwright.models.published import Published
from chatwright.models.transformer import TransformerConfig

__all__ = ["canonical", "shape_from"]

MOST_LAYERS = 1_000


def shape_from(published: Published, read: Callable[[Published], TransformerConfig]) -> TransformerConfig:
    """`read` applied, with what no family here can do refused first and impossible sizes named by their file."""
    published.must_be("quantization_config")
    published.must_be("is_encoder_decoder", False)
    published.must_be("add_cross_attention", False)
    try:
        return read(published)
    except ConfigError as problem:
        raise ArtefactError(f"{published.where}: {problem}") from None


# -- GPT-1, GPT-2, GPT-J: n_layer, n_head, n_embd ----------------------------------------------------------------------


def _gpt(published: Published, **settings: Any) -> TransformerConfig:
    heads = published.integer("n_head")
    width = published.integer("n_embd")
    return TransformerConfig(
        vocabulary=published.integer("vocab_size"),
        width=width,
        layers=published.integer("n_layer", most=MOST_LAYERS),
        heads=heads,
        kv_heads=heads,
        hidden=published.integer("n_inner", default=4 * width),
        context=published.integer("n_positions", "n_ctx"),
        epsilon=published.positive("layer_norm_epsilon", default=1e-5),
        norm="layer",
        gated=False,
        feed_forward_bias=True,
        **settings,
    )


def _write_gpt(shape: TransformerConfig) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "n_embd": shape.width,
        "n_layer": shape.layers,
        "n_head": shape.heads,
        "n_positions": shape.context,
        "layer_norm_epsilon": shape.epsilon,
        "tie_word_embeddings": shape.tied,
    }


def read_gpt1(published: Published) -> TransformerConfig:
    # `afn` is "gelu" in the published file, and its code means the tanh form by that name.
    name = published.values.get("afn", "gelu")
    return _gpt(
        published,
        activation="gelu_tanh" if name == "gelu" else published.activation("afn", "gelu"),
        norm_place="after",
        final_norm=False,
        positions="learned",
        tied=published.flag("tie_word_embeddings", True),
        read_bias=True,
        write_bias=True,
    )


def write_gpt1(shape: TransformerConfig) -> dict[str, Any]:
    return {**_write_gpt(shape), "afn": "gelu" if shape.activation == "gelu_tanh" else shape.activation}


def read_gpt2(published: Published) -> TransformerConfig:
    published.must_be("scale_attn_by_inverse_layer_idx", False)
    weighted = published.flag("scale_attn_weights", True)
    return _gpt(
        published,
        activation=published.activation("activation_function", "gelu_new"),
        attention_scale=None if weighted else 1.0,
        positions="learned",
        tied=published.flag("tie_word_embeddings", True),
        read_bias=True,
        write_bias=True,
    )


def write_gpt2(shape: TransformerConfig) -> dict[str, Any]:
    return {
        **_write_gpt(shape),
        "n_inner": None if shape.hidden == 4 * shape.width else shape.hidden,
        "activation_function": _activation_name(shape),
        "scale_attn_weights": shape.attention_scale is None,
    }


def read_gptj(published: Published) -> TransformerConfig:
    return _gpt(
        published,
        activation=published.activation("activation_function", "gelu_new"),
        rotary_width=published.integer("rotary_dim", default=64),
        parallel=True,
        tied=published.flag("tie_word_embeddings", False),
        head_bias=True,
    )


def write_gptj(shape: TransformerConfig) -> dict[str, Any]:
    return {
        **_write_gpt(shape),
        "n_inner": None if shape.hidden == 4 * shape.width else shape.hidden,
        "activation_function": _activation_name(shape),
        "rotary_dim": shape.turned,
    }


# -- GPT-Neo -----------------------------------------------------------------------------------------------------------


def read_gpt_neo(published: Published) -> TransformerConfig:
    width, heads = published.integer("hidden_size"), published.integer("num_heads")
    layers = published.integer("num_layers", most=MOST_LAYERS)
    kinds = _attention_kinds(published, layers)
    window = published.integer("window_size", default=256)
    windows = tuple(window if kind == "local" else 0 for kind in kinds)
    return TransformerConfig(
        vocabulary=published.integer("vocab_size"),
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        hidden=published.integer("intermediate_size", default=4 * width),
        context=published.integer("max_position_embeddings"),
        epsilon=published.positive("layer_norm_epsilon", default=1e-5),
        norm="layer",
        activation=published.activation("activation_function", "gelu_new"),
        gated=False,
        positions="learned",
        attention_scale=1.0,  # it was trained without 1 / sqrt(D)
        windows=_shortest(windows),
        tied=published.flag("tie_word_embeddings", True),
        write_bias=True,
        feed_forward_bias=True,
    )


def _attention_kinds(published: Published, layers: int) -> list[str]:
    """attention_types, such as [[["global", "local"], 6]], written out: one kind per layer."""
    types = published.values.get("attention_types", [[["global", "local"], layers // 2]])
    kinds: list[str] = []
    try:
        for pattern, copies in types:
            if not isinstance(copies, int) or not 0 <= copies <= MOST_LAYERS:
                raise ValueError
            kinds += list(pattern) * copies
    except (TypeError, ValueError):
        raise published.refusal("attention_types", types, 'a list such as [[["global", "local"], 6]]') from None
    if len(kinds) != layers or not set(map(str, kinds)) <= {"global", "local"}:
        raise published.refusal("attention_types", types, f"global or local for each of {layers} layers")
    return kinds


def write_gpt_neo(shape: TransformerConfig) -> dict[str, Any]:
    windows = [shape.window(layer) for layer in range(shape.layers)]
    kinds = ["local" if window else "global" for window in windows]
    pattern = list(_shortest(tuple(kinds)))
    return {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "num_layers": shape.layers,
        "num_heads": shape.heads,
        "intermediate_size": None if shape.hidden == 4 * shape.width else shape.hidden,
        "max_position_embeddings": shape.context,
        "layer_norm_epsilon": shape.epsilon,
        "activation_function": _activation_name(shape),
        "attention_types": [[pattern, shape.layers // len(pattern)]],
        "attention_layers": kinds,
        "window_size": max(windows) or 256,
        "tie_word_embeddings": shape.tied,
    }


# -- Llama, Mistral, Qwen ----------------------------------------------------------------------------------------------


def _llama_like(published: Published, **settings: Any) -> TransformerConfig:
    width = published.integer("hidden_size")
    heads = published.integer("num_attention_heads")
    base, scaling = _rotary(published)
    head_width: int | None = published.integer("head_dim", default=0) or None
    if head_width is not None and head_width * heads == width:
        head_width = None
    chosen = {"tied": published.flag("tie_word_embeddings", False), "head_width": head_width, **settings}
    return TransformerConfig(
        vocabulary=published.integer("vocab_size"),
        width=width,
        layers=published.integer("num_hidden_layers", most=MOST_LAYERS),
        heads=heads,
        kv_heads=published.integer("num_key_value_heads", default=heads),
        hidden=published.integer("intermediate_size"),
        context=published.integer("max_position_embeddings", default=2048),
        epsilon=published.positive("rms_norm_eps", default=1e-6),
        activation=published.activation("hidden_act", "silu"),
        rotary_base=base,
        rotary_scaling=scaling,
        **chosen,
    )


def read_llama(published: Published) -> TransformerConfig:
    biased = published.flag("attention_bias", False)
    return _llama_like(
        published,
        read_bias=biased,
        write_bias=biased,
        feed_forward_bias=published.flag("mlp_bias", False),
    )


def read_mistral(published: Published) -> TransformerConfig:
    published.must_be("layer_types")
    absent = 0 if "sliding_window" in published.values else 4096  # version 0.1 leaves it out, later ones say null
    window = published.integer("sliding_window", default=absent)
    return _llama_like(published, windows=(window,) if window else ())


def read_qwen2(published: Published) -> TransformerConfig:
    return _llama_like(published, read_bias=True, windows=_qwen_windows(published))


def read_qwen3(published: Published) -> TransformerConfig:
    biased = published.flag("attention_bias", False)
    return _llama_like(
        published,
        head_width=published.integer("head_dim", default=128),
        norm_queries=True,
        read_bias=biased,
        write_bias=biased,
        windows=_qwen_windows(published),
    )


def _qwen_windows(published: Published) -> tuple[int, ...]:
    """Sliding windows from layer `max_window_layers` on, or where `layer_types` says so; mostly switched off."""
    layers = published.integer("num_hidden_layers", most=MOST_LAYERS)
    if not published.flag("use_sliding_window", False):
        return ()
    window = published.integer("sliding_window", default=4096)
    kinds = published.values.get("layer_types")
    if kinds is None:
        first = published.integer("max_window_layers", default=28)
        return _shortest(tuple(window if layer >= first else 0 for layer in range(layers)))
    known = {"full_attention": 0, "sliding_attention": window}
    if not isinstance(kinds, list) or len(kinds) != layers or not set(map(str, kinds)) <= known.keys():
        raise published.refusal(
            "layer_types", kinds, f"full_attention or sliding_attention for each of {layers} layers"
        )
    return _shortest(tuple(known[kind] for kind in kinds))


def _rotary(published: Published) -> tuple[float, RotaryScaling | None]:
    """Base and scaling, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before)."""
    given = published.values.get("rope_parameters") or published.values.get("rope_scaling") or {}
    if not isinstance(given, dict):
        raise published.refusal("rope_scaling", given, "an object or null")
    rope = Published(
        {"rope_theta": published.values.get("rope_theta"), **given}, f"{published.where}: rotary positions"
    )
    rope.must_be("partial_rotary_factor", 1, 1.0)
    base = rope.positive("rope_theta", default=10_000.0)
    kind = given.get("rope_type", given.get("type", "default"))
    context = published.integer("max_position_embeddings", default=2048)
    if kind == "default":
        return base, None
    if kind == "linear":
        return base, RotaryScaling(kind="linear", factor=rope.positive("factor"))
    if kind == "llama3":
        low, high = rope.positive("low_freq_factor"), rope.positive("high_freq_factor")
        if high <= low:
            raise rope.refusal("high_freq_factor", high, f"greater than low_freq_factor, {low}")
        scaling = RotaryScaling(
            kind="llama3",
            factor=rope.positive("factor"),
            original_context=rope.integer("original_max_position_embeddings", default=context),
            low=low,
            high=high,
        )
        return base, scaling
    if kind == "yarn":
        return base, _yarn(rope, context)
    raise rope.refusal("rope_type", kind, "default, linear, llama3 or yarn; other scalings are not built here")


def _yarn(rope: Published, context: int) -> RotaryScaling:
    for key in ("mscale", "mscale_all_dim", "truncate"):
        rope.must_be(key, *((True,) if key == "truncate" else ()))
    factor = rope.positive("factor")

    return RotaryScaling(
        kind="yarn",
        factor=factor,
        original_context=rope.integer("original_max_position_embeddings", default=context),
        low=rope.positive("beta_slow", default=1.0),
        high=rope.positive("beta_fast", default=32.0),
        magnitude=rope.positive("attention_factor", default=0.1 * math.log(factor) + 1 if factor > 1 else 1.0),
    )


def _write_llama_like(shape: TransformerConfig) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.per_head,
        "intermediate_size": shape.hidden,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.epsilon,
        "hidden_act": _activation_name(shape),
        "rope_theta": shape.rotary_base,
        "rope_scaling": _write_scaling(shape.rotary_scaling),
        "tie_word_embeddings": shape.tied,
    }


def _write_scaling(scaling: RotaryScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    written: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind != "linear":
        written["original_max_position_embeddings"] = scaling.original_context
    if scaling.kind == "llama3":
        written |= {"low_freq_factor": scaling.low, "high_freq_factor": scaling.high}
    if scaling.kind == "yarn":
        written |= {"beta_slow": scaling.low, "beta_fast": scaling.high, "attention_factor": scaling.magnitude}
    return written


def write_llama(shape: TransformerConfig) -> dict[str, Any]:
    biases = {"attention_bias": shape.read_bias, "mlp_bias": shape.feed_forward_bias}
    return {**_write_llama_like(shape), **biases}


def write_mistral(shape: TransformerConfig) -> dict[str, Any]:
    return {**_write_llama_like(shape), "sliding_window": shape.window(0) or None}


def write_qwen2(shape: TransformerConfig) -> dict[str, Any]:
    windows = [shape.window(layer) for layer in range(shape.layers)]
    sliding: dict[str, Any] = {"use_sliding_window": any(windows)}
    if any(windows):
        sliding["sliding_window"] = max(windows)
        sliding["layer_types"] = ["sliding_attention" if window else "full_attention" for window in windows]
    return {**_write_llama_like(shape), **sliding}


def write_qwen3(shape: TransformerConfig) -> dict[str, Any]:
    return {**write_qwen2(shape), "attention_bias": shape.read_bias}


# -- shared ------------------------------------------------------------------------------------------------------------


def _activation_name(shape: TransformerConfig) -> str:
    return "gelu_new" if shape.activation == "gelu_tanh" else shape.activation


def canonical(shape: TransformerConfig) -> TransformerConfig:
    """The same shape with what can be said in two ways said in one."""
    return replace(
        shape,
        head_width=None if shape.per_head * shape.heads == shape.width else shape.per_head,
        rotary_width=None if shape.turned in (0, shape.per_head) else shape.turned,
        rotary_base=shape.rotary_base if shape.positions == "rotary" else 10_000.0,
        windows=_shortest(tuple(shape.window(layer) for layer in range(shape.layers))),
    )


def _shortest(pattern: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shortest beginning that, repeated, gives the whole; empty if nothing but zeros."""
    if not any(pattern):
        return ()
    for length in range(1, len(pattern) + 1):
        if len(pattern) % length == 0 and pattern == pattern[:length] * (len(pattern) // length):
            return pattern[:length]
    return pattern
