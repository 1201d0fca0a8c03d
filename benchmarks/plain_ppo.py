"""The peer's PPO, as scripts around Hugging Face models have it.

Rollouts that stay whole until the last answer ends; every forward pass over prompt and answer padded to the longest,
with logits at all positions; autograd through plain modules. Rewards, advantages and losses are chatwright's functions:
they are the same arithmetic in every PPO, take next to no time, and so both sides learn the same.

Shapes: B episodes, P tokens of the longest prompt, T tokens of the longest answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import measuring
import torch
from episodes import END, Case, Timed
from plain_model import PlainLanguageModel, PlainScalarModel, plain_language_model, plain_scalar_model
from plain_sampling import generate, padded_left, sight
from torch import Tensor, nn

from chatwright.models.heads import as_scalar_model
from chatwright.training.batches import permutation
from chatwright.training.losses import (
    advantages_and_returns,
    clipped_policy_loss,
    clipped_value_loss,
    shaped_rewards,
    whiten,
)


@dataclass(frozen=True)
class Padded:
    """A rollout of the peer: prompts padded at the left, answers at the right."""

    tokens: Tensor
    """[B, P + T]."""
    present: Tensor
    """bool [B, P + T]."""
    inside: Tensor
    """bool [B, T]: answer tokens."""
    logps: Tensor
    advantages: Tensor
    values: Tensor
    returns: Tensor

    def rows(self, index: Tensor) -> Padded:
        return Padded(**{name: value[index] for name, value in vars(self).items()})

    @property
    def prompt(self) -> int:
        return self.tokens.shape[1] - self.inside.shape[1]

    def answer_logps(self, model: PlainLanguageModel, temperature: float) -> Tensor:
        """Log-probabilities [B, T]; the logits of all positions are computed, those of answers are used."""
        logits, _ = model(self.tokens, *sight(self.present))
        logps = torch.log_softmax(logits[:, self.prompt - 1 : -1].float() / temperature, dim=-1)
        return logps.gather(2, self.tokens[:, self.prompt :, None]).squeeze(2)

    def scalars(self, model: PlainScalarModel) -> Tensor:
        """One number for every token [B, P + T]."""
        scores: Tensor = model(self.tokens, *sight(self.present))
        return scores


class Plain(Timed):
    """The textbook."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        policy, trunk = case.networks()
        scorer = as_scalar_model(trunk)
        self.policy, self.reference = plain_language_model(policy), plain_language_model(policy)
        self.value, self.scorer = plain_scalar_model(scorer), plain_scalar_model(scorer)
        self.optimizers = [
            torch.optim.AdamW(
                network.parameters(),
                lr=case.settings.learning_rate,
                betas=(0.9, 0.95),
                eps=1e-5,
                weight_decay=0.0,
                fused=True,
            )
            for network in (self.policy, self.value)
        ]

    def __call__(self) -> None:
        measuring.plain(self.case.settings.threads)
        with self.phase("rollout"):
            rollout = self.roll_out()
        with self.phase("score"):
            rollout = self.weigh(rollout)
        with self.phase("train"):
            self.learn(rollout)
        self.iteration += 1

    def roll_out(self) -> Padded:
        case = self.case
        seeds = case.seeds(self.iteration)
        self.answers, logps = generate(self.policy, case.prompts, case.sampling, seeds, end=END, is_over=case.is_over)
        prompts, present = padded_left(case.prompts)
        lengths = torch.tensor([len(answer) for answer in self.answers])
        inside = torch.arange(int(lengths.max())) < lengths[:, None]
        answers = torch.zeros(inside.shape, dtype=torch.long)
        answers[inside] = torch.tensor([token for answer in self.answers for token in answer])
        empty = torch.zeros(inside.shape)
        return Padded(
            torch.cat([prompts, answers], 1), torch.cat([present, inside], 1), inside, logps, empty, empty, empty
        )

    @torch.no_grad()
    def weigh(self, rollout: Padded) -> Padded:
        settings, mask = self.case.settings, rollout.inside.float()
        last = rollout.prompt + rollout.inside.sum(1) - 1
        rows = torch.arange(len(last))
        scores = rollout.scalars(self.scorer)[rows, last]
        scores = scores - settings.missing_end_penalty * (rollout.tokens[rows, last] != END).float()
        reference = rollout.answer_logps(self.reference, settings.temperature)
        values = rollout.scalars(self.value)[:, rollout.prompt - 1 : -1] * mask
        rewards = shaped_rewards(rollout.logps, reference, scores, mask, kl_coefficient=settings.kl_coefficient)
        advantages, returns = advantages_and_returns(
            rewards, values, mask, discount=settings.discount, trace=settings.trace
        )
        return replace(rollout, values=values, advantages=whiten(advantages, mask), returns=returns)

    def learn(self, rollout: Padded) -> None:
        settings = self.case.settings
        for epoch in range(settings.epochs):
            number = self.iteration * settings.epochs + epoch + 2**40
            order = torch.from_numpy(permutation(settings.seed, number, settings.batch).copy())
            for rows in order.chunk(settings.minibatches):
                self.step(rollout.rows(rows))

    def step(self, rollout: Padded) -> None:
        settings, inside = self.case.settings, rollout.inside
        logps = rollout.answer_logps(self.policy, settings.temperature)[inside]
        values = rollout.scalars(self.value)[:, rollout.prompt - 1 : -1][inside]
        policy_loss, _ = clipped_policy_loss(
            logps, rollout.logps[inside], rollout.advantages[inside], clip=settings.clip
        )
        value_loss = clipped_value_loss(
            values, rollout.values[inside], rollout.returns[inside], clip=settings.value_clip
        )
        ((policy_loss + settings.value_coefficient * value_loss) / inside.sum()).backward()
        networks: list[nn.Module] = [self.policy, self.value]
        for network, optimizer in zip(networks, self.optimizers, strict=True):
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
