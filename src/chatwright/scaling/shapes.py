"""The shape of a network as numbers: parameters part by part, and floating-point operations per token. No torch.

In: a number of parameters, or the `model.json` of a model.  Out: a `Shape`.
`tests/test_scaling_shapes.py` holds the counts against published models and against networks that are built here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chatwright.disk import read_json
from chatwright.errors import ArtefactError, ConfigError
from chatwright.folders import model_folder

__all__ = ["Shape", "description_file", "read_shape", "shape_in", "shape_of"]

VOCABULARY = 32_000
"""Of a model of which only the number of parameters is known."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a causal language model; what is unsaid is shaped like Llama."""

    vocabulary: int
    width: int
    layers: int
    heads: int = 1
    kv_heads: int = 1
    head_width: int = 0
    """0: width / heads."""
    hidden: int = 0
    """Width of the feed-forward layer."""
    context: int = 2048
    recurrent: bool = False
    """An LSTM: no attention, no feed-forward layer, and a memory of one size."""
    windows: tuple[int, ...] = ()
    """Tokens that a layer sees, repeated over the layers; 0: all."""
    gated: bool = True
    tied: bool = True
    learned_positions: bool = False
    norm_biases: bool = False
    block_norms: int = 2
    final_norm: bool = True
    norm_queries: bool = False
    read_bias: bool = False
    write_bias: bool = False
    feed_forward_bias: bool = False
    head_bias: bool = False
    scalar: bool = False
    """A reward model or value function: one number per token instead of a vocabulary."""

    def __post_init__(self) -> None:
        if min(self.vocabulary, self.width, self.layers, self.heads, self.kv_heads, self.context) < 1:
            raise ConfigError("every size of a model's shape must be at least 1")

    @property
    def per_head(self) -> int:
        return self.head_width or self.width // self.heads

    @property
    def parts(self) -> dict[str, int]:
        """Parameters of each part; a tied output matrix is counted once, with the embedding."""
        output = self.vocabulary * self.width * (not self.tied) + self.vocabulary * self.head_bias
        counts = {"embedding": self.vocabulary * self.width + self.learned_positions * self.context * self.width}
        if self.recurrent:
            counts["recurrence"] = self.layers * 8 * (self.width**2 + self.width)
        else:
            norm = self.width * (1 + self.norm_biases)
            counts["attention"] = self.layers * (self._attention + self._attention_biases)
            counts["feed-forward"] = self.layers * (self._feed_forward + self._feed_forward_biases)
            counts["norms"] = (self.layers * self.block_norms + self.final_norm) * norm
            counts["norms"] += self.layers * 2 * self.per_head * self.norm_queries
        counts["head"] = self.width + 1 if self.scalar else output
        return counts

    @property
    def parameters(self) -> int:
        return sum(self.parts.values())

    @property
    def in_products(self) -> int:
        """Parameters that every token is multiplied with: matrices of the blocks and of the head, no look-ups."""
        head = self.width if self.scalar else self.vocabulary * self.width
        if self.recurrent:
            return self.layers * 8 * self.width**2 + head
        return self.layers * (self._attention + self._feed_forward) + head

    def attention_flops(self, context: int, *, causal: bool = True) -> float:
        """Operations per token to learn to look at `context` tokens: 6 heads head-width context, per layer.

        That is the causal half; in a window w a token sees w - w^2 / (2 context) tokens on average. Not causal: all are
        counted, twice as many, as utilisation is published since PaLM (Chowdhery et al. 2022, appendix B).
        """
        if self.recurrent:
            return 0.0
        own = (self.windows[layer % len(self.windows)] if self.windows else 0 for layer in range(self.layers))
        windows = [min(window or context, context) for window in own]
        seen = sum(window - window**2 / (2 * context) if causal else window for window in windows)
        return 12.0 * self.heads * self.per_head * seen

    def training_flops(self, context: int, *, causal: bool = True) -> float:
        """Operations per token learned: 6 per weight in a product (Kaplan et al. 2020, 2.1), and attention."""
        return 6.0 * self.in_products + self.attention_flops(context, causal=causal)

    def reading_flops(self, context: int) -> float:
        """Operations per token read or written behind `context` others: the forward pass alone."""
        # A new token looks at all of the context: no causal half.
        return 2.0 * self.in_products + self.attention_flops(context, causal=False) / 3

    def cache_bytes(self, context: int, bytes_per_value: int = 2) -> int:
        """Memory of one conversation of `context` tokens: keys and values, or an LSTM's two vectors per layer."""
        if self.recurrent:
            return 2 * self.layers * self.width * 4
        return 2 * self.layers * self.kv_heads * self.per_head * bytes_per_value * context

    @property
    def _attention(self) -> int:
        return self.width * (2 * self.heads + 2 * self.kv_heads) * self.per_head

    @property
    def _attention_biases(self) -> int:
        return self.read_bias * (self.heads + 2 * self.kv_heads) * self.per_head + self.write_bias * self.width

    @property
    def _feed_forward(self) -> int:
        return (3 if self.gated else 2) * self.width * self.hidden

    @property
    def _feed_forward_biases(self) -> int:
        return self.feed_forward_bias * ((2 if self.gated else 1) * self.hidden + self.width)

    @classmethod
    def of_parameters(cls, parameters: float, *, context: int = 2048, vocabulary: int | None = None) -> Shape:
        """A Llama-like shape of about so many parameters: deeper and wider together, 128 wide per layer from 7B on."""
        if vocabulary is None:
            vocabulary = VOCABULARY if parameters >= 1e8 else 8192 if parameters >= 1e7 else 1024
        candidates = (_llama(layers, parameters, context, vocabulary) for layers in range(1, 161))
        aspect = 128 if parameters >= 2e9 else 64
        width_of_hidden = 3.5 if parameters >= 2e10 else 8 / 3  # fewer key/value heads leave more to it

        def badness(shape: Shape) -> float:
            ratio = shape.width / (aspect * shape.layers)
            hidden = shape.hidden / (width_of_hidden * shape.width)
            return abs(shape.parameters / parameters - 1) * 10 + max(ratio, 1 / ratio) + max(hidden, 1 / hidden)

        return min(candidates, key=badness)


def _llama(layers: int, parameters: float, context: int, vocabulary: int) -> Shape:
    """The shape of so many layers that comes nearest to a number of parameters."""
    # 12 layers width^2 + 2 vocabulary width = parameters
    half = vocabulary / (12 * layers)
    step = 1024 if parameters >= 5e9 else 128 if parameters >= 1e9 else 64 if parameters >= 1e7 else 16
    width = max(step, round(((half**2 + parameters / (12 * layers)) ** 0.5 - half) / step) * step)
    heads = max(1, width // 128) if parameters >= 1e9 else max(1, width // 64)
    while width % heads:
        heads -= 1
    bare = Shape(
        vocabulary=vocabulary,
        width=width,
        layers=layers,
        heads=heads,
        kv_heads=8 if parameters >= 2e10 and heads % 8 == 0 else heads,
        context=context,
        tied=False,
    )
    # The feed-forward layer takes what is left, so that the sum comes out.
    fine = 32 if parameters >= 1e7 else 4
    return replace(bare, hidden=max(fine, round((parameters - bare.parameters) / (3 * width * layers) / fine) * fine))


def read_shape(folder: Path) -> Shape:
    """The shape of the model in a folder, by its model.json alone. Raises ArtefactError if there is none."""
    return shape_in(description_file(folder))


def description_file(folder: Path) -> Path:
    """The model.json of a model folder, a stage folder or a recipe run; weights are not read to check them."""
    found = (path for path in (folder / "model.json", folder / "model" / "model.json") if path.is_file())
    return next(found, None) or model_folder(folder) / "model.json"


def shape_in(path: Path) -> Shape:
    """The shape that a model.json describes."""
    try:
        return shape_of(read_json(path))
    except (KeyError, TypeError, ValueError, ConfigError) as problem:
        raise ArtefactError(f"{path} does not describe a model that can be counted ({problem})") from None


def shape_of(described: Mapping[str, Any]) -> Shape:
    """The shape that the content of a model.json describes."""
    own = described["backbone"]
    shape = Shape(
        vocabulary=int(own["vocabulary"]),
        width=int(own["width"]),
        layers=int(own["layers"]),
        context=int(own["context"]),
        tied=bool(own.get("tied", True)),
        scalar=described.get("head") == "scalar",
    )
    if shape.scalar:
        shape = replace(shape, tied=True)  # there is no output matrix
    kind = own.get("kind", "transformer")
    if kind == "recurrent":
        return replace(shape, recurrent=True)
    if kind != "transformer":
        raise ValueError(f"the backbone is {kind!r}")
    return replace(
        shape,
        heads=int(own["heads"]),
        kv_heads=int(own["kv_heads"]),
        hidden=int(own["hidden"]),
        head_width=int(own.get("head_width") or 0),
        windows=tuple(int(window) for window in own.get("windows") or ()),
        gated=bool(own.get("gated", True)),
        learned_positions=own.get("positions", "rotary") == "learned",
        norm_biases=own.get("norm", "rms") == "layer",
        block_norms=1 if own.get("parallel", False) else 2,
        final_norm=bool(own.get("final_norm", True)),
        norm_queries=bool(own.get("norm_queries", False)),
        **{name: bool(own.get(name, False)) for name in ("read_bias", "write_bias", "feed_forward_bias")},
        head_bias=bool(own.get("head_bias", False)) and not shape.scalar,
    )
