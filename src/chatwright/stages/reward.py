"""Reward model: learn from rankings which of two answers people prefer.

In: a chat model and rankings (or chosen/rejected pairs).  Out: `model/`, which scores an answer at its end token.

All pairs of one prompt are one element of the loss (Ouyang et al. 2022, eq. 1) and ties are dropped; prompts are split
into training, validation and test, never answers. In the end a bias makes demonstrations score 0 on average.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from torch import Tensor

from chatwright.artefacts import load_language_model
from chatwright.disk import require
from chatwright.errors import ConfigError, InputError
from chatwright.evaluation.baselines import Pair, accuracy, reward_report
from chatwright.feedback.rankings import Ranking, RankingSource, pairs, read_rankings
from chatwright.models.heads import ScalarModel, as_scalar_model
from chatwright.models.held import Weights
from chatwright.models.lora import LoRA, scalar_beside
from chatwright.runs import StageFolder, open_stage
from chatwright.text.conversation import Conversation, fit, render
from chatwright.text.files import files_of_all, names_of
from chatwright.text.records import ConversationSource, read_conversations
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.batches import permutation
from chatwright.training.best_weights import BestWeights
from chatwright.training.learner import (
    check,
    learner,
    learning_flops,
    load_as,
    needed_bytes,
    save_learned,
    saved_bytes,
)
from chatwright.training.loop import train_steps
from chatwright.training.losses import ranking_loss
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.rollouts import sequence_scores
from chatwright.training.settings import at_least, known_optimizer, more_than, within
from chatwright.world import World, open_world, seed_everything


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """Settings of `reward`."""

    out: Path
    """Folder that the results go to; run again with the same settings, it goes on from the last save."""
    model: Path
    """The chat model whose weights it starts from."""
    # On the command line rankings and demonstrations are paths; tables stand in recipes.
    rankings: Annotated[list[str | RankingSource], tyro.conf.arg(constructor=list[str])]
    """Rankings or preferences: files, patterns, folders (also of `collect`), or tables with a path and a part."""
    demonstrations: Annotated[list[str | ConversationSource], tyro.conf.arg(constructor=list[str])] = field(
        default_factory=list
    )
    """Conversations whose answers shall score 0 on average."""
    epochs: float = 2.0
    """InstructGPT takes 1; small models that start near chance need more, and validation keeps the best weights."""
    batch: int = 8
    """Prompts per step."""
    learning_rate: float = 1e-3
    """Highest rate; with muon the matrices in blocks take 5 times as much."""
    optimizer: str = "muon"
    """adamw or muon: a reward model from scratch-trained weights learns faster with Muon (docs/experiments.md)."""
    weight_decay: float = 0.01
    """Decoupled weight decay of learned matrices; norms and biases have none."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises."""
    validation: float = 0.06
    """Share of the prompts that is held out to choose the best weights."""
    test: float = 0.12
    """Share of the prompts that is held out to report the accuracy."""
    most_rankings: int | None = None
    """Use only so many rankings, to see what more would bring."""
    evaluate_every: int = 20
    """Steps between measurements on the validation prompts."""
    lora: LoRA = field(default_factory=LoRA)
    """Adapters instead of all weights, where the rank is above 0: { rank = 8, alpha = 16, targets = ["all"] }."""
    weights: Weights = "fp32"
    """How frozen weights are held: fp32, bf16 or int8."""
    checkpointing: bool = False
    """Keep only what enters each block for the backward pass and compute the rest anew: less memory, a third slower."""
    seed: int = 1
    """Of what is held out, of the order of the rankings, and of new weights."""
    threads: int = 2
    """Processor threads that divide the work; without effect on a GPU."""
    device: str = "auto"
    """auto (a CUDA GPU where there is one, else the processor), cpu, cuda or cuda:N."""
    precision: str = "auto"
    """Of the arithmetic: auto (bf16 where the device has it natively, else fp32), fp32 or bf16."""

    def __post_init__(self) -> None:
        if min(self.validation, self.test) <= 0 or self.validation + self.test >= 0.9:
            raise ConfigError("reward.validation and reward.test must be greater than 0 and together less than 0.9")
        more_than("reward", self, 0, "epochs")
        at_least("reward", self, 1, "batch", "evaluate_every", "most_rankings")
        within("reward", self, 0, 1, "warmup")
        known_optimizer("reward", self.optimizer)
        check("reward", self)


@dataclass(frozen=True)
class Ranked:
    """One ranking, ready to be read."""

    number: int
    ranking: Ranking
    sequences: list[list[int]]
    """Tokens of prompt and answer, with the end token last."""
    pairs: list[tuple[int, int]]
    """(better, worse) places in `sequences`."""


@dataclass(frozen=True)
class RankedBatch:
    """Rankings to learn from in one step."""

    items: list[Ranked]

    @property
    def read(self) -> int:
        return sum(len(sequence) for item in self.items for sequence in item.sequences)

    @property
    def weight(self) -> float:
        return float(len(self.items))

    def __len__(self) -> int:
        return len(self.items)

    def rows(self, part: slice) -> RankedBatch:
        return RankedBatch(self.items[part])

    def split(self, parts: int) -> list[RankedBatch]:
        """Parts with about the same number of answers: the longest first, dealt out like cards."""
        order = sorted(self.items, key=lambda item: (-len(item.sequences), item.number))
        return [RankedBatch(order[first::parts]) for first in range(min(parts, len(order)))]

    def to(self, device: torch.device) -> RankedBatch:
        del device  # sequences are put together, and moved, when they are read
        return self


def train_reward(config: RewardConfig) -> Path:
    """Learn from the training prompts, keep the best weights on validation prompts, report on test prompts."""
    world = open_world(config.device, config.precision, config.threads)
    inputs = files_of_all([*(_ranked(source) for source in config.rankings), *config.demonstrations])
    with open_stage("reward", config, out=config.out, parents={"model": config.model}, inputs=inputs) as run:
        if run.complete:
            return run.folder
        seed_everything(config.seed)
        language_model, tokenizer = load_language_model(config.model, world=world, weights=load_as(config))
        model = learner((scalar_beside if config.lora.rank else as_scalar_model)(language_model), config)
        del language_model
        ranked, left_out = _prepare(config, tokenizer, model.backbone.config.context)
        training, validation, test = _split(config, ranked)
        longest = max(len(sequence) for item in ranked for sequence in item.sequences)
        at_once = config.batch * max(len(item.sequences) for item in ranked) * longest
        require(
            memory_bytes=needed_bytes(model, tokens=at_once, length=longest, copies=24),
            disk_bytes=saved_bytes(model),
            where=run.folder,
        )
        best = _learn(config, model, training, validation, run, world)
        seconds = run.meter.seconds
        best.put_back()
        with torch.no_grad():
            mean = _demonstrations_score(config, model, tokenizer, world)
            model.readout.bias.sub_(mean)
        save_learned(run.folder, model, tokenizer, base=config.model, stage="reward", chat=True)
        report = _report(model, training, test, world)
        simulated = sum(_is_simulated(item.ranking) for item in ranked)
        run.write("test.jsonl", _scored_lines(test, score_all(model, test, world)))
        found = report["accuracy"]
        summary = {
            "accuracy": found["value"],
            "accuracy_low": found["low"],
            "accuracy_high": found["high"],
            "comparisons": sum(len(item.pairs) for item in training),
            "simulated_comparisons": sum(len(item.pairs) for item in training if _is_simulated(item.ranking)),
            "rankings": len(training),
            "simulated": simulated,  # of all rankings, those held out too: no person made them
            "left_out": left_out,
            "demonstrations_mean_before_shift": float(mean),
            **{key: value for key, value in report.items() if key != "accuracy"},
        }
        return run.finish(summary=summary, tokens_per_second=run.meter.tokens / seconds)


def _learn(
    config: RewardConfig,
    model: ScalarModel,
    training: Sequence[Ranked],
    validation: Sequence[Ranked],
    run: StageFolder,
    world: World,
) -> BestWeights:
    """All steps, from the latest checkpoint on; returns the weights with the lowest loss on validation prompts."""
    per_epoch = -(-len(training) // config.batch)
    steps = max(1, round(config.epochs * per_epoch))
    optimizer = Optimizer(
        [model],
        Schedule(steps=steps, warmup=round(config.warmup * steps), final=0.1),
        kind=config.optimizer,
        learning_rate=config.learning_rate,
        matrix_learning_rate=5 * config.learning_rate,
        weight_decay=config.weight_decay,
        epsilon=1e-6,
    )
    best = BestWeights(model)
    start = best.restore(run.latest(), optimizer)

    def batches(step: int) -> RankedBatch:
        epoch, place = divmod(step, per_epoch)
        order = permutation(config.seed, epoch, len(training))[place * config.batch : (place + 1) * config.batch]
        return RankedBatch([training[int(index)] for index in order])

    flops = learning_flops(model, 64)
    for step in train_steps(model, batches, reward_loss, optimizer, until=steps, after=start, world=world):
        run.meter.add(tokens=step.tokens, flops=step.tokens * flops)
        run.log(step.number, loss=step.loss, learning_rate=step.learning_rate, gradient_norm=step.gradient_norm)
        run.progress(step.number, steps, loss=step.loss)
        if step.number % config.evaluate_every == 0 or step.number == steps:
            measured = accuracy(_pairs(validation, score_all(model, validation, world))).value
            loss = _validation_loss(model, validation, world)
            run.log(step.number, validation_accuracy=measured, validation_loss=loss)
            best.note(loss)
        if run.should_save(step.number):
            with run.checkpoint(step.number) as folder:
                best.write(folder, optimizer)
    return best


def reward_loss(model: ScalarModel, batch: RankedBatch) -> tuple[Tensor, Tensor]:
    """The ranking loss of a batch: (sum over prompts, prompts)."""
    sequences = [sequence for item in batch.items for sequence in item.sequences]
    places, first = [], 0
    for item in batch.items:
        places.append([(first + better, first + worse) for better, worse in item.pairs])
        first += len(item.sequences)
    return ranking_loss(sequence_scores(model, sequences), places)


def score_all(model: ScalarModel, ranked: Sequence[Ranked], world: World) -> list[list[float]]:
    """The score of every answer of every ranking."""
    with torch.no_grad():
        found = world.map(
            lambda part: sequence_scores(model, [sequence for item in part for sequence in item.sequences]).tolist(),
            [ranked[first : first + 16] for first in range(0, len(ranked), 16)],
        )
    flat = iter([score for part in found for score in part])
    return [[next(flat) for _ in item.sequences] for item in ranked]


# -- data --------------------------------------------------------------------------------------------------------------


def _ranked(source: str | RankingSource) -> RankingSource:
    """A source of rankings; the folder of a `collect` stage stands for its rankings.jsonl."""
    source = source if isinstance(source, RankingSource) else RankingSource(path=str(source))
    folder = Path(source.path)
    if not (folder / "origin.json").is_file():
        return source
    if not (folder / "rankings.jsonl").is_file():
        raise InputError(
            f"{folder} has no rankings.jsonl; its answers were not ranked, set collect.labeler or rank them"
        )
    return replace(source, path=str(folder / "rankings.jsonl"))


def _prepare(config: RewardConfig, tokenizer: Tokenizer, context: int) -> tuple[list[Ranked], dict[str, int]]:
    """Read and render the rankings; those without an untied pair, or too long for the context, are left out."""
    apart: list[str] = []
    rankings = read_rankings([_ranked(source) for source in config.rankings], left_out=apart)
    if config.most_rankings is not None:
        order = permutation(config.seed, 2**41, len(rankings))[: config.most_rankings]
        rankings = [rankings[int(index)] for index in sorted(order)]
    ranked = []
    left_out = {"dialogues_apart": len(apart), "all_tied": 0, "too_long": 0}
    for number, ranking in enumerate(rankings):
        own = pairs(ranking)
        sequences = [
            _tokens(ranking.prompt.plus("assistant", answer), tokenizer, context) for answer in ranking.answers
        ]
        kept = [tokens for tokens in sequences if tokens is not None]
        if not own:
            left_out["all_tied"] += 1
        elif len(kept) < len(sequences):
            left_out["too_long"] += 1
        else:
            ranked.append(Ranked(number, ranking, kept, own))
    if len(ranked) < 10:
        raise InputError(
            f"{names_of(config.rankings)}: {len(ranked)} usable rankings; a reward model needs at least 10, better "
            "hundreds"
        )
    return ranked, left_out


def _is_simulated(ranking: Ranking) -> bool:
    return ranking.labeler == "simulated" or ranking.facts.get("simulated") is True


def _tokens(conversation: Conversation, tokenizer: Tokenizer, context: int) -> list[int] | None:
    cut = fit(conversation, tokenizer, context)
    return None if cut is None else render(cut, tokenizer).tokens


def _split(config: RewardConfig, ranked: list[Ranked]) -> tuple[list[Ranked], list[Ranked], list[Ranked]]:
    """Training, validation and test rankings; all rankings of one prompt are on one side."""
    prompts = sorted({_key(item) for item in ranked})
    order = [prompts[int(index)] for index in permutation(config.seed, 2**42, len(prompts))]
    test_count = max(1, round(config.test * len(order)))
    validation_count = max(1, round(config.validation * len(order)))
    test, validation = set(order[:test_count]), set(order[test_count : test_count + validation_count])
    sides: tuple[list[Ranked], list[Ranked], list[Ranked]] = ([], [], [])
    for item in ranked:
        key = _key(item)
        sides[2 if key in test else 1 if key in validation else 0].append(item)
    if not all(sides):
        raise InputError(
            f"{names_of(config.rankings)}: the rankings are about {len(prompts)} different prompts, too few to hold "
            "some out for validation and test; bring rankings of more prompts"
        )
    return sides


def _key(item: Ranked) -> str:
    return json.dumps(item.ranking.prompt.to_dicts())


# -- measures ----------------------------------------------------------------------------------------------------------


def _pairs(ranked: Sequence[Ranked], scores: Sequence[Sequence[float]]) -> list[Pair]:
    return [
        Pair(_key(item), item.ranking.answers[better], item.ranking.answers[worse], own[better], own[worse])
        for item, own in zip(ranked, scores, strict=True)
        for better, worse in item.pairs
    ]


def _validation_loss(model: ScalarModel, ranked: Sequence[Ranked], world: World) -> float:
    with torch.no_grad():
        parts = [RankedBatch(list(ranked[first : first + 16])) for first in range(0, len(ranked), 16)]
        found = world.map(lambda part: reward_loss(model, part), parts)
    return sum(float(loss) for loss, _ in found) / sum(float(weight) for _, weight in found)


def _demonstrations_score(config: RewardConfig, model: ScalarModel, tokenizer: Tokenizer, world: World) -> float:
    """Mean score of demonstrated answers, 0 if there are none: what is subtracted from every score."""
    if not config.demonstrations:
        return 0.0
    conversations = [item for item in read_conversations(config.demonstrations) if item.last.role == "assistant"]
    sequences = [_tokens(item, tokenizer, model.backbone.config.context) for item in conversations[:512]]
    kept = [tokens for tokens in sequences if tokens is not None]
    found = world.map(lambda part: sequence_scores(model, part), [kept[first::4] for first in range(4)])
    return float(torch.cat(found).mean())


def _report(model: ScalarModel, training: list[Ranked], test: list[Ranked], world: World) -> dict[str, Any]:
    """Accuracy on test prompts with its baselines, and against the true order where it is known."""
    held_out = _pairs(test, score_all(model, test, world))
    known = [item for item in test if item.ranking.gold is not None]
    gold = None
    if len(known) == len(test):
        gold = [
            (item.ranking.gold[better], item.ranking.gold[worse])
            for item in known
            if item.ranking.gold is not None
            for better, worse in item.pairs
        ]
    learned_from = _pairs(training, [[0.0] * len(item.sequences) for item in training])
    return reward_report(held_out, learned_from, gold=gold)


def _scored_lines(ranked: Sequence[Ranked], scores: Sequence[Sequence[float]]) -> str:
    """What the reward model gave the answers of the test prompts, for reports."""
    rows = [
        {
            "prompt": item.ranking.prompt.to_dicts(),
            "answers": list(item.ranking.answers),
            "ranks": list(item.ranking.ranks),
            "scores": own,
            "gold": list(item.ranking.gold) if item.ranking.gold is not None else None,
        }
        for item, own in zip(ranked, scores, strict=True)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
