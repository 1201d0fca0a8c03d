"""A model's embeddings: which tokens lie near each other, all of them on a map, and how positions relate.

In: a language model.  Out: neighbours by cosine, a 2-D map by principal components, similarities of positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from chatwright.errors import InputError
from chatwright.explaining.tracing import backbone_of
from chatwright.models.heads import LanguageModel

__all__ = ["Map", "Positions", "embedding_map", "neighbours", "positions"]

POSITIONS_SHOWN = 128


@dataclass(frozen=True)
class Map:
    """Every token as a point."""

    points: bytes
    """float32, little-endian, [V, 2]."""
    size: int
    explained: tuple[float, float]
    """Share of the embeddings' variance that lies along each axis."""


@dataclass(frozen=True)
class Positions:
    """How alike positions are to the model, before it has read a word. Cosines, -1 to 1."""

    kind: str
    length: int
    similarity: list[list[float]]
    by_distance: list[float]
    """Mean similarity of positions so far apart."""


def neighbours(model: LanguageModel, token: int, *, top: int = 10) -> list[tuple[int, float]]:
    """The tokens whose embeddings point the same way, nearest first, with their cosines."""
    table = _table(model)
    if not 0 <= token < len(table):
        raise InputError(f"there is no token {token}; this model's ids are 0 to {len(table) - 1}")
    cosines = F.cosine_similarity(table, table[token][None], dim=-1)
    cosines[token] = -2.0
    values, ids = cosines.topk(min(top, len(table) - 1))
    return list(zip(ids.tolist(), values.tolist(), strict=True))


def embedding_map(model: LanguageModel) -> Map:
    """Two principal components of the embeddings; the largest entry of each axis is positive, so that maps repeat."""
    table = _table(model)
    centred = (table - table.mean(dim=0)).double()
    variances, axes = torch.linalg.eigh(centred.T @ centred)
    axes = axes[:, [-1, -2]]
    axes = axes * torch.sign(axes.gather(0, axes.abs().argmax(dim=0)[None]))
    points = (centred @ axes).float().cpu().numpy().astype("<f4")
    total = float(variances.sum().clamp(min=1e-30))
    return Map(points.tobytes(), len(table), (float(variances[-1]) / total, float(variances[-2]) / total))


def positions(model: LanguageModel) -> Positions:
    """Learned positions: cosines of their vectors. Rotary: how much of two equal vectors' product is left."""
    backbone = backbone_of(model)
    config = backbone.config
    length = min(POSITIONS_SHOWN, config.context)
    if backbone.position_embedding is not None:
        rows = F.normalize(backbone.position_embedding.weight[:length].float(), dim=-1)
    elif config.turned:
        # A pair of equal unit vectors, turned by their positions, keeps cos(angle) of its product in each plane.
        rows = F.normalize(torch.cat([backbone.cosines[:length], backbone.sines[:length]], dim=-1).float(), dim=-1)
    else:
        return Positions("none", 0, [], [])
    similarity = (rows @ rows.T).detach().clamp(-1, 1)
    by_distance = [float(similarity.diagonal(-distance).mean()) for distance in range(length)]
    return Positions(config.positions, length, similarity.tolist(), by_distance)


def _table(model: LanguageModel) -> Tensor:
    return backbone_of(model).embedding.weight.detach().float()
