"""Heads turn a backbone's vectors into an answer: the next token's logits, or one number per token.

Shapes: B rows, T tokens, W width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatwright.models.layers import Linear
from chatwright.models.recurrent import Recurrent, RecurrentConfig
from chatwright.models.state import State
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.models.vocabulary import TokenRows

__all__ = [
    "Backbone",
    "LanguageModel",
    "ScalarModel",
    "as_scalar_model",
    "count_parameters",
    "new_backbone",
    "training_flops_per_token",
]

Backbone = Transformer | Recurrent


class LanguageModel(nn.Module):
    """Predicts the next token: a policy, or the reference it must not stray from."""

    imported: Mapping[str, Any] | None = None
    """Where published weights came from (`publishing/importer.py`); goes with the model through every stage."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        config = backbone.config
        self.unembedding = None if config.tied else Linear(config.width, config.vocabulary, bias=False)
        biased = isinstance(config, TransformerConfig) and config.head_bias
        self.output_bias = nn.Parameter(torch.zeros(config.vocabulary)) if biased else None

    @property
    def output_weight(self) -> Tensor:
        return self.backbone.embedding.weight if self.unembedding is None else self.unembedding.weight

    @property
    def output_rows(self) -> Tensor | None:
        """What stands for the last rows of the output matrix where only those are learned (`vocabulary.py`)."""
        table = self.backbone.embedding if self.unembedding is None else self.unembedding
        return table.rows if isinstance(table, TokenRows) else None

    def logits(self, vectors: Tensor) -> Tensor:
        """Logits [..., V] of vectors [..., W], in the vectors' dtype."""
        bias = None if self.output_bias is None else self.output_bias.to(vectors.dtype)
        logits = F.linear(vectors, self.output_weight.to(vectors.dtype), bias)
        if (rows := self.output_rows) is not None:
            last = F.linear(vectors, rows.to(vectors.dtype), None if bias is None else bias[-len(rows) :])
            logits = torch.cat([logits[..., : -len(rows)], last], dim=-1)
        return logits

    def forward(
        self, tokens: Tensor, state: State | None = None, *, documents: Tensor | None = None
    ) -> tuple[Tensor, State | None]:
        """Logits [B, T, V] of what follows each token, and the new state."""
        vectors, state = self.backbone(tokens, state, documents=documents)
        return self.logits(vectors), state


class ScalarModel(nn.Module):
    """Gives every token one number: a reward model (read at the end token) or a value function."""

    imported: Mapping[str, Any] | None = None

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.readout = Linear(backbone.width, 1)
        if self.readout.weight.is_meta:
            return  # a shape without weights: they are loaded
        # N(0, 1/sqrt(W+1)): small first scores (Ziegler et al. 2019); a value function starts from the reward model.
        nn.init.normal_(self.readout.weight, std=(backbone.width + 1) ** -0.5)
        nn.init.zeros_(self.readout.bias)

    def forward(
        self, tokens: Tensor, state: State | None = None, *, documents: Tensor | None = None
    ) -> tuple[Tensor, State | None]:
        """Scores float32 [B, T], and the new state."""
        vectors, state = self.backbone(tokens, state, documents=documents)
        return self.readout(vectors.float()).squeeze(-1), state


def new_backbone(config: TransformerConfig | RecurrentConfig) -> Backbone:
    """A backbone of this shape with new weights."""
    return Recurrent(config) if isinstance(config, RecurrentConfig) else Transformer(config)


def as_scalar_model(model: LanguageModel) -> ScalarModel:
    """A scalar model that starts from a copy of a language model's backbone."""
    scalar = ScalarModel(new_backbone(model.backbone.config))
    scalar.backbone.load_state_dict(model.backbone.state_dict())
    scalar.backbone.dtype = model.backbone.dtype
    scalar.imported = model.imported
    return scalar.to(model.backbone.embedding.weight.device)


def count_parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def training_flops_per_token(model: LanguageModel | ScalarModel, context: int) -> float:
    """Floating-point operations to learn from one token: 6 N for the weights in matrices, plus causal attention.

    Kaplan et al. 2020, section 2.1: forward 2 N + 2 layers context width, backward twice that; a token sees half the
    context on average, or most of a window w: w - w^2 / (2 context). The embedding look-up is free; a tied output
    matrix counts once.
    """
    config = model.backbone.config
    matrices = sum(weight.numel() for name, weight in model.state_dict().items() if weight.ndim == 2)
    if isinstance(model, ScalarModel) or not config.tied:
        matrices -= config.vocabulary * config.width
    if isinstance(config, RecurrentConfig):  # its memory has one size, however much it has read
        return float(6 * matrices)
    if config.positions == "learned":
        matrices -= config.context * config.width
    windows = [min(config.window(layer) or context, context) for layer in range(config.layers)]
    seen = sum(window - window**2 / (2 * context) for window in windows)
    return float(6 * matrices + 12 * seen * config.heads * config.per_head)
