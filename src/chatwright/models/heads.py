"""Heads turn a backbone's vectors into an answer: the next token's logits, or one number per token.

Shapes: B rows, T tokens, W width, V vocabulary.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from chatwright.models.layers import Linear
from chatwright.models.state import CacheState
from chatwright.models.transformer import Transformer

__all__ = ["LanguageModel", "ScalarModel", "as_scalar_model", "count_parameters", "training_flops_per_token"]


class LanguageModel(nn.Module):
    """Predicts the next token: a policy, or the reference it must not stray from."""

    def __init__(self, backbone: Transformer) -> None:
        super().__init__()
        self.backbone = backbone
        config = backbone.config
        self.unembedding = None if config.tied else Linear(config.width, config.vocabulary, bias=False)

    @property
    def output_weight(self) -> Tensor:
        return self.backbone.embedding.weight if self.unembedding is None else self.unembedding.weight

    def logits(self, vectors: Tensor) -> Tensor:
        """Logits [..., V] of vectors [..., W], in the vectors' dtype."""
        return F.linear(vectors, self.output_weight.to(vectors.dtype))

    def forward(
        self, tokens: Tensor, state: CacheState | None = None, *, documents: Tensor | None = None
    ) -> tuple[Tensor, CacheState | None]:
        """Logits [B, T, V] of what follows each token, and the new state."""
        vectors, state = self.backbone(tokens, state, documents=documents)
        return self.logits(vectors), state


class ScalarModel(nn.Module):
    """Gives every token one number: a reward model (read at the end token) or a value function."""

    def __init__(self, backbone: Transformer) -> None:
        super().__init__()
        self.backbone = backbone
        self.readout = nn.Linear(backbone.width, 1)
        # N(0, 1/sqrt(W+1)): small first scores (Ziegler et al. 2019); a value function starts from the reward model.
        nn.init.normal_(self.readout.weight, std=(backbone.width + 1) ** -0.5)
        nn.init.zeros_(self.readout.bias)

    def forward(
        self, tokens: Tensor, state: CacheState | None = None, *, documents: Tensor | None = None
    ) -> tuple[Tensor, CacheState | None]:
        """Scores float32 [B, T], and the new state."""
        vectors, state = self.backbone(tokens, state, documents=documents)
        return self.readout(vectors.float()).squeeze(-1), state


def as_scalar_model(model: LanguageModel) -> ScalarModel:
    """A scalar model that starts from a copy of a language model's backbone."""
    scalar = ScalarModel(Transformer(model.backbone.config))
    scalar.backbone.load_state_dict(model.backbone.state_dict())
    scalar.backbone.dtype = model.backbone.dtype
    return scalar.to(next(model.parameters()).device)


def count_parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def training_flops_per_token(model: LanguageModel | ScalarModel, context: int) -> float:
    """Floating-point operations to learn from one token: 6 N for the weights in matrices, plus causal attention.

    Kaplan et al. 2020, section 2.1: forward 2 N + 2 layers context width, backward twice that. The embedding look-up
    is free; a tied output matrix counts once.
    """
    config = model.backbone.config
    matrices = sum(weight.numel() for name, weight in model.named_parameters() if weight.ndim == 2)
    if isinstance(model, ScalarModel) or not config.tied:
        matrices -= config.vocabulary * config.width
    return float(6 * matrices + 6 * config.layers * context * config.width)
