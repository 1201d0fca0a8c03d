"""Tokens, and a look inside a model, as `/api/v1` shows them."""

from __future__ import annotations

from typing import Literal

from chatwright.serving.web.shown.plain import Shown

__all__ = [
    "AblationShown",
    "Attribution",
    "Lens",
    "NamedTokens",
    "Neighbours",
    "NextTokens",
    "OpenedText",
    "PositionShown",
    "PositionsShown",
    "TokenMerges",
    "TokenList",
]


class NamedToken(Shown):
    """`bytes` is base64. A control token shows its name."""

    id: int
    bytes: str
    text: str
    control: bool


class TextToken(NamedToken):
    """Places count characters."""

    start: int
    end: int


class TokenList(Shown):
    model: str
    tokens: list[TextToken]
    size: int
    """Of the vocabulary."""


class MergePart(Shown):
    """Bytes that are no token of their own."""

    bytes: str
    text: str


class MergeToken(MergePart):
    id: int


class Merge(Shown):
    rank: int | None
    left: MergeToken | MergePart
    right: MergeToken | MergePart
    result: MergeToken | MergePart


class TokenMerges(NamedToken):
    steps: list[Merge]
    count: int | None


# -- explain --


class OpenedToken(NamedToken):
    """`start` and `end` are null in a conversation, where control tokens stand between the texts."""

    start: int | None
    end: int | None


class OpenedText(Shown):
    id: str
    model: str
    layers: int
    heads: int
    kv_heads: int
    length: int
    width: int
    positions: str
    windows: list[int]
    """How many tokens each layer looks back; 0: all."""
    tokens: list[OpenedToken]


class PositionShown(Shown):
    """One token's attention in one head, in numbers; lists go over the tokens of the text."""

    layer: int
    head: int
    token: int
    query: list[float]
    keys: list[list[float]]
    scale: float
    dot: list[float]
    scaled: list[float]
    masked: list[bool]
    weights: list[float]
    contribution: list[float]


class LensToken(Shown):
    id: int
    text: str
    p: float


class LensLayer(Shown):
    layer: int
    positions: list[list[LensToken]]


class Lens(Shown):
    layers: list[LensLayer]


class LikelyToken(NamedToken):
    logit: float
    p: float


class NextDistribution(Shown):
    """Entropy in bits; `rest` is the probability of all tokens that are not in `top`."""

    entropy: float
    top: list[LikelyToken]
    rest: float


class NextTokens(NextDistribution):
    position: int


class Target(Shown):
    id: int
    text: str


class Attribution(Shown):
    method: Literal["occlusion", "gradient"]
    target: Target
    position: int
    scores: list[float]
    logp: float


class AblationShown(Shown):
    """`kl`: the Kullback-Leibler divergence of `off` from `on`, in nats."""

    on: NextDistribution
    off: NextDistribution
    kl: float


class NearToken(NamedToken):
    similarity: float


class Neighbours(Shown):
    token: NamedToken
    neighbours: list[NearToken]


class NamedTokens(Shown):
    tokens: list[NamedToken]


class PositionsShown(Shown):
    kind: Literal["learned", "rotary", "none"]
    length: int
    similarity: list[list[float]]
    by_distance: list[float]
