"""Pretrain: learn a language from token files, from scratch or from an earlier model.

In: a `tokenize` folder.  Out: `model/`, a base model that goes on with texts; its bits per byte on held-out documents
beside an n-gram model counted on the same training tokens and beside the untrained model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatwright.artefacts import load_language_model, save_model
from chatwright.disk import read_json, require
from chatwright.errors import ConfigError, InputError
from chatwright.evaluation.language_model import bits_per_byte
from chatwright.evaluation.ngram import ngram_bits_per_byte
from chatwright.generation.engine import Engine
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.models.families import shape_of
from chatwright.models.heads import LanguageModel, count_parameters, new_backbone, training_flops_per_token
from chatwright.models.recurrent import RecurrentConfig
from chatwright.models.transformer import TransformerConfig
from chatwright.runs import StageFolder, open_stage
from chatwright.text.token_files import TokenFile
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.batches import TokenWindows
from chatwright.training.checkpoints import restore_checkpoint, write_checkpoint
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.world import World, open_world, seed_everything


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Settings of `pretrain`. `depth` is the one dial; what is None is derived from it."""

    out: Path
    tokens: Path
    """Folder that `tokenize` wrote."""
    base: Path | None = None
    """Go on from this model instead of starting from scratch; its shape and tokenizer are kept."""
    family: str = "transformer"
    """transformer or lstm."""
    size: str | None = None
    """The shape of a published model, such as gpt2, gpt3-350m-local or smollm2-135m; takes the place of `depth`."""
    depth: int = 4
    """Layers; the width is 48 times as much."""
    width: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    norm_queries: bool = False
    dropout: float = 0.0
    """Of an lstm: share of the channels between layers that training blanks out."""
    context: int = 256
    """Most tokens the model can read."""
    window: int = 128
    """Tokens per training row; shorter than the context is faster."""
    steps: int = 1600
    batch: int = 32
    """Rows per step."""
    optimizer: str = "adamw"
    """adamw or muon."""
    learning_rate: float | None = None
    matrix_learning_rate: float | None = None
    """Of Muon; None: 2.5 times the other."""
    weight_decay: float = 0.1
    warmup: float = 0.03
    """Share of the steps in which the learning rate rises."""
    accumulate: int = 1
    evaluate_every: int = 400
    seed: int = 1
    threads: int = 2
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("depth", "context", "window", "steps", "batch", "accumulate", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"pretrain.{name} is {getattr(self, name)}; it must be at least 1")
        if self.window > self.context:
            raise ConfigError(
                f"pretrain.window ({self.window}) must not be greater than pretrain.context ({self.context})"
            )
        if self.family not in ("transformer", "lstm"):
            raise ConfigError(f"pretrain.family is {self.family!r}; choose transformer or lstm")
        if self.size is not None:
            others: tuple[str, ...] = ("width", "heads", "kv_heads", "norm_queries", "dropout")
            if self.family == "lstm" or any(getattr(self, name) for name in others):
                raise ConfigError(f"pretrain.size gives the whole shape; leave out family, {', '.join(others)}")
        others = ("heads", "kv_heads", "norm_queries") if self.family == "lstm" else ("dropout",)
        if wrong := [name for name in others if getattr(self, name)]:
            raise ConfigError(f"pretrain.{wrong[0]} is no setting of the family {self.family}; leave it out")

    def shape(self, vocabulary: int) -> TransformerConfig | RecurrentConfig:
        """The model's shape: a published one, or derived from `depth`, but for what is set."""
        if self.size is not None:
            return shape_of(self.size, vocabulary=vocabulary, context=self.context)
        if self.family == "lstm":
            return RecurrentConfig(
                vocabulary=vocabulary,
                width=self.width or 48 * self.depth,
                layers=self.depth,
                context=self.context,
                dropout=self.dropout,
            )
        derived = TransformerConfig.of_depth(self.depth, vocabulary=vocabulary, context=self.context, width=self.width)
        heads = self.heads or derived.heads
        return TransformerConfig(
            vocabulary=vocabulary,
            width=derived.width,
            layers=self.depth,
            heads=heads,
            kv_heads=self.kv_heads or heads,
            hidden=derived.hidden,
            context=self.context,
            norm_queries=self.norm_queries,
        )

    def rate(self, width: int) -> float:
        """The learning rate: falls with the square root of the width from 4e-3 at 192."""
        return self.learning_rate if self.learning_rate is not None else 4e-3 * (192 / width) ** 0.5


def pretrain(config: PretrainConfig) -> Path:
    """Learn from the training part, choose nothing, and report on the validation and test parts."""
    world = open_world(config.device, config.precision, config.threads)
    parents = {"tokens": config.tokens} | ({"base": config.base} if config.base else {})
    with open_stage("pretrain", config, out=config.out, parents=parents) as run:
        if run.complete:
            return run.folder
        seed_everything(config.seed)
        model, tokenizer = _model(config, world)
        training = TokenFile.open(config.tokens, "train")
        batches = TokenWindows(training.tokens, context=config.window, batch=config.batch, seed=config.seed)
        require(memory_bytes=_memory(config, model), disk_bytes=count_parameters(model) * 20, where=run.folder)
        untrained = _learn(config, model, tokenizer, batches, run, world)
        seconds = run.meter.seconds  # of training: what follows is measuring
        validation = _held_out(config, model, tokenizer, "validation", world)
        test = _held_out(config, model, tokenizer, "test", world)
        run.log(config.steps, validation_bits_per_byte=validation["value"])
        _sample(run, model, tokenizer, world, config.steps)
        ngram = _ngram(config, tokenizer, training)
        save_model(run.folder / "model", model, tokenizer, stage="pretrain")
        summary = {
            "bits_per_byte": test["value"],
            "bits_per_byte_low": test["low"],
            "bits_per_byte_high": test["high"],
            "documents": test["n"],
            "baseline_bits_per_byte": ngram,
            "untrained_bits_per_byte": untrained,
            "validation_bits_per_byte": validation["value"],
            "parameters": count_parameters(model),
            "training_tokens": run.meter.tokens,
            "epochs": batches.epochs(config.steps),
        }
        return run.finish(
            summary=summary, tokens_per_second=run.meter.tokens / seconds, epochs=_epochs(config, batches)
        )


def _learn(
    config: PretrainConfig,
    model: LanguageModel,
    tokenizer: Tokenizer,
    batches: TokenWindows,
    run: StageFolder,
    world: World,
) -> float:
    """All steps, from the latest checkpoint on; returns the untrained model's bits per byte on validation documents."""
    optimizer = _optimizer(config, model)
    if (latest := run.latest()) is not None:
        start = latest[0]
        state, _ = restore_checkpoint(latest[1], {"model": model}, {"model": optimizer})
        untrained = float(str(state["untrained"]))
    else:
        start, untrained = 0, _held_out(config, model, tokenizer, "validation", world)["value"]
    flops = training_flops_per_token(model, config.window)
    for step in train_steps(
        model,
        batches,
        language_loss,
        optimizer,
        until=config.steps,
        after=start,
        world=world,
        accumulate=config.accumulate,
    ):
        run.meter.add(tokens=step.tokens, flops=step.tokens * flops)
        if step.number % 10 == 0 or step.number == config.steps:
            run.log(
                step.number,
                loss=step.loss,
                tokens=run.meter.tokens,
                tokens_per_second=run.meter.tokens / max(run.meter.seconds, 1e-9),
                learning_rate=step.learning_rate,
                gradient_norm=step.gradient_norm,
            )
            run.progress(step.number, config.steps, loss=step.loss)
        if step.number % config.evaluate_every == 0 and step.number < config.steps:
            held_out = _held_out(config, model, tokenizer, "validation", world, documents=200)["value"]
            run.log(step.number, validation_bits_per_byte=held_out)
            _sample(run, model, tokenizer, world, step.number)
        if run.should_save(step.number):
            with run.checkpoint(step.number) as folder:
                write_checkpoint(folder, {"model": model}, {"model": optimizer}, {"untrained": untrained})
    return untrained


def _optimizer(config: PretrainConfig, model: LanguageModel) -> Optimizer:
    rate = config.rate(model.backbone.width)
    return Optimizer(
        [model],
        Schedule(steps=config.steps, warmup=round(config.warmup * config.steps), final=0.05),
        kind=config.optimizer,
        learning_rate=rate,
        matrix_learning_rate=config.matrix_learning_rate or 2.5 * rate,
        weight_decay=config.weight_decay,
    )


def _model(config: PretrainConfig, world: World) -> tuple[LanguageModel, Tokenizer]:
    """A new model for the token files' tokenizer, or a copy of an earlier one to go on from."""
    if config.base is not None:
        model, tokenizer = load_language_model(config.base, world=world)
        if Tokenizer.load(config.tokens).to_json() != tokenizer.to_json():
            raise InputError(
                f"{config.tokens} was written with another tokenizer than {config.base} has; tokenize the texts again "
                f'with tokenizer = "{config.base}"'
            )
        return model.requires_grad_(True).train(), tokenizer
    tokenizer = Tokenizer.load(config.tokens)
    model = LanguageModel(new_backbone(config.shape(tokenizer.size)))
    model.backbone.dtype = world.dtype
    return model.to(world.device), tokenizer


def _held_out(
    config: PretrainConfig,
    model: LanguageModel,
    tokenizer: Tokenizer,
    part: str,
    world: World,
    *,
    documents: int | None = None,
) -> dict[str, float]:
    """Bits per byte on a part of the token files, or on its first documents."""
    held_out = TokenFile.open(config.tokens, part)
    bounds = held_out.bounds if documents is None else held_out.bounds[: documents + 1]
    return bits_per_byte(model, tokenizer, held_out.tokens, bounds, context=config.window, world=world)


def _ngram(config: PretrainConfig, tokenizer: Tokenizer, training: TokenFile) -> float:
    """The baseline: an interpolated Kneser-Ney 5-gram of the same training tokens, on the same test documents."""
    test = TokenFile.open(config.tokens, "test")
    return ngram_bits_per_byte(
        (training.tokens, training.bounds), (test.tokens, test.bounds), tokenizer.byte_lengths, order=5
    )


def _sample(run: StageFolder, model: LanguageModel, tokenizer: Tokenizer, world: World, step: int) -> None:
    engine = Engine(model, tokenizer, world)
    prompts = [[tokenizer.begin]] * 2
    for sampled in engine.sample(prompts, Sampling(temperature=0.8, max_tokens=80), seeds=seeds_of(step, 2)):
        run.sample(f"Step {step}", tokenizer.decode(sampled.tokens))


def _epochs(config: PretrainConfig, batches: TokenWindows) -> dict[str, float]:
    """How often each source's tokens were read; mixtures are laid out by `tokenize`, so all are read alike."""
    sources = read_json(config.tokens / "tokens.json").get("sources", [])
    passes = batches.epochs(config.steps)
    return {
        str(source.get("path", number)): passes * float(source.get("copies", 1))
        for number, source in enumerate(sources)
    }


def _memory(config: PretrainConfig, model: LanguageModel) -> int:
    """Bytes that training takes: weights, gradients and moments, and what is kept for the backward pass."""
    shape = model.backbone.config
    if isinstance(shape, RecurrentConfig):
        token, squares = shape.layers * 16 * shape.width, 0  # four gates, two memories, their inputs and gradients
    else:
        token = shape.layers * (14 * shape.width + 4 * shape.hidden)
        squares = shape.layers * shape.heads * config.window**2
    row = config.window * (token + 3 * shape.vocabulary)
    return count_parameters(model) * 20 + config.batch // config.accumulate * (row + squares) * 4
