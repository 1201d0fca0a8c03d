"""Every objective, as a pure function that returns (sum, weight) in its own unit: tokens, prompts or pairs.

The loop divides the sums of all parts once by the weight of the whole batch: never a mean of means.

Shapes: B rows, T tokens, N supervised tokens, P prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from chatwright.models.fused import next_token_loss
from chatwright.models.heads import LanguageModel
from chatwright.training.batches import Batch

__all__ = [
    "advantages_and_returns",
    "clipped_policy_loss",
    "clipped_value_loss",
    "language_loss",
    "positions_at_once",
    "ranking_loss",
    "shaped_rewards",
    "whiten",
]

LARGEST_LOGITS = 1 << 25
"""Positions times vocabulary that a thread has in memory at once: 128 MB of float32, and about twice that beside it."""


def positions_at_once(vocabulary: int) -> int:
    """How many positions reach the output layer together; more are taken piece by piece."""
    return max(1, LARGEST_LOGITS // vocabulary)


def language_loss(model: LanguageModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Sum of -log p(target) over supervised tokens, and their weight. Only those reach the output layer."""
    vectors, _ = model.backbone(batch.tokens, documents=batch.documents)
    if batch.weights is None:
        weights = torch.ones(batch.targets.numel(), device=vectors.device)
        picked, targets = vectors.reshape(-1, vectors.shape[-1]), batch.targets.reshape(-1)
    else:
        supervised = batch.weights > 0
        picked, targets, weights = vectors[supervised], batch.targets[supervised], batch.weights[supervised]
    matrix, bias, rows = model.output_weight, model.output_bias, model.output_rows
    pieces = positions_at_once(len(matrix))
    return next_token_loss(picked, matrix, targets, weights, bias, rows, at_once=pieces), weights.sum()


def ranking_loss(scores: Tensor, pairs: Sequence[Sequence[tuple[int, int]]]) -> tuple[Tensor, Tensor]:
    """InstructGPT's reward loss: -mean over a prompt's pairs of log sigmoid(better - worse), summed over prompts.

    `scores` [answers], `pairs` holds for every prompt its (better, worse) positions in `scores`; ties are not in it
    and prompts without a pair weigh nothing. Ouyang et al. 2022, eq. 1: all K-choose-2 pairs of one prompt are one
    element. Returns (sum, number of prompts).
    """
    total, prompts = scores.new_zeros(()), 0
    for own in pairs:
        if own:
            better, worse = torch.tensor(own, device=scores.device).T
            total = total - F.logsigmoid(scores[better] - scores[worse]).mean()
            prompts += 1
    return total, scores.new_tensor(float(prompts))


def shaped_rewards(
    logps: Tensor, reference_logps: Tensor, scores: Tensor, mask: Tensor, *, kl_coefficient: float
) -> Tensor:
    """Per token -beta (logp - reference logp), plus the score at the last token (Ziegler et al. 2019, section 2).

    `logps`, `reference_logps` and `mask` [B, T] over answer tokens, aligned at the left; `scores` [B].
    """
    rewards = -kl_coefficient * (logps - reference_logps) * mask
    last = mask.sum(dim=1).long() - 1
    rows = torch.arange(len(scores), device=scores.device)
    rewards[rows, last] = rewards[rows, last] + scores
    return rewards


def advantages_and_returns(
    rewards: Tensor, values: Tensor, mask: Tensor, *, discount: float, trace: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016, eq. 16) with discount gamma and trace lambda.

    All [B, T], aligned at the left; the value after the last token is 0. Returns advantages and returns
    (advantage + value), 0 outside the mask.
    """
    advantages = torch.zeros_like(rewards)
    following_value = torch.zeros_like(rewards[:, 0])
    following = torch.zeros_like(following_value)
    for step in reversed(range(rewards.shape[1])):
        inside = mask[:, step]
        error = rewards[:, step] + discount * following_value - values[:, step]
        following = (error + discount * trace * following) * inside
        following_value = values[:, step] * inside
        advantages[:, step] = following
    return advantages, (advantages + values) * mask


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Shift and scale to mean 0 and (biased) variance 1 over the masked entries; 0 elsewhere."""
    count = mask.sum()
    mean = (values * mask).sum() / count
    variance = ((values - mean).square() * mask).sum() / count
    return (values - mean) * (variance + 1e-8).rsqrt() * mask


def clipped_policy_loss(logps: Tensor, old_logps: Tensor, advantages: Tensor, *, clip: float) -> tuple[Tensor, Tensor]:
    """Sum of -min(r A, clip(r, 1 - c, 1 + c) A) with r = exp(logp - old), and how many ratios were clipped.

    Schulman et al. 2017, eq. 7. All [N], answer tokens only.
    """
    ratios = (logps - old_logps).exp()
    plain, clipped = ratios * advantages, ratios.clamp(1 - clip, 1 + clip) * advantages
    return -torch.minimum(plain, clipped).sum(), (clipped < plain).sum()


def clipped_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, *, clip: float) -> Tensor:
    """Sum of half the greater squared error of the value and of the value kept within `clip` of the old one. [N]."""
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns).square(), (near - returns).square()).sum()
