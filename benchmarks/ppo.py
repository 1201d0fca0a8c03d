"""PPO: milliseconds per episode for rollout, score and train, beside a textbook PPO of the same networks.

Ours is what the stage calls: `Engine`, `weigh`, `learn`. The peer is PPO as Hugging Face scripts have it: rollouts that
stay whole until the last answer ends, every forward pass over the padded length with logits at all positions, autograd
through plain modules. Same weights, prompts, seeds, minibatches, losses and AdamW, both in fp32; after the first
iteration both must have sampled the same answers and moved the policy to the same weights, or the script stops.

Cases: 4 epochs and 1, on prompts of 32 and answers of 64 tokens, and "ragged": prompts of 16 to 32, answers that end at
random. Last line: ratios as JSON.
"""

from __future__ import annotations

import argparse
import copy
import random
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import cast

import torch
from torch import Tensor, nn

import measuring
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel, as_scalar_model, count_parameters
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.stages.ppo import PPOConfig
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.batches import permutation
from chatwright.training.losses import (
    advantages_and_returns,
    clipped_policy_loss,
    clipped_value_loss,
    shaped_rewards,
    whiten,
)
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.policy_optimisation import Networks, learn, weigh
from chatwright.training.rollouts import collate, sequence_scores
from plain_model import PlainLanguageModel, PlainScalarModel, plain_language_model, plain_scalar_model
from plain_sampling import generate, padded_left, sight

END = 2
SCORED_TOGETHER = 32
"""Sequences that the reward model reads at once, as in `evaluation.scoring`."""
REFERENCE = (
    "For scale only, NOT measured here and in no ratio: TRL 1.12.0's PPO on another 2-core machine, 2.6M parameters, "
    "32 + 64 tokens, 4 epochs, fp32: 132 ms per episode, 9% of it generation."
)


@dataclass(frozen=True)
class Case:
    """What everybody does."""

    shape: TransformerConfig
    settings: PPOConfig
    prompts: list[list[int]]
    is_over: Callable[[list[int]], bool] | None

    def networks(self) -> tuple[LanguageModel, LanguageModel]:
        """The first policy, and the backbone of the first reward model: random weights."""
        torch.manual_seed(1)
        return LanguageModel(Transformer(self.shape)), LanguageModel(Transformer(self.shape))

    @property
    def sampling(self) -> Sampling:
        return Sampling(temperature=self.settings.temperature, max_tokens=self.settings.max_tokens)

    def seeds(self, iteration: int) -> list[int]:
        return seeds_of(self.settings.seed, self.settings.batch, start=iteration * self.settings.batch)


def case_of(*, quick: bool, ragged: bool, epochs: int) -> Case:
    """2.6M parameters, 64 episodes an iteration in 2 minibatches, 32 + 64 tokens."""
    vocabulary, depth, width, batch, prompt, answer = (300, 2, 64, 8, 8, 8) if quick else (2048, 5, 192, 64, 32, 64)
    rng = random.Random("ppo")
    lengths = [rng.randint(prompt // 2, prompt) if ragged else prompt for _ in range(batch)]
    nowhere = Path()  # the settings are those of the stage; its files are not read
    settings = PPOConfig(
        out=nowhere,
        policy=nowhere,
        reward=nowhere,
        prompts=[],
        batch=batch,
        epochs=epochs,
        max_tokens=answer,
        threads=2,
        precision="fp32",
    )
    return Case(
        TransformerConfig.of_depth(depth, vocabulary=vocabulary, context=prompt + answer + 1, width=width),
        settings,
        [[rng.randrange(3, vocabulary) for _ in range(length)] for length in lengths],
        (lambda said: said[-1] % (answer // 2) == 0) if ragged else None,
    )


class Timed:
    """One contestant: does iterations, and keeps the seconds of each phase."""

    def __init__(self, case: Case) -> None:
        self.case, self.iteration = case, 0
        self.seconds: dict[str, list[float]] = {"rollout": [], "score": [], "train": []}
        self.answers: list[list[int]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = perf_counter()
        yield
        self.seconds[name].append(perf_counter() - began)

    def forget(self) -> None:
        """The first iteration warms up and is compared; it does not count."""
        for taken in self.seconds.values():
            taken.clear()

    def per_episode(self) -> dict[str, float]:
        """Median milliseconds of each phase, and of a whole iteration."""
        episodes = self.case.settings.batch
        own = {name: statistics.median(taken) / episodes * 1000 for name, taken in self.seconds.items()}
        return own | {"all": statistics.median(self.whole) / episodes * 1000}

    @property
    def whole(self) -> list[float]:
        return [sum(taken) for taken in zip(*self.seconds.values(), strict=True)]


class Ours(Timed):
    """The functions of the `ppo` stage; the reward model reads the sampled tokens as they are."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        measuring.ours(case.settings.threads)
        self.policy, trunk = case.networks()
        self.scorer = as_scalar_model(trunk).requires_grad_(False)
        self.networks = Networks(
            self.policy, copy.deepcopy(self.policy).requires_grad_(False), as_scalar_model(trunk), None
        )
        self.networks.value.load_state_dict(self.scorer.state_dict())
        schedule, rate = Schedule(steps=1, shape="constant"), case.settings.learning_rate
        self.optimizers = {
            name: Optimizer([network], schedule, learning_rate=rate, epsilon=1e-5)
            for name, network in self.networks.trained.items()
        }

    def __call__(self) -> None:
        case, settings = self.case, self.case.settings
        world = measuring.ours(settings.threads)
        with self.phase("rollout"):
            engine = Engine(self.policy, cast(Tokenizer, SimpleNamespace(end=END)), world, batch=settings.batch)
            sampled = engine.sample(case.prompts, case.sampling, seeds=case.seeds(self.iteration), is_over=case.is_over)
            self.answers = [[*own.tokens, *[END] * own.ended] for own in sampled]
            logps, ended = [own.logps for own in sampled], [own.ended for own in sampled]
            rollout = collate(case.prompts, self.answers, logps, ended, world.device)
        with self.phase("score"):
            whole = [[*prompt, *answer] for prompt, answer in zip(case.prompts, self.answers, strict=True)]
            order = sorted(range(len(whole)), key=lambda place: len(whole[place]))
            groups = [order[start : start + SCORED_TOGETHER] for start in range(0, len(order), SCORED_TOGETHER)]
            scores = torch.zeros(len(whole))
            with torch.no_grad():
                found = world.map(lambda own: sequence_scores(self.scorer, [whole[place] for place in own]), groups)
            for group, own in zip(groups, found, strict=True):
                scores[group] = own
            rollout, _ = weigh(settings, self.networks, rollout, scores, settings.kl_coefficient, world)
        with self.phase("train"):
            learn(settings, self.networks, self.optimizers, rollout, None, self.iteration, world, recompute=False)
        self.iteration += 1


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
