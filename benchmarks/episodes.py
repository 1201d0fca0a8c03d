"""What both sides of the PPO benchmark do, and the clock that each of them carries.

In: how large and how ragged.  Out: a `Case` with networks, prompts, seeds and settings; `Timed`, seconds per phase.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.stages.ppo import PPOConfig

END = 2
"""The end token. Random weights give it about once in a vocabulary of tokens."""


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


def case_of(*, quick: bool, ragged: bool, epochs: int, threads: int) -> Case:
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
