"""Log-probabilities that people ask for: of the tokens of a prompt, and of what else might have been said.

The logits of a long prompt would not fit in memory at once ([T, V] in float32); they are computed for a few tokens at
a time. Shapes: T tokens, W width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chatwright.generation.rows import Alternatives, Scored
from chatwright.generation.sampling import Choice
from chatwright.models.decoding import Decoder

__all__ = ["alternatives", "score"]

AT_ONCE = 64
"""Tokens of a prompt whose logits are in memory together."""


def alternatives(choice: Choice, tops: Sequence[int]) -> list[Alternatives]:
    """For every row its `tops` likeliest tokens, likeliest first, and its own token if it is not among them."""
    most = min(max(tops, default=0), choice.scaled.shape[1])
    if not most:
        return [()] * len(tops)
    places = choice.scaled.topk(most, dim=-1).indices
    values = choice.logps(torch.cat([choice.tokens[:, None], places], dim=1)).tolist()
    found = []
    for own, token, ranked, top in zip(values, choice.tokens.tolist(), places.tolist(), tops, strict=True):
        pairs = list(zip(ranked[:top], own[1 : top + 1], strict=True))
        if top and token not in ranked[:top]:
            pairs.append((token, own[0]))
        found.append(tuple(pairs))
    return found


def score(model: Decoder, vectors: Tensor, tokens: Sequence[int], top: int) -> list[Scored]:
    """How likely each of `tokens` [T] is under softmax(logits) of the vector [T, W] before it."""
    scored: list[Scored] = []
    for start in range(0, len(tokens), AT_ONCE):
        logits = model.logits(vectors[start : start + AT_ONCE]).float()
        own = torch.tensor(tokens[start : start + AT_ONCE], device=logits.device)
        choice = Choice(own, logits, logits.logsumexp(dim=-1, keepdim=True))
        logps = choice.logps(own[:, None]).squeeze(1).tolist()
        tops = alternatives(choice, [top] * len(own))
        scored += [Scored(*parts) for parts in zip(own.tolist(), logps, tops, strict=True)]
    return scored
