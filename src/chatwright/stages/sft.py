"""Supervised fine-tuning: a base model learns from demonstrations how an assistant answers.

In: a base model and conversations.  Out: `model/`, the weights with the best loss on held-out conversations.
Only the assistant's words are learned; conversations are packed into rows without seeing each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro

from chatwright.artefacts import load_language_model
from chatwright.disk import require
from chatwright.errors import ConfigError, InputError
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.heads import LanguageModel
from chatwright.models.held import Weights
from chatwright.models.lora import LoRA
from chatwright.runs import StageFolder, open_stage
from chatwright.text.conversation import Conversation, Rendered, fit
from chatwright.text.files import files_of_all, names_of
from chatwright.text.records import ConversationSource, read_conversations
from chatwright.text.token_files import TokenFile, require_ids_of
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.batches import Batch, PackedRows, TokenWindows, pad, permutation, prepare_conversations
from chatwright.training.best_weights import BestWeights
from chatwright.training.learner import (
    able_to_chat,
    check,
    learner,
    learning_flops,
    load_as,
    needed_bytes,
    save_learned,
    saved_bytes,
)
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.settings import at_least, known_optimizer, more_than, within
from chatwright.world import World, open_world, seed_everything


@dataclass(frozen=True, kw_only=True)
class SFTConfig:
    """Settings of `sft`."""

    out: Path
    """Folder that the results go to; run again with the same settings, it goes on from the last save."""
    base: Path
    """The model to start from."""
    # On the command line conversations are paths; tables stand in recipes.
    conversations: Annotated[list[str | ConversationSource], tyro.conf.arg(constructor=list[str])]
    """Demonstrations: files, folders, patterns; or tables with a path and how to read it. See `chatwright check`."""
    tokens: Path | None = None
    """Folder that `tokenize` wrote: its training text is mixed in, so that the language is not forgotten."""
    mix: float = 0.0
    """Share of the rows of every batch that are training text."""
    epochs: float = 3.0
    """Passes over the demonstrations; 0.5 reads half of them."""
    compute_of: Path | None = None
    """A finished stage: as many floating-point operations as it took are spent here, whatever `epochs` says."""
    batch: int = 16
    """Rows per step; each holds several conversations."""
    context: int | None = None
    """Tokens per row; None: the model's context."""
    learning_rate: float = 1.5e-3
    """Highest rate; after the warm-up it falls along a cosine to a twentieth."""
    weight_decay: float = 0.0
    """Decoupled weight decay of learned matrices; norms and biases have none."""
    optimizer: str = "adamw"
    """adamw, or muon for the matrices in blocks and adamw for the rest."""
    warmup: float = 0.03
    """Share of the steps in which the learning rate rises."""
    validation: float = 0.04
    """Share of the conversations that is held out to choose the best weights."""
    evaluate_every: int = 100
    """Steps between measurements on the held-out conversations."""
    accumulate: int = 1
    """Parts in which each thread reads its rows of a batch: more take less memory and longer, for the same step."""
    lora: LoRA = field(default_factory=LoRA)
    """Adapters instead of all weights, where the rank is above 0: { rank = 8, alpha = 16, targets = ["all"] }."""
    weights: Weights = "fp32"
    """How frozen weights are held: fp32, bf16 or int8."""
    checkpointing: bool = False
    """Keep only what enters each block for the backward pass and compute the rest anew: less memory, a third slower."""
    seed: int = 1
    """Of what is held out, of the order of the conversations, and of new adapters."""
    threads: int = 2
    """Processor threads that divide the work; without effect on a GPU."""
    device: str = "auto"
    """auto (a CUDA GPU where there is one, else the processor), cpu, cuda or cuda:N."""
    precision: str = "auto"
    """Of the arithmetic: auto (bf16 where the device has it natively, else fp32), fp32 or bf16."""

    def __post_init__(self) -> None:
        if not 0 <= self.mix < 1:
            raise ConfigError(f"sft.mix is {self.mix}; it must lie in [0, 1)")
        if self.mix and self.tokens is None:
            raise ConfigError("sft.mix needs sft.tokens, the folder that tokenize wrote")
        if not 0 < self.validation < 1:
            raise ConfigError(f"sft.validation is {self.validation}; it must lie between 0 and 1")
        more_than("sft", self, 0, "epochs")
        at_least("sft", self, 1, "batch", "accumulate", "evaluate_every")
        within("sft", self, 0, 1, "warmup")
        known_optimizer("sft", self.optimizer)
        check("sft", self)


def sft(config: SFTConfig) -> Path:
    """Learn from the demonstrations; keep the weights that predict held-out ones best."""
    world = open_world(config.device, config.precision, config.threads)
    parents = {"base": config.base} | ({"tokens": config.tokens} if config.tokens else {})
    parents |= {"compute_of": config.compute_of} if config.compute_of else {}
    inputs = files_of_all(config.conversations)
    with open_stage("sft", config, out=config.out, parents=parents, inputs=inputs) as run:
        if run.complete:
            return run.folder
        seed_everything(config.seed)
        model, tokenizer = load_language_model(config.base, world=world, weights=load_as(config))
        tokenizer, new_tokens = able_to_chat(model, tokenizer)
        model = learner(model, config, new_tokens=new_tokens)
        context = _context(config, model)
        unusable: list[str] = []
        conversations = read_conversations(config.conversations, left_out=unusable)
        where = names_of(config.conversations)
        rendered, too_long = prepare_conversations(conversations, tokenizer, context=context, where=where)
        training, held_out = _split(rendered, config, where)
        at_once = -(-config.batch // config.accumulate) * context
        require(
            memory_bytes=needed_bytes(model, tokens=at_once, length=context),
            disk_bytes=saved_bytes(model),
            where=run.folder,
        )
        epochs = _epochs(config, training, learning_flops(model, context))
        packed = PackedRows(training, context=context, batch=_own_rows(config), seed=config.seed, epochs=epochs)
        batches = _mixed(config, packed, tokenizer, context)
        best = _learn(config, model, packed.steps, batches, held_out, context, run, world)
        seconds = run.meter.seconds  # of training: what follows is answering
        best.put_back()
        _sample(run, model, tokenizer, world, conversations)
        save_learned(run.folder, model, tokenizer, base=config.base, stage="sft", chat=True)
        summary = {
            "validation_loss": best.loss,
            "conversations": len(rendered),
            "epochs": epochs,
            "left_out": {"too_long": too_long, "unusable": len(unusable), "first_unusable": "".join(unusable[:1])},
            "steps": packed.steps,
            "supervised_share": sum(sum(item.trainable) for item in rendered) / sum(len(item) for item in rendered),
        }
        return run.finish(summary=summary, tokens_per_second=run.meter.tokens / seconds)


def _learn(
    config: SFTConfig,
    model: LanguageModel,
    steps: int,
    batches: Callable[[int], Batch],
    held_out: Sequence[Rendered],
    context: int,
    run: StageFolder,
    world: World,
) -> BestWeights:
    """All steps, from the latest checkpoint on; returns the weights with the lowest loss on what was held out."""
    schedule = Schedule(steps=steps, warmup=round(config.warmup * steps), final=0.05)
    optimizer = Optimizer(
        [model],
        schedule,
        kind=config.optimizer,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    best = BestWeights(model)
    start = best.restore(run.latest(), optimizer)
    flops = learning_flops(model, context)
    for step in train_steps(
        model,
        batches,
        language_loss,
        optimizer,
        until=steps,
        after=start,
        world=world,
        accumulate=config.accumulate,
    ):
        run.meter.add(tokens=step.tokens, flops=step.tokens * flops)
        if step.number % 5 == 0 or step.number == steps:
            run.log(step.number, loss=step.loss, learning_rate=step.learning_rate, gradient_norm=step.gradient_norm)
            run.progress(step.number, steps, loss=step.loss)
        if step.number % config.evaluate_every == 0 or step.number == steps:
            loss = held_out_loss(model, held_out, context, world)
            run.log(step.number, validation_loss=loss)
            best.note(loss)
        if run.should_save(step.number):
            with run.checkpoint(step.number) as folder:
                best.write(folder, optimizer)
    return best


def held_out_loss(model: LanguageModel, held_out: Sequence[Rendered], context: int, world: World) -> float:
    """Mean loss per supervised token of held-out conversations."""
    rows = [[item] for item in sorted(held_out, key=len)]
    parts = [pad(rows[start : start + 32]).to(world.device) for start in range(0, len(rows), 32)]
    with torch.no_grad():
        results = world.map(lambda part: language_loss(model, part), parts)
    total = sum(float(loss) for loss, _ in results)
    return total / sum(float(weight) for _, weight in results)


def _split(rendered: list[Rendered], config: SFTConfig, where: str) -> tuple[list[Rendered], list[Rendered]]:
    """Held-out conversations, chosen by the seed; the same opening never stands on both sides."""
    openings = sorted({tuple(item.tokens[: _opening(item)]) for item in rendered})
    order = permutation(config.seed, 0, len(openings))
    chosen = {openings[int(index)] for index in order[: max(1, round(config.validation * len(openings)))]}
    sides: tuple[list[Rendered], list[Rendered]] = ([], [])
    for item in rendered:
        sides[tuple(item.tokens[: _opening(item)]) in chosen].append(item)
    if not sides[0]:
        raise InputError(f"{where}: too few conversations to hold some out for validation; bring at least two")
    return sides


def _context(config: SFTConfig, model: LanguageModel) -> int:
    """Tokens per row: as set, or as many as the model reads."""
    most = model.backbone.config.context
    if config.context is not None and not 2 <= config.context <= most:
        raise ConfigError(
            f"sft.context is {config.context}, but {config.base} reads {most} tokens at most; choose 2 to {most}"
        )
    return config.context or most


def _epochs(config: SFTConfig, training: Sequence[Rendered], flops_per_token: float) -> float:
    """How often demonstrations are read: as the settings say, or as often as the compute of another stage allows."""
    if config.compute_of is None:
        return config.epochs
    path = config.compute_of / "receipt.json"
    try:
        flops = float(json.loads(path.read_text(encoding="utf-8"))["flops"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            f"sft.compute_of: {path} tells no flops ({problem}); name the folder of a finished stage"
        ) from None
    tokens = sum(len(item) for item in training) / (1 - config.mix)
    return max(flops / (tokens * flops_per_token), 1e-3)


def _opening(item: Rendered) -> int:
    """Tokens before the assistant's first word."""
    return item.trainable.index(True)


def _own_rows(config: SFTConfig) -> int:
    return max(1, round(config.batch * (1 - config.mix)))


def _mixed(config: SFTConfig, packed: PackedRows, tokenizer: Tokenizer, context: int) -> Callable[[int], Batch]:
    """Batches of packed conversations with rows of training text below them."""
    extra = config.batch - _own_rows(config)
    if config.tokens is None or extra == 0:
        return packed
    require_ids_of(tokenizer, config.tokens, config.base)
    text = TokenWindows(
        TokenFile.open(config.tokens, "train").tokens, context=context, batch=extra, seed=config.seed + 1
    )

    def batches(step: int) -> Batch:
        own, more = packed(step), text(step)
        width = own.tokens.shape[1]
        assert own.weights is not None and own.documents is not None
        return Batch(
            torch.cat([own.tokens, more.tokens[:, :width]]),
            torch.cat([own.targets, more.targets[:, :width]]),
            torch.cat([own.weights, torch.ones(extra, width)]),
            torch.cat([own.documents, torch.zeros(extra, width, dtype=torch.long)]),
        )

    return batches


def _sample(
    run: StageFolder, model: LanguageModel, tokenizer: Tokenizer, world: World, conversations: Sequence[Conversation]
) -> None:
    engine = Engine(model, tokenizer, world)
    prompts = []
    for conversation in conversations[:24]:
        first = next((place for place, message in enumerate(conversation.messages) if message.role == "user"), None)
        if first is not None and fit(
            prompt := Conversation(conversation.messages[: first + 1]), tokenizer, engine.context // 2
        ):
            prompts.append(prompt)
    answers = engine.chat(prompts[:6], Sampling(), seeds=seeds_of(0, len(prompts[:6])))
    for answer in answers:
        run.sample(answer.conversation.last.content, answer.text)
