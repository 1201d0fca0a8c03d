"""Sampling speed: 64 prompts at once beside one at a time, and beside a plain loop.

All sample the same number of tokens for the same prompts with the same seeds. In fp32 every answer must be the same
token for token however it was sampled, or the script stops; in bf16 the share of equal answers is printed. Answers have
their full length; with --ragged they end at random places. Last line: ratios as JSON.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import measuring
import torch
from plain_model import plain_language_model
from plain_sampling import generate

from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel, count_parameters
from chatwright.models.transformer import Transformer, TransformerConfig
from chatwright.text.tokenizer import Tokenizer

END = 2
"""The end token. Random weights give it about once in a vocabulary of tokens."""


@dataclass(frozen=True)
class Work:
    """What everybody samples."""

    config: TransformerConfig
    prompts: list[list[int]]
    seeds: list[int]
    sampling: Sampling
    is_over: Callable[[list[int]], bool] | None

    def model(self, dtype: torch.dtype) -> LanguageModel:
        torch.manual_seed(1)
        model = LanguageModel(Transformer(self.config)).requires_grad_(False).eval()
        model.backbone.dtype = dtype
        return model


def work_of(prompts: int, tokens: int, *, quick: bool, ragged: bool) -> Work:
    """Prompts of 16 to 48 random tokens for the demo's model."""
    rng = random.Random("sampling")
    vocabulary = 300 if quick else 2048
    shape = {"depth": 2, "width": 64} if quick else {"depth": 4, "width": 192}
    config = TransformerConfig.of_depth(vocabulary=vocabulary, context=48 + tokens + 1, **shape)
    own = [[rng.randrange(3, vocabulary) for _ in range(rng.randint(16, 48))] for _ in range(prompts)]
    rare = max(2, tokens // 2)
    return Work(
        config,
        own,
        seeds_of(1, prompts),
        Sampling(temperature=1.0, max_tokens=tokens),
        (lambda said: said[-1] % rare == 0) if ragged else None,
    )


class Ours:
    """`Engine.sample`, with all prompts in one call or with a call for each."""

    def __init__(self, work: Work, precision: str, threads: int, *, alone: bool, kernel_threads: int = 1) -> None:
        self.work, self.precision, self.threads, self.alone = work, precision, threads, alone
        self.kernel_threads = kernel_threads
        self.model = work.model(measuring.ours(threads, precision).dtype)
        self.answers: list[list[int]] = []

    def __call__(self) -> None:
        work, world = self.work, measuring.ours(self.threads, self.precision)
        torch.set_num_threads(self.kernel_threads)
        tokenizer = cast(Tokenizer, SimpleNamespace(stops={END}, size=10**9))  # all that sampling asks of it
        engine = Engine(self.model, tokenizer, world, batch=len(work.prompts))
        everything = list(range(len(work.prompts)))
        groups = [[place] for place in everything] if self.alone else [everything]
        self.answers = []
        for group in groups:
            prompts, seeds = [work.prompts[place] for place in group], [work.seeds[place] for place in group]
            sampled = engine.sample(prompts, work.sampling, seeds=seeds, is_over=work.is_over)
            self.answers += [[*own.tokens, *[END] * own.ended] for own in sampled]


class Plain:
    """All prompts in one padded batch that stays whole until the last answer ends."""

    def __init__(self, work: Work, threads: int) -> None:
        self.work, self.threads = work, threads
        self.model = plain_language_model(work.model(torch.float32))
        self.answers: list[list[int]] = []

    def __call__(self) -> None:
        measuring.plain(self.threads)
        work = self.work
        self.answers, _ = generate(self.model, work.prompts, work.sampling, work.seeds, end=END, is_over=work.is_over)


def contestants_of(work: Work, threads: int) -> dict[str, Ours | Plain]:
    several = f"{threads} threads"
    contestants: dict[str, Ours | Plain] = {
        f"at once, {several}": Ours(work, "fp32", threads, alone=False),
        "at once, 1 thread": Ours(work, "fp32", 1, alone=False),
        "one at a time": Ours(work, "fp32", 1, alone=True),
        f"one at a time, {threads} kernel threads": Ours(work, "fp32", 1, alone=True, kernel_threads=threads),
        "plain loop, at once": Plain(work, threads),
    }
    if measuring.has_native_bf16():
        contestants[f"at once, {several}, bf16"] = Ours(work, "bf16", threads, alone=False)
        contestants["one at a time, bf16"] = Ours(work, "bf16", 1, alone=True)
    return contestants


def check_answers(contestants: dict[str, Ours | Plain]) -> dict[str, float]:
    """The share of answers that equal those sampled one at a time in the same precision; in ours' fp32 all must."""
    shares = {}
    for name, contestant in contestants.items():
        expected = contestants["one at a time, bf16" if "bf16" in name else "one at a time"].answers
        equal = sum(own == theirs for own, theirs in zip(contestant.answers, expected, strict=True))
        shares[name] = equal / len(expected)
        if shares[name] < 1 and isinstance(contestant, Ours) and contestant.precision == "fp32":
            raise SystemExit(f"{name}: {len(expected) - equal} answers differ from those sampled one at a time")
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny model: shows that the script runs, nothing else")
    parser.add_argument("--ragged", action="store_true", help="answers end at random places")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64, help="most tokens of an answer")
    asked = parser.parse_args()
    prompts, tokens, rounds = (8, 8, 2) if asked.quick else (asked.prompts, asked.tokens, asked.rounds)
    machine, others = measuring.machine(), measuring.Others()
    work = work_of(prompts, tokens, quick=asked.quick, ragged=asked.ragged)
    parameters = count_parameters(work.model(torch.float32))
    print(f"{machine}\n\n{parameters / 1e6:.2f}M parameters, {prompts} prompts, answers of up to {tokens} tokens")

    contestants = contestants_of(work, asked.threads)
    for contestant in contestants.values():
        contestant()  # the first turn warms up, and its answers are compared
    equal = check_answers(contestants)
    sampled = {name: sum(map(len, contestant.answers)) for name, contestant in contestants.items()}
    seconds = measuring.take_turns(contestants, rounds)
    speeds = {name: sampled[name] / statistics.median(taken) for name, taken in seconds.items()}
    rows = [
        (name, speed, sampled[name] / max(seconds[name]), sampled[name] / min(seconds[name]), f"{equal[name]:.0%}")
        for name, speed in speeds.items()
    ]
    print(measuring.table(["tokens/s", "median", "slowest", "fastest", "same answers as alone"], rows))

    best = f"at once, {asked.threads} threads"
    alone = min(
        ("one at a time", f"one at a time, {asked.threads} kernel threads"),
        key=lambda name: statistics.median(seconds[name]),
    )
    ratios = {
        "at_once/one_at_a_time": measuring.faster(seconds[best], seconds[alone]),  # by the better way to do it alone
        "at_once/plain_loop": measuring.faster(seconds[best], seconds["plain loop, at once"]),
        f"{asked.threads}_threads/1_thread": measuring.faster(seconds[best], seconds["at once, 1 thread"]),
        "bf16/fp32": measuring.faster(seconds[f"{best}, bf16"], seconds[best]) if f"{best}, bf16" in seconds else None,
    }
    figures = {"tokens_per_second": {name: round(speed) for name, speed in speeds.items()}, "same_answers": equal}
    measuring.finish("sampling", ratios, others, quick=asked.quick, machine=machine, ragged=asked.ragged, **figures)


if __name__ == "__main__":
    main()
