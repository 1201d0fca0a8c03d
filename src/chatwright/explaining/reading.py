"""What can be read off a trace: attention, one token's arithmetic, logit lens, next tokens, attribution, ablation.

In: a `Trace`.  Out: numbers and token ids, ready to be shown; probabilities are shares of 1, entropies bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log
from typing import Literal

import torch
from torch import Tensor

from chatwright.errors import InputError
from chatwright.explaining.tracing import Trace

__all__ = [
    "Ablation",
    "Distribution",
    "Likely",
    "PositionLook",
    "ablation",
    "attention_bytes",
    "attribution",
    "lens",
    "next_tokens",
    "position_look",
]

Method = Literal["occlusion", "gradient"]
OCCLUSION_FLOPS = 1e12
"""Arithmetic that one occlusion may take, some ten seconds of one core; above that neighbours are blanked together."""
ROWS_AT_ONCE = 16


@dataclass(frozen=True)
class Likely:
    """A token that may come next."""

    token: int
    logit: float
    probability: float


@dataclass(frozen=True)
class Distribution:
    """What may come next: the likeliest tokens, the share of all others, and how open it is."""

    top: tuple[Likely, ...]
    rest: float
    entropy: float
    """Bits."""


@dataclass(frozen=True)
class PositionLook:
    """One token's attention in one head, step by step; lists have one entry for each token of the text."""

    query: list[float]
    keys: list[list[float]]
    scale: float
    dot: list[float]
    scaled: list[float]
    masked: list[bool]
    weights: list[float]
    contribution: list[float]
    """Length of each value as it is weighted: what it adds to the head's output."""


@dataclass(frozen=True)
class Ablation:
    """The last token's next tokens with every head, and with some of them off."""

    on: Distribution
    off: Distribution
    kl: float
    """Nats by which `off` differs from `on`: KL(on || off)."""


def attention_bytes(trace: Trace, layer: int) -> bytes:
    """All heads' attention weights of a layer as uint8 [H, T, T], row by row; 255 is a weight of 1."""
    weights = trace.look(layer).weights[0]
    found: bytes = (weights * 255).round().to(torch.uint8).cpu().numpy().tobytes()
    return found


def position_look(trace: Trace, layer: int, head: int, token: int) -> PositionLook:
    """How one token's attention comes about in one head. Raises InputError for a place that is not there."""
    look = trace.look(layer)
    if not 0 <= head < trace.config.heads:
        raise InputError(f"there is no head {head}; each layer has heads 0 to {trace.config.heads - 1}")
    if not 0 <= token < len(trace):
        raise InputError(f"there is no token {token}; the text has tokens 0 to {len(trace) - 1}")
    dot = look.scores[0, head, token]
    weights = look.weights[0, head, token]
    return PositionLook(
        query=look.queries[0, head, token].tolist(),
        keys=look.keys[0, head].tolist(),
        scale=look.scale,
        dot=dot.tolist(),
        scaled=(dot * look.scale).tolist(),
        masked=look.hidden[token].tolist(),
        weights=weights.tolist(),
        contribution=(look.values[0, head].norm(dim=-1) * weights).tolist(),
    )


def lens(trace: Trace, *, top: int = 5) -> list[list[list[Likely]]]:
    """The logit lens (nostalgebraist 2020): each layer's vectors read out as if the model ended there.

    The likeliest `top` tokens by layer (0: the embedding; the last: the model's own output) and place in the text.
    """
    layers = []
    with torch.no_grad():
        for stream in trace.streams:
            logits = trace.read_out(stream)
            values, ids = logits.topk(min(top, logits.shape[-1]), dim=-1)
            shares = (values - logits.logsumexp(dim=-1, keepdim=True)).exp()
            rows = zip(ids.tolist(), values.tolist(), shares.tolist(), strict=True)
            layers.append([[Likely(*each) for each in zip(*row, strict=True)] for row in rows])
    return layers


def next_tokens(trace: Trace, *, top: int = 20, temperature: float = 1.0, position: int = -1) -> Distribution:
    """What comes after the token at `position` (from the end if negative)."""
    return _distribution(trace.logits()[_place(trace, position)] / max(temperature, 1e-3), top)


def ablation(trace: Trace, off: Mapping[int, Sequence[int]], *, top: int = 20) -> Ablation:
    """Next tokens after the whole text with heads (by layer) switched off, beside those of the whole model."""
    on, without = trace.logits()[-1], trace.logits(off)[-1]
    logps, others = on.log_softmax(-1), without.log_softmax(-1)
    kl = float((logps.exp() * (logps - others)).sum())
    return Ablation(_distribution(on, top), _distribution(without, top), max(0.0, kl))


def attribution(
    trace: Trace, method: Method, *, target: int | None = None, position: int = -1
) -> tuple[int, float, list[float]]:
    """How much each token speaks for `target` (None: the likeliest) to come after `position`.

    Returns the target, its log-probability, and a score for each token up to the position, 0 for later ones.
    Occlusion: by how much the log-probability falls when the token's embedding is replaced by the mean embedding.
    Gradient: input times gradient (Shrikumar et al. 2016) of the log-probability.
    """
    place = _place(trace, position)
    logits = trace.logits()[place]
    if target is None:
        target = int(logits.argmax())
    if not 0 <= target < len(logits):
        raise InputError(f"the target {target} is no token of this model; its ids are 0 to {len(logits) - 1}")
    logp = float(logits.log_softmax(-1)[target])
    scores = (_gradients if method == "gradient" else _occlusions)(trace, target, place, logp)
    return target, logp, scores


def _gradients(trace: Trace, target: int, place: int, logp: float) -> list[float]:
    with torch.enable_grad():
        rows = _rows(trace)[None].detach().requires_grad_(True)
        final = _through(trace, rows)[0, place]
        (slope,) = torch.autograd.grad(trace.read_out(final).log_softmax(-1)[target], rows)
    return [float(score) for score in (rows * slope).sum(dim=-1)[0].detach()]


def _occlusions(trace: Trace, target: int, place: int, logp: float) -> list[float]:
    rows = _rows(trace)
    mean = trace.backbone.embedding.weight.float().mean(dim=0)
    weights = sum(weight.numel() for weight in trace.backbone.blocks.parameters())
    together = max(1, ceil(2.0 * weights * len(trace) * (place + 1) / OCCLUSION_FLOPS))
    starts = list(range(0, place + 1, together))
    scores = [0.0] * len(trace)
    with torch.no_grad():
        for first in range(0, len(starts), ROWS_AT_ONCE):
            part = starts[first : first + ROWS_AT_ONCE]
            variants = rows.repeat(len(part), 1, 1)
            for variant, start in zip(variants, part, strict=True):
                variant[start : min(start + together, place + 1)] = mean
            logps = trace.read_out(_through(trace, variants)[:, place]).log_softmax(-1)[:, target]
            for start, own in zip(part, logps.tolist(), strict=True):
                for token in range(start, min(start + together, place + 1)):
                    scores[token] = logp - own
    return scores


def _rows(trace: Trace) -> Tensor:
    """The tokens' embeddings [T, W], before any scale or position."""
    ids = torch.tensor(trace.tokens, device=trace.backbone.embedding.weight.device)
    with torch.no_grad():
        rows: Tensor = trace.backbone.embedding(ids).float()
    return rows


def _through(trace: Trace, rows: Tensor) -> Tensor:
    x = trace.embed(rows)
    for layer in range(trace.config.layers):
        x = trace.step(layer, x)
    return x


def _place(trace: Trace, position: int) -> int:
    if not -len(trace) <= position < len(trace):
        raise InputError(f"there is no token {position}; the text has tokens 0 to {len(trace) - 1}")
    return position % len(trace)


def _distribution(logits: Tensor, top: int) -> Distribution:
    logps = logits.log_softmax(-1)
    shares = logps.exp()
    entropy = float(-(shares * logps).nan_to_num(0.0).sum()) / log(2)
    values, ids = logps.topk(min(max(top, 1), len(logps)))
    listed = zip(ids.tolist(), values, strict=True)
    found = [Likely(token, float(logits[token]), float(logp.exp())) for token, logp in listed]
    rest = max(0.0, 1.0 - sum(each.probability for each in found))
    return Distribution(tuple(found), rest, max(0.0, entropy))
