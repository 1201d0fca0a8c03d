"""One iteration of PPO after sampling: scores and distances become advantages, and clipped steps follow.

In: a rollout, four networks, a reward.  Out: the networks a few steps further, and figures about what happened.

Schulman et al. 2017; rewards per token as in Ziegler et al. 2019; the pre-training gradient as in Ouyang et al. 2022,
eq. 2. Policy and value function are separate networks that share a backward pass, not weights.

Shapes: B answers, T tokens of the longest answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from chatwright.errors import TrainingError
from chatwright.models.heads import LanguageModel
from chatwright.training.batches import Batch, permutation
from chatwright.training.loop import summed_gradients
from chatwright.training.losses import (
    advantages_and_returns,
    clipped_policy_loss,
    clipped_value_loss,
    language_loss,
    shaped_rewards,
    whiten,
)
from chatwright.training.optimizers import Optimizer
from chatwright.training.policy_networks import Networks
from chatwright.training.rollouts import Rollout, answer_logps, answer_values, by_rows
from chatwright.world import World

__all__ = ["RATIO_TOLERANCE", "Settings", "learn", "policy_logps", "weigh"]

RATIO_TOLERANCE = 1e-3
"""How far the first minibatch's ratios may stray from 1 before stored log-probabilities are computed anew."""


class Settings(Protocol):
    """What the update reads of `PPOConfig`, where each is explained."""

    @property
    def batch(self) -> int: ...
    @property
    def minibatches(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def clip(self) -> float: ...
    @property
    def value_clip(self) -> float: ...
    @property
    def value_coefficient(self) -> float: ...
    @property
    def discount(self) -> float: ...
    @property
    def trace(self) -> float: ...
    @property
    def temperature(self) -> float: ...
    @property
    def missing_end_penalty(self) -> float: ...
    @property
    def ptx_coefficient(self) -> float: ...
    @property
    def ema(self) -> float: ...
    @property
    def seed(self) -> int: ...


def weigh(
    config: Settings,
    networks: Networks,
    rollout: Rollout,
    scores: Tensor,
    kl_coefficient: float,
    world: World,
) -> tuple[Rollout, dict[str, float]]:
    """Scores, distances to the reference and values of an iteration's answers, and the advantages they give."""
    with torch.no_grad():
        if not bool(torch.isfinite(scores).all()):
            raise TrainingError("the reward of an answer is not finite; look at the reward model")
        scores = scores - config.missing_end_penalty * (~rollout.ended).float()
        reference = by_rows(rollout, lambda part: policy_logps(config, networks, networks.reference, part), world)
        values = by_rows(rollout, lambda part: answer_values(networks.value, part), world)
        mask = rollout.mask
        rewards = shaped_rewards(rollout.logps, reference, scores, mask, kl_coefficient=kl_coefficient)
        advantages, returns = advantages_and_returns(
            rewards, values, mask, discount=config.discount, trace=config.trace
        )
        rollout = replace(rollout, values=values, advantages=whiten(advantages, mask), returns=returns)
        kl = ((rollout.logps - reference) * mask).sum(dim=1).mean()
        residual = ((returns - values).square() * mask).sum() / mask.sum()
        spread = ((returns - (returns * mask).sum() / mask.sum()).square() * mask).sum() / mask.sum()
    return rollout, {
        "score": float(scores.mean()),
        "reward": float(rewards.sum(dim=1).mean()),
        "kl": float(kl),
        "entropy": float(-(rollout.logps * mask).sum() / mask.sum()),
        "answer_tokens": float(rollout.lengths.float().mean()),
        "ended": float(rollout.ended.float().mean()),
        "explained_variance": float(1 - residual / spread.clamp(min=1e-8)),
    }


def learn(
    config: Settings,
    networks: Networks,
    optimizers: dict[str, Optimizer],
    rollout: Rollout,
    text: Callable[[int], Batch] | None,
    iteration: int,
    world: World,
    *,
    recompute: bool,
) -> tuple[Rollout, dict[str, float], bool]:
    """Clipped steps on the minibatches of an iteration. Returns the rollout, figures, and whether logps were redone."""
    if recompute:
        rollout = _recomputed(config, networks, rollout, world)
    totals: dict[str, float] = {}
    size = config.batch // config.minibatches
    for epoch in range(config.epochs):
        order = permutation(config.seed, (iteration * config.epochs + epoch) + 2**40, config.batch)
        for place in range(config.minibatches):
            rows = torch.from_numpy(order[place * size : (place + 1) * size].copy()).to(world.device)
            number = (iteration * config.epochs + epoch) * config.minibatches + place
            gradients, figures = _gradients(config, networks, optimizers, rollout.rows(rows), text, number, world)
            if epoch == 0 and place == 0:
                if figures["ratio_error"] > RATIO_TOLERANCE:
                    if recompute and world.dtype == torch.float32:
                        raise TrainingError(
                            f"the first ratio is off by {figures['ratio_error']:.1e} although log-probabilities were "
                            f"computed anew; the policy does not compute the same twice"
                        )
                    totals["first_ratio"], recompute = figures["ratio_error"], True
                    rollout = _recomputed(config, networks, rollout, world)
                    gradients, figures = _gradients(
                        config, networks, optimizers, rollout.rows(rows), text, number, world
                    )
                totals.setdefault("first_ratio", figures["ratio_error"])
            _step(config, networks, optimizers, gradients, number, totals, figures)
    steps = config.epochs * config.minibatches
    return rollout, {key: value if key == "first_ratio" else value / steps for key, value in totals.items()}, recompute


def _gradients(
    config: Settings,
    networks: Networks,
    optimizers: dict[str, Optimizer],
    minibatch: Rollout,
    text: Callable[[int], Batch] | None,
    number: int,
    world: World,
) -> tuple[list[Tensor], dict[str, float]]:
    """Gradients of policy and value loss, and of the pre-training loss in the same buffers."""
    tokens = float(minibatch.lengths.sum())
    figures = {"policy_loss": 0.0, "value_loss": 0.0, "clip_fraction": 0.0, "approx_kl": 0.0, "ratio_error": 0.0}
    noted: list[dict[str, float]] = []

    def loss(part: Rollout | Batch) -> Tensor:
        if isinstance(part, Batch):
            total, weight = language_loss(networks.policy, part)
            return config.ptx_coefficient * total / whole_text
        inside = part.mask > 0
        logps = policy_logps(config, networks, networks.policy, part)[inside]
        values = answer_values(networks.value, part)[inside]
        old = part.logps[inside]
        policy_loss, clipped = clipped_policy_loss(logps, old, part.advantages[inside], clip=config.clip)
        value_loss = clipped_value_loss(values, part.values[inside], part.returns[inside], clip=config.value_clip)
        with torch.no_grad():
            difference = logps - old
            noted.append(
                {
                    "policy_loss": float(policy_loss) / tokens,
                    "value_loss": float(value_loss) / tokens,
                    "clip_fraction": float(clipped) / tokens,
                    "approx_kl": float(0.5 * difference.square().sum()) / tokens,
                    "ratio_error": float((difference.exp() - 1).abs().max()),
                }
            )
        return (policy_loss + config.value_coefficient * value_loss) / tokens

    parts: list[Rollout | Batch] = list(minibatch.split(2 * world.shards))
    if text is not None:
        batch = text(number).to(world.device)
        whole_text = batch.weight
        parts += batch.split(world.shards)
    weights = [*optimizers["policy"].parameters, *optimizers["value"].parameters]
    gradients, _ = summed_gradients(weights, loss, parts, world)
    for own in noted:
        for key, value in own.items():
            figures[key] = max(figures[key], value) if key == "ratio_error" else figures[key] + value
    return gradients, figures


def _step(
    config: Settings,
    networks: Networks,
    optimizers: dict[str, Optimizer],
    gradients: list[Tensor],
    number: int,
    totals: dict[str, float],
    figures: dict[str, float],
) -> None:
    """Apply the gradients to both networks, follow with the average, and add up the figures."""
    count = len(optimizers["policy"].parameters)
    norm = optimizers["policy"].step(number, gradients[:count])
    optimizers["value"].step(number, gradients[count:])
    if not norm < float("inf"):
        raise TrainingError(f"step {number + 1}: the policy's gradient is not finite; lower ppo.learning_rate")
    if networks.average is not None:
        with torch.no_grad():
            for mean, weight in zip(networks.average.parameters(), networks.policy.parameters(), strict=True):
                mean.lerp_(weight, 1 - config.ema)
    for key, value in {**figures, "gradient_norm": norm}.items():
        if key != "ratio_error":
            totals[key] = totals.get(key, 0.0) + value


def policy_logps(config: Settings, networks: Networks, model: LanguageModel, part: Rollout) -> Tensor:
    """Log-probabilities of the answer tokens under the distribution that answers are sampled from."""
    return answer_logps(model, part, temperature=config.temperature, vocabulary=networks.vocabulary)


def _recomputed(config: Settings, networks: Networks, rollout: Rollout, world: World) -> Rollout:
    with torch.enable_grad():  # the kernels of training, whose rounding may differ from those without a gradient
        logps = by_rows(rollout, lambda part: policy_logps(config, networks, networks.policy, part).detach(), world)
    return replace(rollout, logps=logps)
