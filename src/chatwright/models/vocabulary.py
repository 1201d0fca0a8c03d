"""Room for new tokens: a model whose embedding grows, and rows of it that are learned while the rest stays frozen.

In: a model and a larger vocabulary.  Out: the same model with rows for the new ids, each the mean of the old ones, so
that at first every new token is as likely as an average one (Hewitt 2021, "Initializing new word embeddings").

Shapes: V vocabulary, N new tokens, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from chatwright.models.heads import LanguageModel

__all__ = ["TokenRows", "grow"]


def grow(model: LanguageModel, new: Sequence[int]) -> int:
    """Give a model rows for new ids, in place, each the mean of the rows before them; returns the rows from there on.

    Tables that have room to spare, as published ones do, are only filled in.
    """
    if not new:
        return 0
    backbone, first = model.backbone, min(new)
    rows = max(backbone.config.vocabulary, max(new) + 1)
    for table in (backbone.embedding, model.unembedding):
        if table is not None:
            table.weight = _grown(table.weight, new, rows)
    if model.output_bias is not None:
        model.output_bias = _grown(model.output_bias, new, rows)
    backbone.embedding.num_embeddings = rows
    if model.unembedding is not None:
        model.unembedding.out_features = rows
    backbone.config = replace(backbone.config, vocabulary=rows)
    return rows - first


def _grown(old: Tensor, new: Sequence[int], rows: int) -> nn.Parameter:
    table = torch.zeros(rows, *old.shape[1:], dtype=old.dtype, device=old.device)
    table[: len(old)] = old.detach()
    table[list(new)] = old.detach()[: min(new)].float().mean(dim=0).to(old.dtype)
    return nn.Parameter(table, requires_grad=old.requires_grad)


class TokenRows(nn.Module):
    """A frozen table [V, W] whose last N rows are learned: they stand in `rows`, and the table's own are not read."""

    weight: Tensor

    def __init__(self, weight: Tensor, new: int) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.rows = nn.Parameter(weight[len(weight) - new :].detach().float().clone())

    def forward(self, tokens: Tensor) -> Tensor:
        """Rows of the table for `tokens`."""
        first = len(self.weight) - len(self.rows)
        old = F.embedding(tokens, self.weight).to(self.rows.dtype)
        return torch.where((tokens >= first)[..., None], F.embedding((tokens - first).clamp(min=0), self.rows), old)

    def joined(self) -> Tensor:
        """The whole table [V, W] in float32, as a new tensor."""
        return torch.cat([self.weight[: len(self.weight) - len(self.rows)].float(), self.rows.detach()])
